"""Dead letters listed, shown, replayed and purged over HTTP, with a real RabbitMQ behind it."""

import asyncio
import base64
import contextlib
import json
import threading

import aio_pika
import httpx
import pytest

from tests.rabbitmq.conftest import ARGS, eventually
from tests.rabbitmq.sinks import LETTER

pytestmark = pytest.mark.rabbitmq

EVENTS = ARGS.events_queue
POISON = f"{ARGS.dead_letter_queue}-poison"
ADDED = ("knativeerrorcode", "knativeerrordest", "knativeerrordata")


@pytest.fixture
def depth(rabbit, vhost):
    """How many messages a queue holds once RabbitMQ has counted."""
    return lambda queue: rabbit.call("GET", f"queues/{vhost}/{queue}").get("messages")


@pytest.fixture
def taker(rabbit, vhost):
    """Somebody who takes events, as a RabbitmqSource does; returns those that came."""
    taken, ready, ended = [], threading.Event(), threading.Event()

    async def take():
        url = f"amqp://guest:guest@127.0.0.1:{rabbit.amqp_port}/{vhost}"
        async with await aio_pika.connect(url) as connection:
            queue = await (await connection.channel()).get_queue(EVENTS)

            async def on_event(message):
                taken.append(message)
                await message.ack()

            await queue.consume(on_event)
            ready.set()
            while not ended.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(take()))
    thread.start()
    assert ready.wait(20)
    yield taken
    ended.set()
    thread.join()


@pytest.fixture
async def idler(rabbit, vhost):
    """A consumer that has one event in hand for ever."""
    async with await aio_pika.connect(
        f"amqp://guest:guest@127.0.0.1:{rabbit.amqp_port}/{vhost}"
    ) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)

        async def never(message):
            pass

        await (await channel.get_queue(EVENTS)).consume(never)
        yield


def letters(sink, **query):
    answer = sink.ask("GET", "/api/dlq/letters", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(listed):
    return [letter["event_id"] for letter in listed["letters"]]


def test_nobody_looks_at_letters_without_a_token(start):
    sink = start()

    for method, path in (("GET", "/api/dlq"), ("GET", "/api/dlq/letters"), ("POST", "/api/dlq/purge")):
        assert sink.client.request(method, path).status_code == 401


def test_letters_are_listed_in_pages_and_stay(start):
    sink = start()
    for number in range(5):
        sink.keep(id=f"e-{number}")

    first = letters(sink, count=3)
    rest = letters(sink, count=3, after=first["next"])

    assert sorted(ids(first) + ids(rest)) == [f"e-{number}" for number in range(5)]
    assert (first["total"], first["complete"], rest["next"]) == (5, True, None)
    assert letters(sink)["total"] == 5


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"filter": "category=transient"}, ["later", "other"]),
        ({"filter": "class=permanent"}, ["bad"]),
        ({"filter": "type=network.notifi.lambda.service.delete"}, ["other"]),
        ({"filter": "type=network.notifi.lambda.*"}, ["bad", "later", "other"]),
        ({"filter": "third_party=globex"}, ["other"]),
        ({"filter": "source=network.notifi.acme,reason=rejected"}, ["bad"]),
        ({"minAge": "1h"}, []),
        ({"maxAge": "24h"}, ["bad", "later", "other"]),
    ],
)
def test_filters_say_which_letters_are_meant(start, query, found):
    sink = start()
    sink.keep(id="later")
    sink.keep(id="bad", knativeerrorcode="400")
    sink.keep(id="other", source="network.notifi.globex", type="network.notifi.lambda.service.delete")

    assert sorted(ids(letters(sink, **query))) == found


def test_a_filter_that_makes_no_sense_is_refused_with_what_is_allowed(start):
    answer = start().ask("GET", "/api/dlq/letters", params={"filter": "colour=red", "maxAge": "long"})

    assert answer.status_code == 400
    assert [line.split(":")[0] for line in answer.json()["details"]] == ["filter", "maxAge"]


