"""Events that come over HTTP and go into RabbitMQ, as through a Broker's ingress."""

import datetime

from automation.amqp import FAILURES, Link
from automation.dead_letters.letter import Letter
from automation.dead_letters.rabbitmq import amqp
from automation.deliveries.binding import published
from automation.errors import DependencyUnavailable


class Ingress:
    """Publishes events to a topic exchange, their type as routing key; for one event loop."""

    def __init__(self, link: Link, exchange: str) -> None:
        self._link = link
        self._exchange = exchange

    async def take(self, event: Letter) -> None:
        """Return once the event is kept for certain, or nobody wants it. Raises DependencyUnavailable."""
        message = published(event, datetime.datetime.now(datetime.UTC))
        key = message.routing_key.encode()[:255].decode(errors="ignore")
        try:
            await self._link.publish(amqp(message), self._exchange, key, mandatory=False)
        except FAILURES as error:
            await self._link.drop()
            raise DependencyUnavailable("RabbitMQ did not take the event; send it again") from error

    async def close(self) -> None:
        """Close the connection."""
        await self._link.drop()
