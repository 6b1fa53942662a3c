"""RabbitMQ's queues of dead letters, gone through, over a connection for each time.

AMQP cannot look into a queue: a message is delivered, and put back unless it is acknowledged. What that
does to a quorum queue was measured (docs/decisions/0085): letters put back one by one keep their order, those
of a connection that ends, or of one `nack` for all, come back in any order; their delivery count grows.
Meanwhile nobody else sees them, so a lock sees to it that one at a time looks: an exclusive queue, which
RabbitMQ takes away with the connection, whatever becomes of its owner.
"""

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiormq.abc
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractIncomingMessage,
)
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq.exceptions import ChannelLockedResource

from automation.amqp import ANSWER_SECONDS, FAILURES, connect
from automation.dead_letters.letter import Message
from automation.dead_letters.rabbitmq import RabbitmqSettings, amqp
from automation.dead_letters.store import (
    Desk,
    DeskTaken,
    Held,
    LettersUnavailable,
    Place,
    Target,
    TargetRefuses,
    Wish,
)

LOCK_SUFFIX: Final = ".desk"
"""Of the lock's name, after the exchange's."""
LOCK_SECONDS: Final = 8.0
"""How long the lock is waited for."""
LOOK_SECONDS: Final = 15.0
"""Longest look through a queue: tens of thousands of letters."""
QUIET_SECONDS: Final = 2.0
"""No letter for so long: the rest of those that were counted has gone meanwhile."""

_ALL: Final = 65_535
"""Deliveries under way at most, AMQP's limit and more than the queue holds."""
_RETRY_SECONDS: Final = 0.2


class RabbitmqDesks:
    """Desks in RabbitMQ."""

    def __init__(self, settings: RabbitmqSettings) -> None:
        self._settings = settings

    @asynccontextmanager
    async def sit_down(self, place: Place) -> AsyncIterator[Desk]:
        """Take the letters of one place in hand. Raises DeskTaken or LettersUnavailable."""
        queue = self._settings.poison_queue if place is Place.POISON else self._settings.queue
        try:
            connection = await connect(self._settings.server)
        except FAILURES as error:
            raise LettersUnavailable("RabbitMQ is out of reach") from error
        try:
            await self._lock(connection)
            desk = RabbitmqDesk(connection, self._settings, queue)
            yield desk
            await desk.leave()
        except FAILURES as error:
            raise LettersUnavailable("RabbitMQ did not do its part; what was in hand is back") from error
        finally:
            await connection.close()

    async def _lock(self, connection: AbstractConnection) -> None:
        deadline = asyncio.get_running_loop().time() + LOCK_SECONDS
        while True:
            channel = await connection.channel(publisher_confirms=False)
            try:
                await channel.declare_queue(
                    self._settings.exchange + LOCK_SUFFIX, exclusive=True, timeout=ANSWER_SECONDS
                )
                return
            except ChannelLockedResource:
                if asyncio.get_running_loop().time() > deadline:
                    raise DeskTaken("somebody else goes through the dead letters; try again") from None
            await asyncio.sleep(_RETRY_SECONDS)