def test_a_letter_is_shown_with_its_reason_class_and_body(start):
    sink = start()
    said = base64.b64encode(b"no such parser").decode()
    sink.keep(b'{"a": 1}', id="e-9", knativeerrorcode="400", knativeerrordata=said)
    (listed,) = letters(sink)["letters"]

    shown = sink.ask("GET", f"/api/dlq/letters/{listed['id']}").json()

    assert (shown["reason"], shown["category"], shown["replays"]) == ("rejected", "permanent", 0)
    assert (shown["data"], shown["error_data"]) == ('{"a": 1}', "no such parser")
    assert shown["attributes"]["subject"] == "café"
    assert sink.ask("GET", "/api/dlq/letters/nothing").status_code == 404


def test_a_replayed_event_is_what_it_was_but_for_the_count(start, taker):
    sink = start()
    sink.keep(id="e-1")

    report = sink.ask(
        "POST", "/api/dlq/replay", json={"filter": "category=transient", "maxAge": "24h"}
    ).json()

    assert (report["replayed"], report["failed"], report["stopped"]) == (1, 0, None)
    (event,) = eventually(lambda: list(taker))
    assert event.routing_key == LETTER["ce-type"]
    assert event.body == b"<not-json>\xff"
    assert event.headers["ce-id"] == "e-1"
    assert event.headers["ce-source"] == LETTER["ce-source"]
    assert event.headers["ce-replaycount"] == "1"
    assert event.content_type == LETTER["content-type"]
    assert not [name for name in event.headers if name.startswith("x-") or name.removeprefix("ce-") in ADDED]
    assert letters(sink)["total"] == 0
    assert sink.metric('dlq_replay_success_total{category="transient"}') == 1


def test_a_structured_event_is_replayed_structured(start, taker):
    sink = start()
    event = {"specversion": "1.0", "id": "s-1", "source": "s", "type": "network.notifi.lambda.job.start"}
    body = json.dumps({**event, "data": {"é": 1.5}, "knativeerrorcode": "503"}).encode()
    assert sink.post({"content-type": "application/cloudevents+json"}, body).status_code == 202

    sink.ask("POST", "/api/dlq/replay")

    (replayed,) = eventually(lambda: list(taker))
    assert json.loads(replayed.body) == {**event, "data": {"é": 1.5}, "replaycount": "1"}


def test_one_letter_is_replayed_and_the_others_stay(start, taker):
    sink = start()
    for number in range(3):
        sink.keep(id=f"e-{number}")
    wanted = next(one["id"] for one in letters(sink)["letters"] if one["event_id"] == "e-1")

    report = sink.ask("POST", f"/api/dlq/letters/{wanted}/replay").json()

    assert [one["event_id"] for one in report["letters"]] == ["e-1"]
    assert sorted(ids(letters(sink))) == ["e-0", "e-2"]
    assert sink.ask("POST", f"/api/dlq/letters/{wanted}/replay").status_code == 404


def test_a_letter_that_no_queue_takes_stays_and_the_answer_says_why(start, taker):
    sink = start()
    sink.keep(type="com.example.other")

    report = sink.ask("POST", "/api/dlq/replay").json()

    assert (report["replayed"], report["failed"]) == (0, 1)
    assert "no queue takes events of type 'com.example.other'" in report["failures"][0]["error"]
    assert letters(sink)["total"] == 1


def test_nothing_is_replayed_to_where_nobody_takes_it_unless_it_is_forced(start, depth):
    sink = start()
    sink.keep()

    held_back = sink.ask("POST", "/api/dlq/replay").json()
    forced = sink.ask("POST", "/api/dlq/replay", json={"force": True}).json()

    assert (held_back["replayed"], held_back["stopped"]) == (0, "nobody takes events from the target's queue")
    assert forced["replayed"] == 1
    eventually(lambda: depth(EVENTS) == 1)


def test_replays_stop_when_events_pile_up_at_the_target(start, idler, depth):
    sink = start(REPLAY_MAX_WAITING="2", REPLAY_DELAY_MS="0")
    for number in range(9):
        sink.keep(id=f"e-{number}")

    report = sink.ask("POST", "/api/dlq/replay").json()

    assert 0 < report["replayed"] < 9
    assert "events wait at the target; 2 are allowed" in report["stopped"]
    assert report["replayed"] + letters(sink)["total"] == 9


def test_purging_asks_for_confirmation_and_takes_just_what_is_meant(start):
    sink = start()
    sink.keep(id="keep-me")
    sink.keep(id="away", knativeerrorcode="400")

    refused = sink.ask("POST", "/api/dlq/purge", json={"filter": "category=permanent"})
    done = sink.ask("POST", "/api/dlq/purge", json={"filter": "category=permanent", "confirm": True})

    assert (refused.status_code, done.json()["purged"]) == (400, 1)
    assert ids(letters(sink)) == ["keep-me"]


