"""A Trigger's queue: first in, first dispatched, so many at a time, none while there is nowhere to go."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from local.eventing.delivery import Delivery, Route
from local.eventing.message import Message

_log = logging.getLogger(__name__)


class TriggerQueue:
    """Messages of one Trigger. Lives on one event loop; nothing here blocks.

    `done` is told the number of every message that was delivered or dead-lettered; `reply` takes replies.
    """

    def __init__(
        self,
        name: str,
        delivery: Delivery,
        *,
        done: Callable[[int], None],
        reply: Callable[[Message], Awaitable[bool]],
    ) -> None:
        self._name = name
        self._delivery = delivery
        self._done = done
        self._reply = reply
        self._waiting: deque[tuple[int, Message]] = deque()
        self._running: dict[asyncio.Task[None], int] = {}
        self._route: Route | None = None
        self._parallelism = 1
        self._closed = False

    def put(self, number: int, message: Message) -> None:
        """Queue a message; it is dispatched at once if there is room."""
        self._waiting.append((number, message))
        self._dispatch()

    def configure(self, route: Route | None, parallelism: int) -> None:
        """Set where messages go (None: they wait) and how many are under way at most."""
        self._route, self._parallelism = route, parallelism
        self._dispatch()

    async def close(self, *, grace_seconds: float) -> None:
        """Dispatch no more, wait for what is under way, then cancel it.

        Unfinished messages stay in the journal.
        """
        self._closed = True
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def discard(self) -> None:
        """Drop everything: the Trigger is gone."""
        self._closed = True
        for number in [*self._running.values(), *(number for number, _ in self._waiting)]:
            self._done(number)
        self._waiting.clear()
        for task in self._running:
            task.cancel()

    def _dispatch(self) -> None:
        while self._waiting and len(self._running) < self._parallelism and self._route and not self._closed:
            number, message = self._waiting.popleft()
            task = asyncio.create_task(self._deliver(number, message, self._route))
            self._running[task] = number
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task)
        if not task.cancelled() and (error := task.exception()):
            # A bug or a full disk: the message stays in the journal and is tried again after a restart.
            _log.error("delivery broke off", extra={"kl_trigger": self._name}, exc_info=error)
        self._dispatch()

    async def _deliver(self, number: int, message: Message, route: Route) -> None:
        failure = await self._delivery.deliver(message, route, self._reply)
        if failure is not None:
            _log.warning(
                "event dead-lettered: trigger %s, event %s, %s answered %d",
                self._name,
                message.event.id,
                failure.destination,
                failure.answer.status,
            )
        self._done(number)