class RabbitmqDesk:
    """The letters of one queue in hand."""

    def __init__(self, connection: AbstractConnection, settings: RabbitmqSettings, queue: str) -> None:
        self._connection = connection
        self._settings = settings
        self._queue = queue
        self._reading: AbstractChannel | None = None
        self._publishing: AbstractChannel | None = None
        self._in_hand: set[int] = set()

    async def look(self, wish: Callable[[Message], Wish]) -> tuple[list[Held], bool]:
        """Go through the letters once; return those to hold, and whether all of them were seen."""
        self._reading = await self._connection.channel(publisher_confirms=False)
        await self._reading.set_qos(prefetch_count=_ALL)
        queue = await self._reading.get_queue(self._queue, ensure=True)
        look = _Look(wish, queue.declaration_result.message_count or 0)
        tag = await queue.consume(look.see)
        await look.wait()
        await queue.cancel(tag)
        self._in_hand = look.seen
        return look.held, look.complete

    async def target(self) -> Target:
        """Return how many events wait at the target, and how many consumers take them."""
        async with self._connection.channel(publisher_confirms=False) as channel:
            found = await channel.get_queue(self._settings.target_queue, ensure=True)
            result = found.declaration_result
            return Target(waiting=result.message_count or 0, takers=result.consumer_count or 0)

    async def send(self, held: Held, message: Message) -> None:
        """Publish an event, and acknowledge its letter once RabbitMQ has confirmed it."""
        if self._publishing is None:
            self._publishing = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await self._publishing.get_exchange(self._settings.target_exchange, ensure=False)
        try:
            await exchange.publish(amqp(message), message.routing_key, mandatory=True, timeout=ANSWER_SECONDS)
        except PublishError:
            raise TargetRefuses(f"no queue takes events of type {message.routing_key[:128]!a}") from None
        except DeliveryError:
            raise TargetRefuses("the target's queue is full") from None
        await self.drop(held)

    async def drop(self, held: Held) -> None:
        """Acknowledge a letter."""
        await (await self._channel()).basic_ack(held.receipt)
        self._in_hand.discard(held.receipt)

    async def leave(self) -> None:
        """Put back what was not taken away, in the order in which it came."""
        if self._reading is None:
            return
        channel = await self._channel()
        for tag in sorted(self._in_hand):
            await channel.basic_nack(tag, requeue=True)
        await self._reading.close()

    async def _channel(self) -> aiormq.abc.AbstractChannel:
        assert self._reading is not None, "a letter in hand was read over it"
        return await self._reading.get_underlay_channel()


class _Look:
    """One look through a queue: the consumer's callback, and when it has seen enough."""

    def __init__(self, wish: Callable[[Message], Wish], expected: int) -> None:
        self.held: list[Held] = []
        self.seen: set[int] = set()
        """Numbers of all deliveries; the messages themselves are let go of, but for those to hold."""
        self.complete = True
        self._wish = wish
        self._missing = expected
        self._done = asyncio.Event()
        self._seen = asyncio.Event()
        if expected == 0:
            self._done.set()

    async def see(self, incoming: AbstractIncomingMessage) -> None:
        """Take one delivery."""
        number = incoming.delivery_tag or 0
        self.seen.add(number)
        self._missing -= 1
        self._seen.set()
        wish = Wish.PASS if self._done.is_set() else self._wish(message_of(incoming))
        if wish is Wish.HOLD:
            self.held.append(Held(message=message_of(incoming), receipt=number))
        if wish is Wish.STOP:
            self.complete = False
        if wish is Wish.STOP or self._missing <= 0:
            self._done.set()

    async def wait(self) -> None:
        """Return when there is nothing more to see, or no time for it."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                while not self._done.is_set():
                    self._seen.clear()
                    async with asyncio.timeout(QUIET_SECONDS):
                        await self._seen.wait()
        except TimeoutError:
            self.complete = self._missing <= 0


def message_of(incoming: AbstractIncomingMessage) -> Message:
    """Return a delivery as a message of ours."""
    headers: dict[str, Any] = dict(incoming.headers)
    return Message(
        routing_key=incoming.routing_key or "",
        message_id=incoming.message_id,
        content_type=incoming.content_type,
        headers=headers,
        body=incoming.body,
        timestamp=_kept_at(incoming),
    )


def _kept_at(incoming: AbstractIncomingMessage) -> datetime.datetime | None:
    """Return when a letter came: our sink says it, or RabbitMQ in `x-death`."""
    deaths = incoming.headers.get("x-death")
    stamp: Any = incoming.timestamp
    if stamp is None and isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):
        stamp = deaths[0].get("time")
    if not isinstance(stamp, datetime.datetime):
        return None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=datetime.UTC)
