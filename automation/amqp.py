"""RabbitMQ over AMQP: where it is, how to get in, what can go wrong. For adapters."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 5.0
"""How long RabbitMQ may take to confirm a message: a quorum of nodes has it on disk then."""

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


def _address(server: Server) -> str:
    files = (server.username_file, server.password_file)
    user, password = (quote(path.read_text().strip(), safe="") for path in files)
    parts = urlsplit(server.url)
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc}").geturl()


def _trust(server: Server) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=server.ca_file) if server.url.startswith("amqps:") else None
