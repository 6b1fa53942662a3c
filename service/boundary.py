"""The outermost layer of a request: where every error ends, every response gets its headers, all is counted.

An ASGI middleware around the whole application. It is the one place that catches any exception.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from typing import Final, Protocol

from prometheus_client import Counter
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automation.errors import PlatformError
from service.errors import ShuttingDown, UnexpectedError
from service.http import SECURITY_HEADERS, error_response
from service.logs import current_trail, fields, level_of
from service.trail import CORRELATION_HEADER, TRACE_HEADER, Trail, begin

CLIENT_GONE: Final = 499
"""What a request counts as whose client has gone before it was answered."""

QUIET: Final = ("GET", "HEAD")
"""Methods of probes and scrapes, which are logged at debug level only."""

logger = logging.getLogger(__name__)


class RequestMetrics(Protocol):
    """What a boundary counts by."""

    errors: Counter
    """By `error_type`."""

    def count_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one answered request."""


class Boundary:
    """Wraps an application; `paths` are its routes, the only paths that metrics tell apart."""

    def __init__(self, app: ASGIApp, *, metrics: RequestMetrics, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (or pass the lifespan on)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        token = current_trail.set(exchange.trail)
        try:
            response = await self._serve(exchange, receive)
            if response is not None and exchange.status is None:
                await response(scope, receive, exchange.send)
        except asyncio.CancelledError:
            await self._give_up(exchange, receive)
            raise
        finally:
            self._record(exchange)
            current_trail.reset(token)

    async def _serve(self, exchange: "_Exchange", receive: Receive) -> Response | None:
        """Run the application; return the response to an error that it raised."""
        try:
            await self._app(exchange.scope, receive, exchange.send)
        except ClientDisconnect:
            return None
        except PlatformError as error:
            return self._refuse(error, exchange)
        except Exception:
            logger.exception("unexpected error")
            unexpected = UnexpectedError("the service failed in a way that nobody foresaw; its log says more")
            return self._refuse(unexpected, exchange)
        return None

    async def _give_up(self, exchange: "_Exchange", receive: Receive) -> None:
        """Tell the sender to come back, in the moment that the server has for cancelled requests."""
        if exchange.status is None:
            response = self._refuse(ShuttingDown("the service is ending; send the event again"), exchange)
            await response(exchange.scope, receive, exchange.send)

    def _refuse(self, error: PlatformError, exchange: "_Exchange") -> Response:
        self._metrics.errors.labels(error.error_type).inc()
        exchange.trail.note(error)
        return error_response(error, exchange.trail)

    def _record(self, exchange: "_Exchange") -> None:
        method, path = exchange.scope["method"], exchange.scope.get("template") or exchange.scope["path"]
        seconds = time.perf_counter() - exchange.began
        status = exchange.status or CLIENT_GONE
        self._metrics.count_request(method, path if path in self._paths else "other", status, seconds)
        level = logging.DEBUG if method in QUIET and status < 400 else level_of(status)
        logger.log(level, "request answered", extra=exchange.summary(status, seconds))


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.began = time.perf_counter()
        self.scope = scope
        self.status: int | None = None
        self.trail: Trail = begin(Headers(scope=scope))
        self._send = send
        scope.setdefault("state", {})["trail"] = self.trail

    async def send(self, message: Message) -> None:
        """Send a part of the response on; its beginning gets the headers that every response has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update(SECURITY_HEADERS)
            headers[CORRELATION_HEADER] = self.trail.correlation_id
            if self.trail.trace_id:
                headers[TRACE_HEADER] = self.trail.trace_id
        await self._send(message)

    def summary(self, status: int, seconds: float) -> dict[str, object]:
        """Return the fields of the request's log line."""
        return fields(
            method=self.scope["method"],
            path=self.scope["path"],
            http_status=status,
            duration_ms=round(seconds * 1000, 3),
            **self.trail.log,
        )
