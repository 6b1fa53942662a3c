"""Threads that outlive single operations: starting one costs as much as a tenth of a small update."""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, Final, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_Queue = queue.SimpleQueue[Callable[[], None]]

IDLE_SECONDS: Final = 30.0
"""How long a thread without work is kept."""


class Workers:
    """Threads for all operations of an engine. There are as many as there is work at once; idle ones end."""

    def __init__(self) -> None:
        self._idle: list[_Queue] = []
        self._lock = threading.Lock()

    def executor(self, limit: int) -> "Executor":
        """Return an executor that uses at most `limit` of the threads at a time; shut it down after use."""
        return Executor(self, limit)

    def run(self, work: Callable[[], None]) -> None:
        """Have a thread do the work, which must not raise."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="engine-worker", daemon=True).start()
        inbox.put(work)

    def _serve(self, inbox: _Queue) -> None:
        while True:
            try:
                work = inbox.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                if self._retire(inbox):
                    return
                continue
            work()
            del work  # a thread that waits must not keep an operation's objects alive
            with self._lock:
                self._idle.append(inbox)

    def _retire(self, inbox: _Queue) -> bool:
        """Take an idle thread off the list; False if work is on its way to it."""
        with self._lock:
            if inbox not in self._idle:
                return False
            self._idle.remove(inbox)
            return True


class Executor(futures.Executor):
    """One operation's share of the workers; it starts no threads of its own."""

    def __init__(self, workers: Workers, limit: int) -> None:
        self._workers = workers
        self._limit = limit
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = 0
        self._closed = False
        self._changed = threading.Condition()

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> futures.Future[Result]:
        """Run the call as soon as one of the threads is free."""
        future: futures.Future[Result] = futures.Future()
        self.start(lambda: _fulfil(future, lambda: fn(*args, **kwargs)))
        return future

    def start(self, work: Callable[[], None]) -> None:
        """Have the work done as soon as one of the threads is free; it must not raise."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the executor was shut down")
            self._waiting.append(work)
        self._start()

    @contextlib.contextmanager
    def standing_back(self) -> Iterator[None]:
        """Let another thread work meanwhile: this one waits for something that may need one."""
        with self._changed:
            self._limit += 1
        self._start()
        try:
            yield
        finally:
            with self._changed:
                self._limit -= 1

    def ends_within(self, seconds: float) -> bool:
        """Take no more calls; return whether all are done, after waiting at most so many seconds for that."""
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: not self._running, seconds)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; with `wait`, return when all are done."""
        with self._changed:
            self._closed = True
            if cancel_futures:
                self._waiting.clear()
            if wait:
                self._changed.wait_for(lambda: not self._running)

    def _start(self) -> None:
        """Put one more thread to work, if there is work for it and it is allowed."""
        with self._changed:
            starting = bool(self._waiting) and self._running < self._limit
            self._running += starting
        if starting:
            self._workers.run(self._drain)

    def _drain(self) -> None:
        while True:
            with self._changed:
                if not self._waiting or self._running > self._limit:
                    self._running -= 1
                    self._changed.notify_all()
                    return
                work = self._waiting.popleft()
            work()


def _fulfil(future: futures.Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    # Whatever the call raises belongs to whoever waits for the future.
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
