"""RabbitMQ's queue of dead letters: published with confirmation, by a user who may do just that.

One connection and one channel, made when they are needed and again after any error. Credentials are read from
their files at each connection, so that they can be changed under way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aio_pika
from aio_pika.exceptions import DeliveryError, PublishError

from automation.amqp import ANSWER_SECONDS, FAILURES, Link, Server
from automation.dead_letters.letter import Message
from automation.dead_letters.store import LettersFull, LettersUnavailable


@dataclass(frozen=True, kw_only=True)
class RabbitmqSettings:
    """Which RabbitMQ, and what in it."""

    server: Server
    exchange: str
    """Topic exchange that letters are published to."""
    queue: str
    """Queue that they wait in."""
    poison_queue: str
    """Queue of those that were replayed too often and came back."""
    target_exchange: str
    """Topic exchange that replayed events are published to."""
    target_queue: str
    """Queue that they wait in there; only looked at."""


class RabbitmqLetters:
    """Letters in RabbitMQ; all methods are for one event loop."""

    def __init__(self, settings: RabbitmqSettings) -> None:
        self._settings = settings
        self._link = Link(settings.server)

    async def put(self, message: Message) -> None:
        """Publish, and return when a quorum of nodes has the message."""
        async with self._translated():
            exchange = self._settings.exchange
            await self._link.publish(amqp(message), exchange, message.routing_key, mandatory=True)

    async def depth(self) -> int:
        """Return how many messages are ready in the queue."""
        return await self._ready_in(self._settings.queue)

    async def _ready_in(self, name: str) -> int:
        async with self._translated(), asyncio.timeout(ANSWER_SECONDS):
            connection = await self._link.connected()
            async with connection.channel(publisher_confirms=False) as channel:
                queue = await channel.get_queue(name, ensure=True)
                return queue.declaration_result.message_count or 0

    async def poison(self) -> int:
        """Return how many letters are poison."""
        return await self._ready_in(self._settings.poison_queue)

    async def check(self) -> None:
        """Return if RabbitMQ answers and has exchange and queue."""
        await self.depth()
        async with self._translated(), asyncio.timeout(ANSWER_SECONDS):
            connection = await self._link.connected()
            async with connection.channel(publisher_confirms=False) as channel:
                await channel.get_exchange(self._settings.exchange, ensure=True)

    async def close(self) -> None:
        """Close the connection."""
        await self._link.drop()

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Turn the client's errors into ours; whatever went wrong, the next call begins anew."""
        try:
            yield
        except PublishError as error:
            raise LettersUnavailable("no queue is bound for dead letters in RabbitMQ") from error
        except DeliveryError as error:
            raise LettersFull("RabbitMQ's queue of dead letters has no room") from error
        except FAILURES as error:
            await self._link.drop()
            raise LettersUnavailable("RabbitMQ did not do its part") from error


def amqp(message: Message) -> aio_pika.Message:
    """Return a message as the client takes it."""
    return aio_pika.Message(
        message.body,
        headers=dict(message.headers),
        content_type=message.content_type,
        message_id=message.message_id,
        timestamp=message.timestamp,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
