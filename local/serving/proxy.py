"""Carries one HTTP request to a pod and the response back, streaming both where they are long."""

import asyncio

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from local.serving.throttler import Backend

BUFFERED_BYTES = 64 * 1024
"""Bodies of known length up to this are passed on in one piece, longer ones as they come."""
_IDLE_CONNECTION_SECONDS = 3.0
"""Shorter than servers keep idle connections open, so that none is used just as its pod closes it."""
_HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    ]
)


class NotSent(Exception):
    """The pod could not be reached, and nothing of the request was sent."""


class BadResponse(Exception):
    """The pod broke the exchange off; it may have worked on the request."""


class Proxy:
    """A pool of connections to pods; open between `start` and `stop`."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool."""
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=_IDLE_CONNECTION_SECONDS, use_dns_cache=False
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=BUFFERED_BYTES,
            max_field_size=BUFFERED_BYTES,
        )
        # aiohttp would send idempotent requests a second time when the pod dies over them.
        self._session._retry_connection = False

    async def stop(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def send(
        self, request: web.BaseRequest, body: bytes | None, backend: Backend
    ) -> aiohttp.ClientResponse:
        """Send the request, with the body given or else the request's own stream; return the response's head.

        Raises NotSent or BadResponse. The response has to be released by `pass_back`.
        """
        assert self._session is not None
        data = body if body is not None else request.content
        try:
            return await self._session.request(
                request.method,
                _target(request, backend),
                headers=end_to_end(request.headers),
                data=data if request.body_exists else None,
                allow_redirects=False,
            )
        except aiohttp.ClientConnectorError as error:
            raise NotSent(str(error)) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise BadResponse(f"{type(error).__name__}: {error}") from error


def _target(request: web.BaseRequest, backend: Backend) -> URL:
    """Return the pod's URL for a request: its path and query as sent, nothing else of its target."""
    target = request.rel_url
    return URL.build(
        scheme="http",
        host=backend.host,
        port=backend.port,
        path=target.raw_path,
        query_string=target.raw_query_string,
        encoded=True,
    )


def end_to_end(headers: MultiMapping[str]) -> CIMultiDict[str]:
    """Return the headers without those that belong to one connection only."""
    named = headers.getall("Connection", ())
    options = {option.strip().lower() for value in named for option in value.split(",")}
    dropped = _HOP_BY_HOP | options
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


async def pass_back(upstream: aiohttp.ClientResponse, request: web.BaseRequest) -> web.StreamResponse:
    """Answer the request with a pod's response. Raises BadResponse if that ends early."""
    headers = end_to_end(upstream.headers)
    length = upstream.content_length
    try:
        if request.method != "HEAD" and length is not None and length <= BUFFERED_BYTES:
            body = await upstream.read()
            return web.Response(status=upstream.status, reason=upstream.reason, headers=headers, body=body)
        response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
        await response.prepare(request)
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (
        aiohttp.ClientPayloadError,
        aiohttp.ServerDisconnectedError,
        asyncio.IncompleteReadError,
    ) as error:
        raise BadResponse(f"{type(error).__name__}: {error}") from error
    return response
