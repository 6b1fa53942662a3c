"""RabbitMQ over AMQP: where it is, how to get in, what can go wrong. For adapters."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 5.0
"""How long RabbitMQ may take to confirm a message: a quorum of nodes has it on disk then."""

HEARTBEAT_SECONDS: Final = 10
"""A peer that is cut off without a word is given up after three of them; RabbitMQ's own are a minute."""

FAILURES: Final = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError)
"""What the client raises when RabbitMQ does not do its part."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where RabbitMQ is and how to get in."""

    url: str
    """amqp:// or amqps:// with host and port; credentials are not part of it."""
    username_file: Path
    password_file: Path
    ca_file: Path | None = None
    """Certificates that RabbitMQ's own is trusted by; None: the system's."""


async def connect(server: Server) -> AbstractConnection:
    """Return a new connection. Credentials are read anew, so that they can be changed under way.

    Raises one of FAILURES.
    """
    return await aio_pika.connect(_address(server), timeout=CONNECT_SECONDS, ssl_context=_trust(server))


class Link:
    """A connection that is made when it is needed and again after any error; for one event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: AbstractConnection | None = None
        self._publishing: AbstractChannel | None = None
        self._connecting = asyncio.Lock()

    async def publish(
        self, message: aio_pika.Message, exchange: str, routing_key: str, *, mandatory: bool
    ) -> None:
        """Return once a quorum of nodes has the message. Raises one of FAILURES; then call `drop`."""
        channel = await self._channel()
        target = await channel.get_exchange(exchange, ensure=False)
        await target.publish(message, routing_key, mandatory=mandatory, timeout=ANSWER_SECONDS)

    async def connected(self) -> AbstractConnection:
        """Return the connection. Raises one of FAILURES."""
        async with self._connecting:
            if self._connection is None or self._connection.is_closed:
                self._publishing = None
                self._connection = await connect(self._server)
            return self._connection

    async def drop(self) -> None:
        """Give the connection up: the next call makes a new one."""
        connection, self._connection, self._publishing = self._connection, None, None
        if connection is not None:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await connection.close()
            except FAILURES:
                pass  # it is given up anyway

    async def _channel(self) -> AbstractChannel:
        connection = await self.connected()
        async with self._connecting:
            if self._publishing is None or self._publishing.is_closed:
                self._publishing = await connection.channel(publisher_confirms=True, on_return_raises=True)
            return self._publishing


def _address(server: Server) -> str:
    files = (server.username_file, server.password_file)
    user, password = (quote(path.read_text().strip(), safe="") for path in files)
    parts = urlsplit(server.url)
    address = parts._replace(
        netloc=f"{user}:{password}@{parts.netloc}", query=f"heartbeat={HEARTBEAT_SECONDS}"
    )
    return address.geturl()


def _trust(server: Server) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=server.ca_file) if server.url.startswith("amqps:") else None
