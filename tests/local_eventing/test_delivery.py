import asyncio
import base64
import json

import pytest
from aiohttp import web

from tests.local_eventing.conftest import NS, binary, until

FAST = {"retry": 3, "backoffPolicy": "exponential", "backoffDelay": "PT0.01S"}


async def test_an_event_reaches_its_subscriber_in_binary_mode(world):
    subscriber = await world.subscriber()
    world.broker()
    world.trigger("t", f"{subscriber.url}/events?x=1")
    await world.ready("t")

    assert await world.post(subject="p1", customext="ä b", body=b'{"a": 1}') == 202
    await until(lambda: subscriber.received)

    (got,) = subscriber.received
    assert got.body == b'{"a": 1}'
    assert got.path == "/events"
    assert (got.headers["ce-id"], got.headers["ce-subject"]) == ("e1", "p1")
    assert got.headers["ce-customext"] == "%C3%A4%20b"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["prefer"] == "reply"
    assert "ce-knativebrokerttl" not in got.headers


async def test_trace_headers_go_along_and_others_do_not(world):
    subscriber = await world.subscriber()
    world.broker()
    world.trigger("t", subscriber.url)
    await world.ready("t")

    headers = {**binary(), "traceparent": "00-1-2-01", "X-Request-Id": "r", "Authorization": "secret"}
    await world.send(f"/{NS}/default", headers, b"{}")
    await until(lambda: subscriber.received)

    got = subscriber.received[0].headers
    assert (got["traceparent"], got["x-request-id"]) == ("00-1-2-01", "r")
    assert "authorization" not in got


async def test_names_under_localhost_are_this_machine_and_keep_their_host(world):
    subscriber = await world.subscriber()
    port = subscriber.url.rpartition(":")[2]
    world.broker()
    world.trigger("t", f"http://lambda-acme.{NS}.localhost:{port}/")
    await world.ready("t")

    await world.post()
    await until(lambda: subscriber.received)

    assert subscriber.received[0].headers["host"] == f"lambda-acme.{NS}.localhost:{port}"


async def test_only_wanted_events_arrive_and_each_trigger_gets_its_own(world):
    one, two = await world.subscriber(), await world.subscriber()
    world.broker()
    world.trigger("one", one.url, filter={"attributes": {"type": "a", "subject": "p1"}})
    world.trigger("two", two.url, filter={"attributes": {"type": "a"}})
    await world.ready("one")
    await world.ready("two")

    for number, (kind, subject) in enumerate([("a", "p1"), ("a", "p2"), ("b", "p1")]):
        assert await world.post(id=str(number), type=kind, subject=subject) == 202
    await until(lambda: len(two.received) == 2)

    assert [got.id for got in one.received] == ["0"]
    assert sorted(got.id for got in two.received) == ["0", "1"]


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 503])
async def test_these_answers_are_tried_again(world, status):
    subscriber = await world.subscriber(lambda n: web.Response(status=status if n < 3 else 200))
    world.broker()
    world.trigger("t", subscriber.url, delivery=FAST)
    await world.ready("t")

    await world.post()
    await until(lambda: len(subscriber.received) == 3)

    assert await world.dead_letters() == []


@pytest.mark.parametrize("status", [400, 401, 403, 410, 422, 302])
async def test_these_answers_are_not_tried_again(world, status):
    subscriber = await world.subscriber(lambda _: web.Response(status=status, headers={"Location": "/"}))
    sink = await world.subscriber()
    world.broker()
    world.trigger("t", subscriber.url, delivery={**FAST, "deadLetterSink": {"uri": sink.url}})
    await world.ready("t")

    await world.post()
    await until(lambda: sink.received)

    assert len(subscriber.received) == 1
    assert sink.received[0].headers["ce-knativeerrorcode"] == str(status)


