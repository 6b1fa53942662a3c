"""Queues: order within a function, parallel functions, superseding, limits, shutdown."""

import asyncio
import contextlib
import threading
from dataclasses import replace

import pytest

from automation.errors import DependencyUnavailable, DeployFailed, Saturated, SourceNotFound
from automation.events import FunctionId, Reply
from automation.worker import Worker
from tests.automation import worlds
from tests.automation.worlds import at

DONE = Reply(status="done", message="")


class Handler:
    """Handles events when the test lets it, and keeps what it did."""

    def __init__(self):
        self.handled = []
        self.superseded = {}
        self.started = threading.Semaphore(0)
        self.gate = threading.Event()
        self.errors = {}

    def __call__(self, event, superseded):
        self.started.release()
        assert self.gate.wait(10)
        self.handled.append(event.meta.id)
        self.superseded[event.meta.id] = [meta.id for meta in superseded]
        if event.meta.id in self.errors:
            raise self.errors[event.meta.id]
        return replace(DONE, message=event.meta.id)

    async def has_started(self, count=1):
        for _ in range(count):
            assert await asyncio.to_thread(self.started.acquire, timeout=10)


@pytest.fixture
def handler():
    return Handler()


@pytest.fixture
async def worker(handler):
    worker = Worker(handler, threads=4, limit=10)
    yield worker
    handler.gate.set()
    await worker.close(5)


def of(parser, event):
    return replace(event, function=FunctionId("tp1", parser))


async def queued(worker, *events):
    """Submit events in this order without waiting for their answers."""
    tasks = []
    for event in events:
        tasks.append(asyncio.create_task(worker.submit(event)))
        await asyncio.sleep(0)
    return tasks


async def test_events_of_one_function_are_handled_in_order(worker, handler):
    events = [worlds.delete(f"d{number}") for number in range(5)]
    tasks = await queued(worker, *events)
    handler.gate.set()

    replies = await asyncio.gather(*tasks)

    assert handler.handled == [reply.message for reply in replies] == [f"d{number}" for number in range(5)]


async def test_functions_are_handled_at_the_same_time_up_to_the_number_of_threads(worker, handler):
    tasks = await queued(worker, *(of(f"p{number}", worlds.delete(f"d{number}")) for number in range(6)))
    await handler.has_started(4)

    assert worker.stats.active == 4
    assert worker.stats.queue_depth == 2
    handler.gate.set()
    await asyncio.gather(*tasks)
    assert (worker.stats.active, worker.stats.queue_depth) == (0, 0)


async def test_a_queued_build_start_gives_way_to_a_newer_one(worker, handler):
    tasks = await queued(worker, worlds.delete("d"), *(worlds.start(id) for id in ("a", "b", "c")))
    await handler.has_started()
    handler.gate.set()

    replies = await asyncio.gather(*tasks)

    assert handler.handled == ["d", "c"]
    assert handler.superseded["c"] == ["a", "b"]
    assert [reply.status for reply in replies] == ["done", "superseded", "superseded", "done"]
    assert replies[1].fields == {"event_id": "a", "superseded_by": "c"}


async def test_an_older_build_start_does_not_take_the_place_of_a_newer_one(worker, handler):
    newer, older = worlds.start("new", time=at(2)), worlds.start("old", time=at(1))
    tasks = await queued(worker, worlds.delete("d"), newer, older)
    handler.gate.set()
    await asyncio.gather(*tasks)

    assert handler.handled == ["d", "new", "old"]


async def test_a_repeated_build_start_does_not_supersede_itself(worker, handler):
    tasks = await queued(worker, worlds.delete("d"), worlds.start("a"), worlds.start("a"))
    handler.gate.set()
    await asyncio.gather(*tasks)

    assert handler.handled == ["d", "a", "a"]


async def test_a_dry_run_neither_takes_a_place_nor_gives_its_own_away(worker, handler):
    start = worlds.start("dry")
    dry = replace(start, meta=replace(start.meta, dry_run=True))
    tasks = await queued(worker, worlds.delete("d"), worlds.start("a"), dry, worlds.start("b"))
    handler.gate.set()
    await asyncio.gather(*tasks)

    assert handler.handled == ["d", "dry", "b"]
    assert handler.superseded["b"] == ["a"]


async def test_when_the_newer_one_fails_the_older_gets_its_turn(worker, handler):
    handler.errors["b"] = SourceNotFound("no code")
    tasks = await queued(worker, worlds.delete("d"), worlds.start("a"), worlds.start("b"))
    handler.gate.set()

    replies = await asyncio.gather(*tasks, return_exceptions=True)

    assert handler.handled == ["d", "b", "a"]
    assert isinstance(replies[2], SourceNotFound)
    assert replies[1].status == "done"


async def test_a_chain_that_fails_at_its_end_begins_anew_without_it(worker, handler):
    handler.errors["c"] = SourceNotFound("no code")
    tasks = await queued(worker, worlds.delete("d"), *(worlds.start(id) for id in ("a", "b", "c")))
    handler.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert handler.handled == ["d", "c", "b"]
    assert handler.superseded["b"] == ["a"]


async def test_too_many_events_are_refused(worker, handler):
    tasks = await queued(worker, *(worlds.delete(f"d{number}") for number in range(10)))

    with pytest.raises(Saturated, match="10 events are waiting"):
        await worker.submit(worlds.delete("one-more"))

    handler.gate.set()
    await asyncio.gather(*tasks)
    assert (await worker.submit(worlds.delete("later"))).status == "done"


async def test_a_defect_in_one_event_does_not_end_its_function(worker, handler, caplog):
    handler.errors["a"] = KeyError("defect")
    handler.gate.set()

    with pytest.raises(DeployFailed, match="internal error"):
        await worker.submit(worlds.delete("a"))

    assert (await worker.submit(worlds.delete("b"))).status == "done"
    assert "event failed" in caplog.text


async def test_whoever_stops_waiting_does_not_stop_the_work(worker, handler):
    (task,) = await queued(worker, worlds.delete("a"))
    await handler.has_started()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert (worker.stats.active, worker.stats.queue_depth) == (1, 0)
    handler.gate.set()

    await worker.submit(worlds.delete("b"))

    assert handler.handled == ["a", "b"]


async def test_functions_without_events_leave_nothing_behind(worker, handler):
    handler.gate.set()
    for number in range(50):
        await worker.submit(of(f"p{number}", worlds.delete(f"d{number}")))
    await asyncio.sleep(0)

    assert worker._queues == {}
    assert worker._open == set()


async def test_a_shutdown_finishes_what_was_accepted(handler):
    worker = Worker(handler, threads=2, limit=10)
    tasks = await queued(worker, worlds.delete("a"), worlds.delete("b"))
    closing = asyncio.create_task(worker.close(10))
    await asyncio.sleep(0)

    with pytest.raises(DependencyUnavailable, match="shutting down"):
        await worker.submit(worlds.delete("c"))
    handler.gate.set()
    await closing

    assert [reply.message for reply in await asyncio.gather(*tasks)] == ["a", "b"]


async def test_a_shutdown_refuses_what_is_left_after_its_grace(handler):
    worker = Worker(handler, threads=1, limit=10)
    tasks = await queued(worker, worlds.delete("a"), worlds.start("b"), worlds.start("c"))
    await handler.has_started()

    await worker.close(0.01)

    replies = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(reply) for reply in replies] == [DependencyUnavailable] * 3
    handler.gate.set()
