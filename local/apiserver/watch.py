"""Watches: streams of changes to objects of one kind, for controllers in this process and HTTP clients.

The store publishes every committed change once; each watch keeps what it has not handed out yet.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

Match = Callable[[dict[str, Any]], bool]
"""Says whether an object is one that the watcher selected."""

BACKLOG: int = 100_000
"""Events a watch may fall behind before it is closed; a reader so slow has to list again."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change: `type` is ADDED, MODIFIED, DELETED or BOOKMARK; `object` is to be read only.

    `raw` returns the object's JSON, which is made at most once for all readers.
    """

    type: str
    object: dict[str, Any]
    raw: Callable[[], bytes]


class Watch:
    """An async iterator of Events. It ends when it is closed, by its user or by the store."""

    def __init__(self, selected: Match, closed: Callable[["Watch"], None]) -> None:
        self.selected = selected
        self._closed_hook = closed
        self._pending: deque[Event] = deque()
        self._wakeup: asyncio.Future[None] | None = None
        self.closed = False
        self.overrun = False
        """True when it was closed because its reader fell BACKLOG events behind."""

    def put(self, event: Event) -> None:
        """Queue an event for the reader; the store's side."""
        if self.closed:
            return
        if len(self._pending) >= BACKLOG:
            self.overrun = True
            self.close()
            return
        self._pending.append(event)
        self._wake()

    def close(self) -> None:
        """End the iteration after what is pending; closing twice is fine."""
        if not self.closed:
            self.closed = True
            self._closed_hook(self)
            self._wake()

    def poll(self) -> Event | None:
        """Return the next pending event without waiting, None if there is none."""
        return self._pending.popleft() if self._pending else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._pending:
            if self.closed:
                raise StopAsyncIteration
            self._wakeup = asyncio.get_running_loop().create_future()
            await self._wakeup
        return self._pending.popleft()

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)