def test_what_came_back_too_often_is_poison_and_is_kept_apart(start, depth):
    sink = start()
    sink.keep(id="e-1", replaycount="3")

    assert letters(sink)["total"] == 0
    (letter,) = letters(sink, place="poison")["letters"]
    assert (letter["category"], letter["replays"]) == ("poison", 3)
    assert sink.metric("dlq_poison_messages_total") == 1
    eventually(lambda: depth(POISON) == 1)
    assert sink.metric("dlq_poison_depth") == 1


def test_the_schedule_replays_what_has_rested_and_leaves_what_will_not_succeed(start, taker):
    sink = start(REPLAY_INTERVAL_SECONDS="1", REPLAY_FIRST_WAIT_SECONDS="0")
    sink.keep(id="later")
    sink.keep(id="bad", knativeerrorcode="400")

    eventually(lambda: [event.headers["ce-id"] for event in taker] == ["later"])
    assert ids(letters(sink)) == ["bad"]


def test_the_schedule_lets_letters_rest(start, taker):
    sink = start(REPLAY_FIRST_WAIT_SECONDS="600")
    sink.keep()

    report = sink.ask("POST", "/dlq/process").json()

    assert (report["replayed"], letters(sink)["total"]) == (0, 1)


def test_two_programs_never_replay_one_letter_twice(start, taker):
    sinks = [start(REPLAY_DELAY_MS="0") for _ in range(2)]
    for number in range(20):
        sinks[0].keep(id=f"e-{number}")

    asking = [
        threading.Thread(target=sink.ask, args=("POST", "/api/dlq/replay"), kwargs={"json": {"count": 20}})
        for sink in sinks
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()

    assert sorted(event.headers["ce-id"] for event in taker) == sorted(f"e-{number}" for number in range(20))


def test_a_program_that_dies_while_it_has_letters_in_hand_loses_none(start, taker):
    sink = start(REPLAY_DELAY_MS="60000")
    for number in range(5):
        sink.keep(id=f"e-{number}")

    def ask():
        with contextlib.suppress(httpx.HTTPError):  # the program dies while it is asked
            sink.ask("POST", "/api/dlq/replay")

    asking = threading.Thread(target=ask)
    asking.start()
    eventually(lambda: len(taker) == 1)

    sink.process.kill()
    asking.join()

    other = start(REPLAY_DELAY_MS="0")
    rest = eventually(lambda: ids(letters(other)))
    assert {event.headers["ce-id"] for event in taker} | set(rest) == {f"e-{number}" for number in range(5)}


def test_the_state_of_all_is_told(start, taker):
    sink = start()
    sink.keep()

    assert sink.ask("GET", "/api/dlq").json() == {
        "waiting": 1,
        "categories": {"transient": 1, "permanent": 0, "poison": 0},
        "complete": True,
        "target": {"waiting": 0, "takers": 1, "pressure": None},
    }


def test_what_rabbitmq_itself_dead_letters_can_be_listed_and_replayed(start, rabbit, vhost, depth):
    sink = start()
    event = {"specversion": "1.0", "id": "n-1", "source": "network.notifi.acme"}
    body = json.dumps({**event, "type": "network.notifi.lambda.job.start"})
    published = {
        "routing_key": "network.notifi.lambda.job.start",
        "payload": body,
        "payload_encoding": "string",
        "properties": {"content_type": "application/cloudevents+json", "delivery_mode": 2},
    }
    rabbit.call("POST", f"exchanges/{vhost}/cloud-events/publish", published)
    asked = {"count": 1, "ackmode": "reject_requeue_false", "encoding": "auto"}
    eventually(lambda: rabbit.call("POST", f"queues/{vhost}/{EVENTS}/get", asked))

    (letter,) = eventually(lambda: letters(sink)["letters"])
    assert (letter["event_id"], letter["reason"], letter["category"]) == ("n-1", "undelivered", "transient")
    assert letter["kept_at"] is not None
    assert sink.ask("POST", "/api/dlq/replay", json={"force": True}).json()["replayed"] == 1
    eventually(lambda: depth(EVENTS) == 1)