async def test_after_the_last_retry_the_dead_letter_sink_is_told_why(world):
    subscriber = await world.subscriber(lambda _: web.Response(status=500, text="out of order"))
    sink = await world.subscriber()
    world.broker()
    world.trigger("t", subscriber.url, delivery={**FAST, "deadLetterSink": {"uri": sink.url}})
    await world.ready("t")

    await world.post(body=b'{"n": 7}')
    await until(lambda: sink.received)

    got = sink.received[0]
    assert len(subscriber.received) == 4
    assert got.body == b'{"n": 7}'
    assert got.headers["ce-knativeerrordest"] == subscriber.url
    assert got.headers["ce-knativeerrorcode"] == "500"
    assert base64.b64decode(got.headers["ce-knativeerrordata"]) == b"out of order"


async def test_the_broker_s_dead_letter_sink_serves_triggers_without_one(world):
    sink = await world.subscriber()
    world.broker(delivery={"retry": 0, "deadLetterSink": {"uri": sink.url}})
    world.trigger("t", "http://127.0.0.1:1/")
    assert (await world.ready("t"))["deadLetterSinkUri"] == sink.url

    await world.post()
    await until(lambda: sink.received)

    assert b"dispatch error" in base64.b64decode(sink.received[0].headers["ce-knativeerrordata"])


async def test_without_a_sink_the_built_in_store_keeps_the_event(world):
    world.broker()
    world.trigger(
        "t", "http://127.0.0.1:1/", delivery={"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT0S"}
    )
    await world.ready("t")

    await world.post(id="lost", body=b'{"n": 7}')
    await until(lambda: list((world.data / "dead-letters").glob("*.json")))

    (letter,) = await world.dead_letters()
    assert letter["event"]["id"] == "lost"
    assert letter["event"]["data"] == {"n": 7}
    assert letter["event"]["knativeerrorcode"] == "500"


async def test_the_built_in_store_can_be_a_sink(world):
    subscriber = await world.subscriber(lambda _: web.Response(status=422, text="no"))
    world.broker()
    sink = {"uri": f"{world.eventing.url}/dead-letters"}
    world.trigger("t", subscriber.url, delivery={"retry": 0, "deadLetterSink": sink})
    await world.ready("t")

    await world.post(id="lost")
    await until(lambda: list((world.data / "dead-letters").glob("*.json")))

    assert [letter["event"]["knativeerrorcode"] for letter in await world.dead_letters()] == ["422"]


async def test_a_reply_event_goes_back_into_the_broker(world):
    def reply(_: int) -> web.Response:
        headers = {"ce-specversion": "1.0", "ce-id": "r1", "ce-source": "fn", "ce-type": "done"}
        return web.Response(body=b'{"ok":true}', headers=headers, content_type="application/json")

    function, listener = await world.subscriber(reply), await world.subscriber()
    world.broker()
    world.trigger("function", function.url, filter={"attributes": {"type": "start"}})
    world.trigger("listener", listener.url, filter={"attributes": {"type": "done"}})
    await world.ready("function")
    await world.ready("listener")

    await world.post(type="start")
    await until(lambda: listener.received)

    assert listener.received[0].body == b'{"ok":true}'
    assert listener.received[0].id == "r1"


async def test_a_structured_reply_is_an_event_too(world):
    document = json.dumps({"specversion": "1.0", "id": "r", "source": "f", "type": "done", "data": [1]})
    reply = web.Response
    function = await world.subscriber(
        lambda _: reply(body=document.encode(), headers={"Content-Type": "application/cloudevents+json"})
    )
    listener = await world.subscriber()
    world.broker()
    world.trigger("function", function.url, filter={"attributes": {"type": "start"}})
    world.trigger("listener", listener.url, filter={"attributes": {"type": "done"}})
    await world.ready("function")
    await world.ready("listener")

    await world.post(type="start")
    await until(lambda: listener.received)

    assert listener.received[0].body == b"[1]"


