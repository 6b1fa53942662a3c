"""Running the handler within its time.

Every call has a thread to itself. When its time is over, an async handler is cancelled; a synchronous
one cannot be stopped from outside. A handler that has not ended shortly after is stuck: the instance then
takes no new calls, lets the others finish and is replaced (docs/decisions/0021-stuck-handlers.md), so that
stuck threads never pile up.
"""

import contextlib
import contextvars
import inspect
import json
import queue
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import failures
from .context import Context, current
from .events import Event
from .failures import Failure
from .handlers import Handler

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures

GRACE_SECONDS = 0.5
"""How long after its time a handler may still end without being taken for stuck."""


@dataclass(frozen=True)
class Outcome:
    """How a call ended: the result as JSON text, or why there is none; never both."""

    result: str | None
    failure: Failure | None
    duration_seconds: float


class Invoker:
    """Calls one handler, from any number of threads, at most `max_concurrency` at a time."""

    def __init__(
        self, handler: Handler, *, timeout_seconds: float, max_concurrency: int, on_stuck: Callable[[], None]
    ) -> None:
        self._handler = handler
        self._timeout_seconds = timeout_seconds
        self._max_concurrency = max_concurrency
        self._places = threading.Semaphore(max_concurrency)
        self._on_stuck = on_stuck
        self._loop = _Loop()
        self._workers = _Workers()

    def call(self, event: Event, context: Context) -> Outcome:
        """Run the handler and return how it ended; `on_stuck` is called when it did not end at all."""
        started = time.monotonic()
        if not self._places.acquire(timeout=self._timeout_seconds):
            return Outcome(None, failures.saturated(self._max_concurrency), time.monotonic() - started)
        started = time.monotonic()
        task = _Task(self._handler, event, context, self._loop)
        self._workers.run(task, self._places.release)
        if task.wait(self._timeout_seconds):
            return Outcome(task.result, task.failure, time.monotonic() - started)
        task.cancel()
        if not task.wait(GRACE_SECONDS):
            self._on_stuck()
        return Outcome(None, failures.timed_out(self._timeout_seconds), time.monotonic() - started)


class _Workers:
    """Threads that are kept for the next call: starting one costs more than everything else of a call.

    A stuck thread never comes back. There are as many as calls were ever running at one time.
    """

    def __init__(self) -> None:
        self._idle: list[queue.SimpleQueue[tuple[_Task, Callable[[], object]]]] = []

    def run(self, task: "_Task", at_end: Callable[[], object]) -> None:
        """Run the task in a free thread, then call `at_end`."""
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(inbox,), name="handler", daemon=True).start()
        inbox.put((task, at_end))

    def _work(self, inbox: "queue.SimpleQueue[tuple[_Task, Callable[[], object]]]") -> None:
        while True:
            task, at_end = inbox.get()
            contextvars.Context().run(task.run)
            self._idle.append(inbox)
            task.finish()
            at_end()
            del task, at_end


class _Task:
    """One call."""

    def __init__(self, handler: Handler, event: Event, context: Context, loop: "_Loop") -> None:
        self._handler, self._event, self._context = handler, event, context
        self._loop = loop
        self._future: concurrent.futures.Future[Any] | None = None
        self._cancelled = False
        self._running = threading.Lock()
        self._running.acquire()
        self.result: str | None = None
        self.failure: Failure | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for the end; say whether it came within the time."""
        return self._running.acquire(timeout=seconds)

    def finish(self) -> None:
        """Let `wait` return. Called once, by the thread that ran the task."""
        self._running.release()

    def cancel(self) -> None:
        """Cancel the handler where that is possible, which is while it awaits."""
        self._cancelled = True
        if self._future is not None:
            self._future.cancel()

    def run(self) -> None:
        """Call the handler and keep its result or failure; never raises."""
        current.set(self._context)
        try:
            value = self._handler(self._event, self._context)
            if inspect.isawaitable(value):
                value = self._await(value)
            self.result = to_json(value)
        except BaseException as error:  # the top of the parser's code; sys.exit ends the call only
            self.failure = failures.from_exception(error)
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()

    def _await(self, value: Awaitable[Any]) -> Any:
        self._future = self._loop.submit(value)
        if self._cancelled:
            self._future.cancel()
        return self._future.result()


class _Loop:
    """One event loop for all async handlers, so that clients that they keep between calls stay usable.

    Made at the first need: asyncio doubles the wrapper's start.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, value: Awaitable[Any]) -> "concurrent.futures.Future[Any]":
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="asyncio", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(_completed(value), self._loop)


async def _completed(value: Awaitable[Any]) -> Any:
    return await value


def to_json(value: Any) -> str:
    """Return a handler's result as JSON text. Raises ResultNotJson, which says what is in the way."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_refuse)
    except (TypeError, ValueError, RecursionError) as error:
        raise failures.ResultNotJson(
            f"the handler's result is not JSON: {error}; "
            "return dicts with text keys, lists, texts, finite numbers, booleans and None"
        ) from error


def _refuse(value: object) -> Any:
    raise TypeError(f"it holds a {type(value).__qualname__}")
