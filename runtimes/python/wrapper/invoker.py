"""Running the handler within its time.

A call runs in the thread that serves its connection: handing it to another one would cost more than all else
that the wrapper does. One thread watches the deadlines of all calls. When a call's time is over, it is
answered from there, and an async handler is cancelled; a synchronous one cannot be stopped from outside. A
handler that has not ended shortly after is stuck: the instance then takes no new calls, lets the others
finish and is replaced (docs/decisions/0021-stuck-handlers.md), so that stuck threads never pile up.
"""

import contextlib
import contextvars
import functools
import inspect
import json
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

_NEVER = float("inf")
"""When a call is due that the instance was given up for; no thread can wait until then."""


@dataclass(slots=True)
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
        self._on_stuck = on_stuck
        self._loop = _Loop()
        self._running: set[_Task] = set()
        """Handlers that have not ended, late ones included."""
        self._lock = threading.Lock()
        self._place_free = threading.Condition(self._lock)
        self._waiting = 0
        self._looked_at = threading.Condition(self._lock)
        self._next_look = float("inf")
        """When the watching thread looks at the deadlines again."""

    def watch(self) -> None:
        """Start to watch the deadlines."""
        threading.Thread(target=self._watch, name="deadlines", daemon=True).start()

    def call(
        self,
        event: Event,
        context: Context,
        on_late: Callable[[Outcome], None],
        *,
        within_seconds: float = float("inf"),
    ) -> Outcome | None:
        """Run the handler and return how it ended; `within_seconds` is the time that the event itself leaves.

        When it did not end in time, `on_late` was called with the outcome from another thread, and None is
        returned when the handler ends at last; `on_stuck` is called when it does not.
        """
        task = _Task(self._handler, event, context, self._loop, on_late)
        if not self._enter(task, within_seconds):
            seconds = min(self._timeout_seconds, within_seconds)
            return Outcome(None, failures.saturated(self._max_concurrency), seconds)
        contextvars.Context().run(task.run)
        duration = time.monotonic() - task.began
        with self._lock:
            self._running.discard(task)
            if self._waiting:
                self._place_free.notify()
            late = task.late
        if late is None:
            return Outcome(task.result, task.failure, duration)
        late.wait()
        return None

    def _enter(self, task: "_Task", within_seconds: float) -> bool:
        """Wait for a free place; say whether there was one in time."""
        latest = time.monotonic() + within_seconds
        with self._lock:
            if len(self._running) >= self._max_concurrency:
                self._waiting += 1
                free = self._place_free.wait_for(
                    lambda: len(self._running) < self._max_concurrency,
                    min(self._timeout_seconds, within_seconds),
                )
                self._waiting -= 1
                if not free:
                    return False
            task.began = time.monotonic()
            task.due = task.context.deadline = min(task.began + self._timeout_seconds, latest)
            task.hurried = latest == task.due
            self._running.add(task)
            if task.due < self._next_look:
                self._looked_at.notify()
            return True

    def _watch(self) -> None:
        with self._lock:
            while True:
                now = time.monotonic()
                for task in [each for each in self._running if each.due <= now]:
                    self._overdue(task)
                # A call that begins from now on is due a whole timeout later, or says so.
                dues = [each.due for each in self._running if each.due < _NEVER]
                self._next_look = min(dues, default=now + self._timeout_seconds)
                self._looked_at.wait(max(0.0, self._next_look - time.monotonic()))

    def _overdue(self, task: "_Task") -> None:
        """Give a call up or, the second time, the instance; in a thread that may wait for a slow peer."""
        if task.late is not None:
            task.due = _NEVER
            action = self._on_stuck
        else:
            task.late, task.due = threading.Event(), task.due + GRACE_SECONDS
            action = functools.partial(self._give_up, task, task.late)
        threading.Thread(target=action, name="late", daemon=True).start()

    def _give_up(self, task: "_Task", answered: threading.Event) -> None:
        task.cancel()
        failure = failures.timed_out(self._timeout_seconds)
        if task.hurried:
            seconds = task.context.deadline - task.began
            failure = failures.timed_out(seconds, "the event's metadata.deadlineAt")
        try:
            task.on_late(Outcome(None, failure, time.monotonic() - task.began))
        finally:
            answered.set()


class _Task:
    """One call."""

    def __init__(
        self,
        handler: Handler,
        event: Event,
        context: Context,
        loop: "_Loop",
        on_late: Callable[[Outcome], None],
    ) -> None:
        self._handler, self._event, self.context = handler, event, context
        self._loop = loop
        self._future: concurrent.futures.Future[Any] | None = None
        self._cancelled = False
        self.on_late = on_late
        self.late: threading.Event | None = None
        """It was given up; set when it was answered, before which its connection must not be closed."""
        self.began = self.due = 0.0
        self.hurried = False
        """The event's own deadline limits it, not the function's time."""
        self.result: str | None = None
        self.failure: Failure | None = None

    def cancel(self) -> None:
        """Cancel the handler where that is possible, which is while it awaits."""
        self._cancelled = True
        if self._future is not None:
            self._future.cancel()

    def run(self) -> None:
        """Call the handler and keep its result or failure; never raises."""
        current.set(self.context)
        try:
            value = self._handler(self._event, self.context)
            if type(value) is not dict and inspect.isawaitable(value):
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
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise failures.ResultNotJson(
            f"the handler's result is not JSON: {error}; "
            "return dicts with text keys, lists, texts, finite numbers, booleans and None"
        ) from error


def _refuse(value: object) -> Any:
    raise TypeError(f"it holds a {type(value).__qualname__}")


_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_refuse).encode
