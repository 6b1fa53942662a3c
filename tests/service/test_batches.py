"""Batches: several events in one message, each carried out and told of on its own."""

import asyncio
import json

import pytest

from automation.errors import DependencyUnavailable, SourceNotFound
from automation.events import Reply
from service.app import create_app
from service.cloudevents import MAX_BATCH
from service.rate_limits import Rate

DATA = {"third_party_id": "acme", "parser_id": "greeter"}


def member(event_id, **changes):
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "network.notifi.acme",
        "type": "network.notifi.lambda.build.start",
        "data": DATA,
        **changes,
    }
    return {name: value for name, value in event.items() if value is not None}


@pytest.fixture
def send(client):
    async def send(*events, content=None):
        body = json.dumps(events).encode() if content is None else content
        headers = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}
        return await client.post("/", headers=headers, content=body)

    return send


async def test_every_event_of_a_batch_is_carried_out_in_order_and_told_of(send, automation):
    response = await send(*(member(f"e{number}") for number in range(5)))

    assert response.status_code == 200
    assert [event.meta.id for event in automation.events] == [f"e{number}" for number in range(5)]
    told = response.json()["results"]
    assert [(one["http_status"], one["status"], one["event_id"]) for one in told] == [
        (200, "started", f"e{number}") for number in range(5)
    ]


async def test_an_empty_batch_is_a_success_without_results(send, automation):
    response = await send()

    assert (response.status_code, response.json()) == (200, {"results": []})
    assert automation.events == []


async def test_one_bad_event_does_not_keep_the_others_from_being_done(send, automation):
    response = await send(member("a"), member("b", type=None), "no event", member("c"))

    assert response.status_code == 400
    assert [one["http_status"] for one in response.json()["results"]] == [200, 400, 400, 200]
    assert "type: missing" in str(response.json()["results"][1])
    assert [event.meta.id for event in automation.events] == ["a", "c"]


async def test_a_batch_is_to_be_sent_again_if_any_of_it_is(send, automation):
    async def handle(event):
        if event.meta.id == "away":
            raise DependencyUnavailable("no storage")
        if event.meta.id == "missing":
            raise SourceNotFound("no code")
        return Reply(status="started", message="")

    automation.handle = handle
    response = await send(member("good"), member("missing"), member("away"))

    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert [one["http_status"] for one in response.json()["results"]] == [200, 404, 503]


async def test_each_event_keeps_its_own_correlation_id(send):
    told = (await send(member("a", correlationid="c-a"), member("b", correlationid="c-b"))).json()["results"]

    assert [one["correlation_id"] for one in told] == ["c-a", "c-b"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"{}", "a batch is a JSON list of at most 100", id="an-object"),
        pytest.param(b"[", "body: ", id="no-json"),
        pytest.param(json.dumps([1] * (MAX_BATCH + 1)).encode(), "at most 100", id="too-many"),
    ],
)
async def test_what_is_no_batch_is_refused_as_a_whole(send, automation, content, problem):
    response = await send(content=content)

    assert (response.status_code, response.json()["error_type"]) == (400, "validation_error")
    assert problem in response.json()["error"]
    assert automation.events == []


async def test_a_batch_beyond_a_rate_is_done_when_it_is_sent_again_and_again(
    automation, app_settings, open_client
):
    """What was let in costs nothing any more, or the first of a batch would use up the rate for ever."""
    events = [member(f"e{number}") for number in range(6)]
    headers = {"content-type": "application/cloudevents-batch+json"}
    app = create_app(automation, app_settings(third_party_build_rate=Rate(100, 2)))
    async with open_client(app) as client:
        async with asyncio.timeout(10):
            while (answer := await client.post("/", headers=headers, json=events)).status_code == 429:
                await asyncio.sleep(answer.json()["results"][-1]["retry_after"])

    assert answer.status_code == 200
    assert {event.meta.id for event in automation.events} == {event["id"] for event in events}


async def test_plans_of_one_event_count_each_time(automation, app_settings, open_client, binary):
    app = create_app(automation, app_settings(third_party_build_rate=Rate(0.1, 2)))
    async with open_client(app) as client:
        answers = [await client.post("/", **binary(ce_dryrun="true")) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_the_log_says_why_an_event_of_a_batch_failed(send, automation, log_lines):
    automation.reply = DependencyUnavailable("storage is away")
    await send(member("a"))

    line = next(line for line in log_lines() if line["msg"] == "event of a batch answered")
    assert (line["level"], line["error"], line["event_id"]) == ("error", "storage is away", "a")
