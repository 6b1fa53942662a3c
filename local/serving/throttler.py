"""Shares the requests of one revision among its pods: buffering, concurrency limits, least loaded first.

It stands where Knative has the activator's throttler and the queue-proxy's breaker. It knows no HTTP and
starts no pods; `on_demand` is called when a request has to wait and something should perhaps be started.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


class Unavailable(Exception):
    """A request cannot be served; the text is for its sender."""


class QueueFull(Unavailable):
    """Too many requests wait already."""


class CannotStart(Unavailable):
    """The revision's pods fail to start, so waiting is of no use."""


@dataclass(eq=False)
class Backend:
    """One pod as the throttler sees it."""

    host: str
    port: int
    in_flight: int = 0
    ready: bool = False
    """Whether new requests may go to it."""
    on_idle: Callable[[], None] | None = None
    """Called whenever its last request has ended."""


class Throttler:
    """Hands out backends. `limit` is the requests that one backend takes at a time, 0 for any number."""

    def __init__(self, limit: int, max_queued: int, on_demand: Callable[[], None]) -> None:
        self._limit = limit
        self._max_queued = max_queued
        self._on_demand = on_demand
        self._backends: list[Backend] = []
        self._waiting: deque[asyncio.Future[Backend]] = deque()
        self._active = 0
        self._area, self._since, self._from = 0.0, 0.0, 0.0

    @property
    def concurrency(self) -> int:
        """Requests that are being served or that wait."""
        return self._active + len(self._waiting)

    @property
    def has_ready(self) -> bool:
        """Whether any backend takes requests."""
        return any(backend.ready for backend in self._backends)

    async def acquire(self) -> Backend:
        """Return a backend with room for one more request, waiting for it in order of arrival.

        Raises Unavailable. Each backend got has to be released. Waiting ends by cancelling, such as by a
        timeout.
        """
        backend = None if self._waiting else self._least_loaded()
        if backend is not None:
            self._take(backend)
            return backend
        if len(self._waiting) >= self._max_queued:
            raise QueueFull(f"{len(self._waiting)} requests wait for this revision already; try again later")
        place: asyncio.Future[Backend] = asyncio.get_running_loop().create_future()
        self._integrate()
        self._waiting.append(place)
        self._on_demand()
        try:
            return await place
        except asyncio.CancelledError:
            self._give_up(place)
            raise

    def release(self, backend: Backend) -> None:
        """Say that a request has ended."""
        self._integrate()
        backend.in_flight -= 1
        self._active -= 1
        self._dispatch()
        if not backend.in_flight and backend.on_idle is not None:
            backend.on_idle()

    def add(self, backend: Backend) -> None:
        """Take a backend in; it gets requests when it is ready."""
        self._backends.append(backend)
        self._dispatch()

    def remove(self, backend: Backend) -> None:
        """Forget a backend; requests that it still serves are released as ever."""
        backend.ready = False
        if backend in self._backends:
            self._backends.remove(backend)

    def set_ready(self, backend: Backend, ready: bool) -> None:
        """Let a backend take requests, or no more."""
        backend.ready = ready
        if ready:
            self._dispatch()

    def fail_waiting(self, error: Unavailable) -> None:
        """Fail every request that waits."""
        self._integrate()
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(error)

    def mean_concurrency(self) -> float:
        """Return the mean of `concurrency` over time since the last call."""
        self._integrate()
        span = self._since - self._from
        mean = self._area / span if span > 0 else float(self.concurrency)
        self._area, self._from = 0.0, self._since
        return mean

    def _integrate(self) -> None:
        now = asyncio.get_running_loop().time()
        self._area += self.concurrency * (now - self._since) if self._since else 0.0
        self._from = self._from or now
        self._since = now

    def _least_loaded(self) -> Backend | None:
        limit = self._limit or math.inf
        free = [backend for backend in self._backends if backend.ready and backend.in_flight < limit]
        return min(free, key=lambda backend: backend.in_flight, default=None)

    def _take(self, backend: Backend) -> None:
        self._integrate()
        backend.in_flight += 1
        self._active += 1

    def _dispatch(self) -> None:
        while self._waiting and (backend := self._least_loaded()) is not None:
            self._integrate()
            place = self._waiting.popleft()
            if not place.done():
                self._take(backend)
                place.set_result(backend)

    def _give_up(self, place: asyncio.Future[Backend]) -> None:
        # A backend may have been handed over in the same turn of the loop in which the waiter was cancelled.
        if place.done() and not place.cancelled() and place.exception() is None:
            self.release(place.result())
        elif place in self._waiting:
            self._integrate()
            self._waiting.remove(place)
