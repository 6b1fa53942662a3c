"""Events out: one HTTP request each, on kept-alive connections."""

import asyncio
import io
import socket
from collections.abc import Mapping

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from local.eventing.cloudevents import Event, encode_binary
from local.eventing.policy import Answer

_IDLE_SECONDS = 60.0
_IN_PIECES_FROM_BYTES = 1 << 18


class Sender:
    """Posts events in binary mode. One for all brokers; `close` it in the end."""

    def __init__(self, *, max_reply_bytes: int) -> None:
        self._max_reply_bytes = max_reply_bytes
        connector = aiohttp.TCPConnector(
            limit=0, resolver=_LocalhostResolver(), ttl_dns_cache=300, keepalive_timeout=_IDLE_SECONDS
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            # Subscribers have nothing to remember us by: what one sets must not reach another.
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            skip_auto_headers=("Content-Type", "Accept-Encoding"),
        )

    async def send(
        self, url: str, event: Event, headers: Mapping[str, str], timeout_seconds: float
    ) -> Answer:
        """Post the event and return the answer, with status -1 for none.

        Never raises for the receiver's faults.
        """
        event_headers, body = encode_binary(event)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._post(url, {**headers, **event_headers, "Prefer": "reply"}, body)
        except TimeoutError:
            return Answer(-1, {}, f"no answer within {timeout_seconds:g} s".encode())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(-1, {}, f"dispatch error: {error or type(error).__name__}".encode())

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        # aiohttp writes bytes in one go, which holds up the loop when they are many; a file goes in pieces.
        data = body if len(body) < _IN_PIECES_FROM_BYTES else io.BytesIO(body)
        async with self._session.post(url, data=data, headers=headers, allow_redirects=False) as response:
            content = await _read(response.content, self._max_reply_bytes)
            answered = {name.lower(): value for name, value in response.headers.items()}
            if content is None:
                return Answer(502, answered, f"the reply has over {self._max_reply_bytes} bytes".encode())
            return Answer(response.status, answered, content)


async def _read(stream: aiohttp.StreamReader, limit: int) -> bytes | None:
    content = bytearray()
    async for piece in stream.iter_any():
        content += piece
        if len(content) > limit:
            return None
    return bytes(content)


class _LocalhostResolver(AbstractResolver):
    """Names that end in .localhost are this machine (RFC 6761), whatever the system's resolver says."""

    def __init__(self) -> None:
        self._others = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host != "localhost" and not host.endswith(".localhost"):
            return await self._others.resolve(host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=port,
                family=socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        await self._others.close()
