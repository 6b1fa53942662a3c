"""Load over plain connections: a client library on the same cores would be much of what is measured."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

SOURCE = "network.notifi.bench"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


def request(service: str, type_: str, data: Mapping[str, object], **extensions: str) -> Callable[[], bytes]:
    """Return what makes requests with one event each, of new ids; `extensions` are further attributes."""
    body = json.dumps(data).encode()
    attributes = {"specversion": "1.0", "type": type_, "source": SOURCE, **extensions}
    headers = "".join(f"Ce-{name}: {value}\r\n" for name, value in attributes.items())
    head = (
        f"POST / HTTP/1.1\r\nHost: {urlsplit(service).netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{headers}Ce-Id: "
    ).encode()
    return lambda: head + str(uuid.uuid4()).encode() + b"\r\n\r\n" + body


class Connection:
    """One connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, service: str) -> Self:
        """Connect to a base URL."""
        parts = urlsplit(service)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def send(self, content: bytes) -> Answer:
        """Send one request and return its answer. Raises what asyncio's streams do when it breaks off."""
        self._writer.write(content)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        return Answer(int(head[9:12]), await self._reader.readexactly(length))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def many(
    service: str, make: Callable[[], bytes], count: int, clients: int
) -> tuple[float, list[float]]:
    """Send so many events over so many connections; return the seconds of all, and of each.

    Raises RuntimeError for an answer that is no success.
    """
    connections = [await Connection.to(service) for _ in range(clients)]
    left = iter(range(count))
    seconds: list[float] = []

    async def one(connection: Connection) -> None:
        for _ in left:
            began = time.perf_counter()
            answer = await connection.send(make())
            seconds.append(time.perf_counter() - began)
            if answer.status != 200:
                raise RuntimeError(f"an event was answered {answer.status}: {answer.body[:500]!r}")

    began = time.perf_counter()
    try:
        await asyncio.gather(*map(one, connections))
        return time.perf_counter() - began, seconds
    finally:
        for connection in connections:
            connection.close()
