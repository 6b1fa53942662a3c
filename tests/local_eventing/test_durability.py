import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from local.eventing.journal import Journal
from tests.local_eventing.conftest import NS, until


async def test_accepted_events_survive_a_restart(world):
    subscriber = await world.subscriber()
    world.broker()
    world.trigger("t", {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "fn"}})
    await world.ready("t", "False")
    for number in range(3):
        assert await world.post(id=str(number), body=b"\0binary") == 202

    await world.restart()
    world.broker()
    world.trigger("t", subscriber.url, parallelism=1)

    await until(lambda: len(subscriber.received) == 3)
    assert [got.id for got in subscriber.received] == ["0", "1", "2"]
    assert subscriber.received[0].body == b"\0binary"


async def test_delivered_events_are_not_delivered_again_after_a_restart(world):
    subscriber = await world.subscriber()
    world.broker()
    world.trigger("t", subscriber.url)
    await world.ready("t")
    await world.post(id="done")
    journal = world.data / "journal" / NS / "default.jsonl"
    await until(lambda: '"ack"' in journal.read_text())

    await world.restart()
    world.broker()
    world.trigger("t", subscriber.url)
    await world.ready("t")
    await world.post(id="new")

    await until(lambda: len(subscriber.received) == 2)
    assert [got.id for got in subscriber.received] == ["done", "new"]


async def test_a_delivery_that_a_stop_cuts_off_begins_again(world):
    subscriber = await world.subscriber()
    subscriber.hold = asyncio.Event()
    world.broker()
    world.trigger("t", subscriber.url)
    await world.ready("t")
    await world.post(id="slow")
    await until(lambda: subscriber.received)

    await world.restart()
    subscriber.hold.set()
    world.broker()
    world.trigger("t", subscriber.url)

    await until(lambda: [got.id for got in subscriber.received] == ["slow", "slow"])


async def test_a_stop_lets_a_delivery_under_way_end(world):
    subscriber = await world.subscriber()
    subscriber.hold = asyncio.Event()
    world.broker()
    world.trigger("t", subscriber.url)
    await world.ready("t")
    await world.post()
    await until(lambda: subscriber.received)

    stopping = asyncio.create_task(world.eventing.stop())
    await asyncio.sleep(0)
    subscriber.hold.set()
    await stopping

    journal = world.data / "journal" / NS / "default.jsonl"
    assert json.loads(journal.read_text().splitlines()[-1]) == {"ack": 1, "queue": "t"}


def test_a_half_written_line_is_passed_over(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.put({"n": 1}, ["a"])
    journal.close()
    path.write_bytes(path.read_bytes() + b'{"put": 2, "que')

    again = Journal(path)

    assert list(again.pending()) == [(1, "a", {"n": 1})]
    assert again.put({"n": 2}, ["a"]) == 2
    again.close()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.sampled_from("abc")), max_size=60))
def test_what_is_pending_is_what_was_put_and_not_acknowledged(tmp_path_factory, operations):
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    journal = Journal(path, compact_from_bytes=200)
    expected: dict[tuple[int, str], dict[str, int]] = {}
    for is_put, number, queue in operations:
        if is_put:
            made = journal.put({"n": number}, {queue, "x"})
            expected[made, queue] = expected[made, "x"] = {"n": number}
        else:
            journal.ack(number, queue)
            expected.pop((number, queue), None)

    assert {(n, q): m for n, q, m in journal.pending()} == expected
    journal.close()
    again = Journal(path)
    assert {(n, q): m for n, q, m in again.pending()} == expected
    again.close()


async def test_the_journal_does_not_grow_with_what_is_delivered(tmp_path):
    path = tmp_path / "j.jsonl"
    journal = Journal(path, compact_from_bytes=10_000)
    for _ in range(2000):
        journal.ack(journal.put({"data": "x" * 100}, ["a"]), "a")
    journal.close()

    assert path.stat().st_size < 12_000
