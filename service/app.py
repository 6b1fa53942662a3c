"""The Starlette application: routes, and the HTTP handler at the head of the pipeline."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from automation.errors import PlatformError
from automation.tracing import OFF, Tracer
from service import openapi, rest, schemas
from service.boundary import Boundary
from service.handlers import CloudEventHandler, EventHandler
from service.health import Health
from service.http import read_body, refuse_routing
from service.metrics import Metrics
from service.ports import Automation
from service.rate_limits import UNLIMITED, Rate, RateLimits, ReadRate
from service.refused import Refused
from service.rest.guard import Guard
from service.settings import EVENT_PATHS
from service.signatures import UNSIGNED, Signatures, SignatureSettings
from service.tokens import Tokens

ReadBody = Callable[[Request], Awaitable[bytes]]

MIN_CLOSE_SECONDS: Final = 1.0
"""What automation gets to close even when requests have used up the grace."""

MAX_FLUSH_SECONDS: Final = 5.0
"""How long the end waits for a collector to take the last spans."""


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """What the application needs to know."""

    source: str
    """The `source` attribute of replies."""
    max_body_bytes: int
    body_timeout_seconds: float
    request_timeout_seconds: float
    """How long a request waits for its work."""
    api_tokens_file: Path | None
    """Tokens of those who may read over REST, one a line; None: nobody may."""
    signatures: SignatureSettings = UNSIGNED
    """Whose events are taken."""
    build_rate: Rate
    """How many builds may be asked for."""
    third_party_build_rate: Rate
    """The same, by each third party."""
    source_rate: Rate = UNLIMITED
    """How many events each `source` may send."""
    read_rate: Rate
    """How many requests over REST are answered."""
    refused_events_url: str = ""
    """Dead letter sink for what the Broker brings and is refused; empty: nobody keeps it."""
    shutdown_grace_seconds: float
    """How long accepted work may go on once the process is asked to end."""


class HttpHandler:
    """Takes events over HTTP."""

    def __init__(
        self,
        cloud_events: CloudEventHandler,
        health: Health,
        signatures: Signatures,
        read: ReadBody,
        refused: Refused | None,
    ) -> None:
        self._cloud_events = cloud_events
        self._health = health
        self._signatures = signatures
        self._read = read
        self._refused = refused

    async def receive(self, request: Request) -> Response:
        """Answer one POST with an event in it."""
        body, headers = await self._read(request), request.headers.items()
        self._signatures.check(request.scope["path"], headers, body)
        try:
            answer = await self._cloud_events.handle(headers, body, request.state.trail)
        except PlatformError as error:
            if self._refused:
                await self._refused.keep(request.scope["path"], headers, body, error)
            raise
        # While draining, clients that keep connections open are sent elsewhere.
        closing = {"connection": "close"} if self._health.draining else {}
        return Response(answer.body, answer.status, headers={**answer.headers, **closing})


def create_app(automation: Automation, settings: AppSettings, tracer: Tracer = OFF) -> Starlette:
    """Return the application: `app.state.health` takes it out of service, its lifespan ends automation."""
    metrics = Metrics()
    metrics.watch(lambda: automation.stats)
    health = Health(automation, metrics)
    limits = RateLimits(
        settings.build_rate, settings.third_party_build_rate, time.monotonic, settings.source_rate
    )
    events = EventHandler(automation, metrics, limits, timeout_seconds=settings.request_timeout_seconds)
    read = functools.partial(
        read_body, limit_bytes=settings.max_body_bytes, timeout_seconds=settings.body_timeout_seconds
    )
    cloud_events = CloudEventHandler(events, metrics, source=settings.source, tracer=tracer)
    signatures = Signatures(settings.signatures, time.time)
    refused = Refused(settings.refused_events_url) if settings.refused_events_url else None
    handler = HttpHandler(cloud_events, health, signatures, read, refused)

    async def scrape(request: Request) -> Response:
        body, content_type = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    routes = [
        *(Route(path, handler.receive, methods=["POST"]) for path in EVENT_PATHS),
        *(Route(path, health.live) for path in ("/health", "/healthz")),
        *(Route(path, health.ready) for path in ("/ready", "/readyz")),
        Route("/metrics", scrape),
        *schemas.routes(read),
        *rest.routes(
            automation,
            cloud_events,
            Guard(Tokens(settings.api_tokens_file), ReadRate(settings.read_rate, time.monotonic)),
            source=settings.source,
            draining=lambda: health.draining,
        ),
        Route("/openapi.json", openapi.serve),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Boundary, metrics=metrics, paths=[route.path for route in routes])],
        exception_handlers={HTTPException: refuse_routing},
        lifespan=lambda app: _living(
            refused, _ending(automation, events, health, settings.shutdown_grace_seconds, tracer)
        ),
    )
    app.router.redirect_slashes = False
    app.state.health = health
    app.state.metrics = metrics
    return app


@contextlib.asynccontextmanager
async def _living(
    refused: Refused | None, ending: contextlib.AbstractAsyncContextManager[None]
) -> AsyncIterator[None]:
    """Keep refused events until the last work has ended."""
    async with ending:
        yield
    if refused:
        refused.close()


@contextlib.asynccontextmanager
async def _ending(
    automation: Automation, events: EventHandler, health: Health, grace_seconds: float, tracer: Tracer
) -> AsyncIterator[None]:
    """Close automation at the application's end, within the grace since draining began; then send spans."""
    try:
        yield
    finally:
        deadline = health.drain() + grace_seconds
        await events.drain(max(0.0, deadline - time.monotonic()))
        await automation.close(max(MIN_CLOSE_SECONDS, deadline - time.monotonic()))
        left = min(MAX_FLUSH_SECONDS, max(MIN_CLOSE_SECONDS, deadline - time.monotonic()))
        await asyncio.to_thread(tracer.close, left)
