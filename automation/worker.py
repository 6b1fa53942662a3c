"""A queue for each function: its events in order, different functions at the same time on a few threads.

A function without events costs nothing: its queue exists while something is in it. Queued build.starts that a
newer one makes pointless are not carried out; they are answered once the newer one is recorded.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from automation import answers
from automation.errors import DependencyUnavailable, DeployFailed, PlatformError, Saturated
from automation.events import BuildStart, EventMeta, FunctionEvent, FunctionId, Reply
from automation.tracing import OFF, Tracer

_LOG: Final = logging.getLogger(__name__)

Handle = Callable[[FunctionEvent, tuple[EventMeta, ...]], Reply]
"""Carries out one event, and answers for those that it supersedes; runs in a worker thread."""


@dataclass(frozen=True)
class Stats:
    """Numbers of one moment."""

    queue_depth: int
    """Events accepted and not yet worked on."""
    active: int
    """Events being worked on."""
    workers: int
    """Events that are worked on at one time at most."""
    limit: int
    """Events that may be waiting or worked on."""


@dataclass(eq=False)
class _Item:
    """An event in a queue, and who waits for its answer."""

    event: FunctionEvent
    answer: asyncio.Future[Reply]
    supersedes: "list[_Item]" = field(default_factory=list)
    queued_ns: int = field(default_factory=time.time_ns)

    def resolve(self, reply: Reply) -> None:
        """Answer, if anybody still waits."""
        if not self.answer.done():
            self.answer.set_result(reply)

    def fail(self, error: PlatformError) -> None:
        """Answer with an error, if anybody still waits."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Worker:
    """Takes events, hands each to a thread when its turn comes, and gives the answers back."""

    def __init__(self, handle: Handle, *, threads: int, limit: int, tracer: Tracer = OFF) -> None:
        self._handle = handle
        self._tracer = tracer
        self._limit = limit
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._threads = threads
        self._queues: dict[FunctionId, deque[_Item]] = {}
        self._drains: set[asyncio.Task[None]] = set()
        self._open: set[_Item] = set()
        self._running = 0
        self._closing = False

    @property
    def stats(self) -> Stats:
        """Current numbers."""
        active = min(self._running, self._threads)
        return Stats(
            queue_depth=len(self._open) - active, active=active, workers=self._threads, limit=self._limit
        )

    async def submit(self, event: FunctionEvent) -> Reply:
        """Queue an event and wait for its answer. Raises Saturated, and whatever handling the event raises.

        Whoever stops waiting does not stop the work.
        """
        if self._closing:
            raise DependencyUnavailable("the service is shutting down; send the event again")
        if len(self._open) >= self._limit:
            raise Saturated(
                f"{self._limit} events are waiting, which is the limit; send the event again later"
            )
        item = _Item(event, asyncio.get_running_loop().create_future())
        self._open.add(item)
        item.answer.add_done_callback(lambda _: self._open.discard(item))
        self._enqueue(item)
        return await asyncio.shield(item.answer)

    async def close(self, grace_seconds: float) -> None:
        """Take nothing more, finish what was accepted within the grace, refuse the rest."""
        self._closing = True
        if self._drains:
            await asyncio.wait(self._drains, timeout=grace_seconds)
        for item in tuple(self._open):
            item.fail(DependencyUnavailable("the service was shut down; send the event again"))
        for task in self._drains:
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _enqueue(self, item: _Item) -> None:
        function = item.event.function
        queue = self._queues.get(function)
        if queue is not None:
            queue.append(item)
            return
        queue = self._queues[function] = deque([item])
        task = asyncio.get_running_loop().create_task(self._drain(function, queue))
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)

    async def _drain(self, function: FunctionId, queue: deque[_Item]) -> None:
        try:
            while queue:
                await self._work_on(_take(queue), queue)
        finally:
            del self._queues[function]

    async def _work_on(self, item: _Item, queue: deque[_Item]) -> None:
        """Carry one event out; if that fails, those that it was to supersede get their own turn."""
        metas = tuple(older.event.meta for older in item.supersedes)
        self._running += 1
        try:
            loop = asyncio.get_running_loop()
            reply = await loop.run_in_executor(self._pool, self._traced, item, metas)
        except PlatformError as error:
            item.fail(error)
            queue.extendleft(reversed(item.supersedes))
        else:
            item.resolve(reply)
            for older in item.supersedes:
                older.resolve(answers.superseded_request(older.event.meta, by=item.event.meta))
        finally:
            self._running -= 1

    def _traced(self, item: _Item, superseded: tuple[EventMeta, ...]) -> Reply:
        """Carry an event out, telling its trace of the wait and of the work."""
        parent = item.event.meta.traceparent
        with self._tracer.span("wait in queue", parent=parent, began_ns=item.queued_ns):
            pass  # the wait has just ended
        with self._tracer.span("carry out", parent=parent):
            return self._guarded(item.event, superseded)

    def _guarded(self, event: FunctionEvent, superseded: tuple[EventMeta, ...]) -> Reply:
        """Let only our own errors out: a defect in one event must not end the queue of its function."""
        try:
            return self._handle(event, superseded)
        except PlatformError:
            raise
        except Exception as error:
            _LOG.exception(
                "event failed", extra={"kl_event_id": event.meta.id, "kl_function": str(event.function)}
            )
            raise DeployFailed("an internal error; the service's log tells more") from error


def _take(queue: deque[_Item]) -> _Item:
    """Return the next item to work on, passing over build.starts that a newer one in the queue supersedes."""
    while True:
        item = queue.popleft()
        newer = next((other for other in queue if _supersedes(other.event, item.event)), None)
        if newer is None:
            return item
        newer.supersedes += [*item.supersedes, item]
        item.supersedes = []


def _supersedes(other: FunctionEvent, event: FunctionEvent) -> bool:
    """Whether `other`, queued later, makes `event` pointless; its own repetition does not."""
    if not (isinstance(other, BuildStart) and isinstance(event, BuildStart)):
        return False
    if other.meta.dry_run or event.meta.dry_run:
        return False
    if (other.meta.source, other.meta.id) == (event.meta.source, event.meta.id):
        return False
    return event.meta.time is None or other.meta.time is None or other.meta.time >= event.meta.time
