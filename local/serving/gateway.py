"""The one port where requests to Services enter: finds the revision, waits for a pod, passes the request on.

It is ingress, activator and queue-proxy in one, so it sees every request: that is why a pod can be drained
without losing any. Upgrades (WebSocket) are not passed on.
"""

import asyncio
import contextlib
from collections.abc import Callable

import aiohttp
from aiohttp import web

from local.serving.metrics import GatewayMetrics
from local.serving.proxy import BUFFERED_BYTES, BadResponse, NotSent, Proxy, pass_back
from local.serving.revision import RevisionRuntime
from local.serving.routing import Address, parse_host
from local.serving.throttler import Unavailable

_RETRY_SECONDS = 0.02
"""Pause after a refused connection: the pod has ended, and its status says so a moment later."""

FindRevision = Callable[[Address], RevisionRuntime | None]
"""Returns the revision for one request to a host, None if there is no such Service."""


class Gateway:
    """An HTTP server before all revisions."""

    def __init__(self, find: FindRevision, *, host: str, port: int = 0) -> None:
        self.metrics = GatewayMetrics()
        self.port = port
        self._host = host
        self._find = find
        self._proxy = Proxy()
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Listen; `port` is the real one afterwards."""
        await self._proxy.start()
        server = web.Server(
            self._handle,
            handler_cancellation=True,
            auto_decompress=False,
            max_line_size=BUFFERED_BYTES,
            max_field_size=BUFFERED_BYTES,
            access_log=None,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
        await self._proxy.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.metrics.requests += 1
        if not request.rel_url.raw_path.startswith("/"):
            return _error(400, f"the target {request.raw_path!r} is no path; expected one that begins with /")
        address = parse_host(request.host)
        revision = self._find(address) if address is not None else None
        if revision is None:
            return _error(404, f"no Service with traffic has the host {request.host!r}")
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(revision.timeout_seconds):
                return await self._serve(request, revision, started)
        except TimeoutError:
            self.metrics.timeouts += 1
            return self._broken(request, 504, f"no response within {revision.timeout_seconds:g} s")
        except Unavailable as error:
            self.metrics.rejected += 1
            return _error(503, str(error))
        except BadResponse as error:
            return self._broken(request, 502, f"the pod broke off the response: {error}")

    async def _serve(
        self, request: web.BaseRequest, revision: RevisionRuntime, started: float
    ) -> web.StreamResponse:
        cold = not revision.throttler.has_ready
        await _continue(request)
        length = request.content_length
        body = await request.read() if length is not None and length <= BUFFERED_BYTES else None
        while True:
            backend = await revision.throttler.acquire()
            try:
                with contextlib.suppress(NotSent):
                    upstream = await self._proxy.send(request, body, backend)
                    if cold:
                        self._count_cold_start(started)
                    return await _answer(upstream, request)
            finally:
                revision.throttler.release(backend)
            self.metrics.retries += 1
            await asyncio.sleep(_RETRY_SECONDS)

    def _count_cold_start(self, started: float) -> None:
        self.metrics.cold_starts += 1
        self.metrics.last_cold_start_ms = (asyncio.get_running_loop().time() - started) * 1000

    def _broken(self, request: web.BaseRequest, status: int, text: str) -> web.StreamResponse:
        """Return an error response; once a response has begun only its connection can be broken off."""
        if request.writer is not None and request.writer.output_size and request.transport is not None:
            request.transport.abort()
        return _error(status, text)


async def _answer(upstream: aiohttp.ClientResponse, request: web.BaseRequest) -> web.StreamResponse:
    try:
        return await pass_back(upstream, request)
    except BaseException:
        # What was not read to the end cannot be used for another request.
        upstream.close()
        raise


async def _continue(request: web.BaseRequest) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"status": "error", "message": text}, status=status)