@pytest.mark.parametrize("headers", [{}, {"ce-specversion": "1.0"}], ids=["no-event", "malformed-event"])
async def test_a_reply_that_is_no_event_is_a_failed_delivery(world, headers):
    subscriber = await world.subscriber(lambda _: web.Response(body=b'{"status":"ok"}', headers=headers))
    world.broker()
    world.trigger(
        "t", subscriber.url, delivery={"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT0S"}
    )
    await world.ready("t")

    await world.post()
    await until(lambda: list((world.data / "dead-letters").glob("*.json")))

    assert len(subscriber.received) == 2
    assert (await world.dead_letters())[0]["event"]["knativeerrorcode"] == "502"


async def test_an_event_that_goes_in_circles_ends_as_a_dead_letter(world):
    def echo(number: int) -> web.Response:
        headers = {"ce-specversion": "1.0", "ce-id": str(number), "ce-source": "fn", "ce-type": "ping"}
        return web.Response(headers=headers)

    subscriber = await world.subscriber(echo)
    world.broker()
    world.trigger("t", subscriber.url)
    await world.ready("t")

    await world.post(type="ping", knativebrokerttl="5")
    await until(lambda: list((world.data / "dead-letters").glob("*.json")))

    assert len(subscriber.received) == 4
    assert await world.post(type="ping", knativebrokerttl="1") == 400


async def test_a_receiver_that_does_not_answer_in_time_has_failed(world):
    subscriber = await world.subscriber()
    subscriber.hold = asyncio.Event()
    world.broker()
    world.trigger("t", subscriber.url, delivery={"retry": 0, "timeout": "PT0.05S"})
    await world.ready("t")

    await world.post()
    await until(lambda: list((world.data / "dead-letters").glob("*.json")))
    subscriber.hold.set()

    data = base64.b64decode((await world.dead_letters())[0]["event"]["knativeerrordata"])
    assert data == b"no answer within 0.05 s"


async def test_no_more_events_are_under_way_than_the_annotation_allows(world):
    subscriber = await world.subscriber()
    subscriber.hold = asyncio.Event()
    world.broker()
    world.trigger("t", subscriber.url, parallelism=3)
    await world.ready("t")

    for number in range(10):
        await world.post(id=str(number))
    await until(lambda: subscriber.now == 3)
    subscriber.hold.set()
    await until(lambda: len(subscriber.received) == 10)

    assert subscriber.most == 3


async def test_one_at_a_time_means_in_order_and_on_one_connection(world):
    subscriber = await world.subscriber()
    world.broker()
    world.trigger("t", subscriber.url, parallelism=1)
    await world.ready("t")

    for number in range(20):
        await world.post(id=str(number))
    await until(lambda: len(subscriber.received) == 20)

    assert [got.id for got in subscriber.received] == [str(number) for number in range(20)]
    assert len(subscriber.connections) == 1


async def test_retry_after_stretches_the_wait(world):
    loop = asyncio.get_running_loop()
    times = []

    def busy(number: int) -> web.Response:
        times.append(loop.time())
        return web.Response(status=503 if number == 1 else 200, headers={"Retry-After": "1"})

    subscriber = await world.subscriber(busy)
    world.broker()
    world.trigger("t", subscriber.url, delivery=FAST)
    await world.ready("t")

    await world.post()
    await until(lambda: len(times) == 2)

    assert 0.9 < times[1] - times[0] < 5


async def test_a_slow_trigger_does_not_hold_up_another(world):
    slow, quick = await world.subscriber(), await world.subscriber()
    slow.hold = asyncio.Event()
    world.broker()
    world.trigger("slow", slow.url, parallelism=1)
    world.trigger("quick", quick.url)
    await world.ready("slow")
    await world.ready("quick")

    for number in range(5):
        await world.post(id=str(number))
    await until(lambda: len(quick.received) == 5)

    assert len(slow.received) == 1
    slow.hold.set()
    await until(lambda: len(slow.received) == 5)
