import base64
import json

import pytest

from local.apiserver.kinds import BROKER
from tests.local_eventing.conftest import NS, binary, until

EVENT = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}


@pytest.fixture
async def listener(world):
    subscriber = await world.subscriber()
    world.broker()
    world.trigger("all", subscriber.url)
    await world.ready("all")
    return subscriber


@pytest.mark.parametrize(
    ("extra", "body"),
    [
        pytest.param({"data": {"a": "ä"}}, json.dumps({"a": "ä"}, separators=(",", ":")).encode(), id="json"),
        pytest.param({"data": "text", "datacontenttype": "text/plain"}, b"text", id="text"),
        pytest.param({"data": "text"}, b'"text"', id="json-string"),
        pytest.param({"data_base64": base64.b64encode(b"\0\1").decode()}, b"\0\1", id="base64"),
        pytest.param({}, b"", id="none"),
        pytest.param({"data": None, "subject": None}, b"", id="null"),
    ],
)
async def test_structured_events_are_taken(world, listener, extra, body):
    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}

    status, text = await world.send(
        f"/{NS}/default", headers, json.dumps({**EVENT, **extra, "n": 5, "b": True}).encode()
    )

    assert (status, text) == (202, "")
    await until(lambda: listener.received)
    assert listener.received[0].body == body
    assert (listener.received[0].headers["ce-n"], listener.received[0].headers["ce-b"]) == ("5", "true")


async def test_a_batch_is_taken_event_by_event(world, listener):
    batch = json.dumps([{**EVENT, "id": str(number)} for number in range(3)]).encode()

    status, _ = await world.send(
        f"/{NS}/default", {"Content-Type": "application/cloudevents-batch+json"}, batch
    )

    assert status == 202
    await until(lambda: len(listener.received) == 3)
    assert sorted(got.id for got in listener.received) == ["0", "1", "2"]


async def test_binary_attributes_are_percent_decoded_and_encoded_again(world, listener):
    await world.post(subject="Euro%20%E2%82%AC%20%F0%9F%98%80")
    await until(lambda: listener.received)

    assert listener.received[0].headers["ce-subject"] == "Euro%20%E2%82%AC%20%F0%9F%98%80"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        pytest.param({"Content-Type": "application/json"}, b"{}", "ce-specversion is missing", id="no-event"),
        pytest.param({**binary(), "ce-id": ""}, b"", "id is empty", id="empty-id"),
        pytest.param(
            {"ce-specversion": "1.0"}, b"", "id is missing; source is missing; type is missing", id="all"
        ),
        pytest.param({**binary(), "ce-specversion": "0.3"}, b"", "specversion is '0.3'", id="version"),
        pytest.param({**binary(), "ce-time": "yesterday"}, b"", "time is 'yesterday'", id="time"),
        pytest.param({**binary(), "ce-time": "2024-02-31T00:00:00Z"}, b"", "time is", id="no-such-day"),
        pytest.param({**binary(), "ce-bad_name": "x"}, b"", "attribute name 'bad_name'", id="name"),
        pytest.param(
            {**binary(), "ce-subject": "a%0Ab"}, b"", "subject has a control character", id="control"
        ),
        pytest.param(
            {"Content-Type": "application/cloudevents+json"},
            json.dumps({**EVENT, "subject": "a\udc80"}).encode(),
            "is no UTF-8",
            id="surrogate",
        ),
        pytest.param({**binary(), "content-type": "json"}, b"", "datacontenttype is 'json'", id="media-type"),
        pytest.param({"Content-Type": "application/cloudevents+json"}, b"{", "no JSON", id="json"),
        pytest.param({"Content-Type": "application/cloudevents+json"}, b"[]", "JSON object", id="array"),
        pytest.param(
            {"Content-Type": "application/cloudevents+json"},
            json.dumps({**EVENT, "data": 1, "data_base64": ""}).encode(),
            "not both",
            id="two-kinds-of-data",
        ),
        pytest.param(
            {"Content-Type": "application/cloudevents+json"},
            json.dumps({**EVENT, "data_base64": "%"}).encode(),
            "no base64",
            id="base64",
        ),
        pytest.param(
            {"Content-Type": "application/cloudevents+json"},
            json.dumps({**EVENT, "ext": {}}).encode(),
            "no string, integer or boolean",
            id="attribute-type",
        ),
        pytest.param({"Content-Type": "application/cloudevents-batch+json"}, b"{}", "JSON array", id="batch"),
    ],
)
async def test_what_is_no_event_is_refused_with_a_reason(world, listener, headers, body, expected):
    status, text = await world.send(f"/{NS}/default", headers, body)

    assert status == 400
    assert expected in text
    assert listener.received == []


async def test_a_batch_with_one_bad_event_is_refused_as_a_whole(world, listener):
    batch = json.dumps([EVENT, {**EVENT, "id": ""}]).encode()

    status, _ = await world.send(
        f"/{NS}/default", {"Content-Type": "application/cloudevents-batch+json"}, batch
    )

    assert status == 400
    assert listener.received == []


@pytest.mark.parametrize(
    "path", ["/", f"/{NS}/nosuch", "/other/default", f"/{NS}", f"/{NS}/default/x", "/a/../b"]
)
async def test_an_unknown_broker_is_404(world, listener, path):
    status, text = await world.send(path, binary(), b"{}")

    assert status == 404
    assert "there is no broker" in text


async def test_other_methods_are_refused_and_the_webhook_handshake_is_answered(world, listener):
    assert (await world.send(f"/{NS}/default", {}, None, "GET"))[0] == 405
    assert (await world.send(f"/{NS}/default", {}, None, "OPTIONS"))[0] == 200
    assert (await world.send("/dead-letters", {}, None, "PUT"))[0] == 405
    assert (await world.send("/healthz", {}, None, "GET")) == (200, "ok\n")


async def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(world, listener):
    assert await world.post(body=bytes(1 << 18)) == 202
    assert await world.post(body=bytes((1 << 18) + 1)) == 413

    async def endless():
        for _ in range(40):
            yield bytes(1 << 14)

    assert await world.post(body=endless()) == 413
    await until(lambda: len(listener.received) == 1)


async def test_an_event_that_nobody_wants_is_accepted(world):
    world.broker()
    await until(lambda: world.store.get(BROKER, NS, "default").get("status"))

    assert await world.post() == 202


async def test_a_deleted_broker_takes_no_more_events(world, listener):
    world.store.delete(BROKER, NS, "default")

    await until(lambda: not (world.data / "journal" / NS / "default.jsonl").exists())
    assert await world.post() == 404
