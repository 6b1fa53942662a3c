"""The consumer's HTTP side: POST / takes events into RabbitMQ; probes and metrics as the service has them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from automation.dead_letters.letter import receive
from automation.deliveries.courier import Courier
from automation.deliveries.ingress import Ingress
from service import VERSION
from service.boundary import Boundary
from service.consumer.metrics import Metrics
from service.dead_letters.room import Room
from service.http import announced_bytes, read_body, refuse_routing
from service.lifecycle import Lifecycle


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """What the application needs to know."""

    max_body_bytes: int
    body_timeout_seconds: float
    in_flight_bytes: int
    """Events from HTTP in memory at one time; those that wait are not read yet."""
    grace_seconds: float
    """How long deliveries under way may take once the process is asked to end."""


class Health(Lifecycle):
    """Answers probes."""

    def __init__(self, courier: Courier) -> None:
        super().__init__()
        self._courier = courier

    async def ready(self, request: Request) -> JSONResponse:
        """Say whether RabbitMQ sends events and takes them."""
        state = "ok" if self._courier.consuming else "no events can be taken from RabbitMQ; the log says why"
        is_ready = self._courier.consuming and not self.draining
        body = {"ready": is_ready, "dependencies": {"rabbitmq": state}, "version": VERSION}
        return JSONResponse(body, status_code=200 if is_ready else 503)


class Receiver:
    """Takes events over HTTP."""

    def __init__(self, ingress: Ingress, settings: AppSettings) -> None:
        self._ingress = ingress
        self._settings = settings
        self._room = Room(settings.in_flight_bytes)

    async def receive(self, request: Request) -> Response:
        """Answer one POST: 202 once the event is in RabbitMQ, without a body, which would be a reply."""
        limit = self._settings.max_body_bytes
        async with self._room.of(announced_bytes(request, limit)):
            body = await read_body(
                request, limit_bytes=limit, timeout_seconds=self._settings.body_timeout_seconds
            )
            event = receive(request.headers.items(), body)
            request.state.trail.adopt(event.attributes)
            request.state.trail.log.update(
                event_id=event.attributes["id"][:128], event_type=event.attributes["type"][:128]
            )
            await self._ingress.take(event)
        return Response(status_code=202)


def create_app(courier: Courier, ingress: Ingress, metrics: Metrics, settings: AppSettings) -> Starlette:
    """Return the application; deliveries go on as long as its lifespan."""
    metrics.watch(courier)
    health = Health(courier)

    async def scrape(request: Request) -> Response:
        body, content_type = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    routes = [
        Route("/", Receiver(ingress, settings).receive, methods=["POST"]),
        *(Route(path, health.live) for path in ("/health", "/healthz")),
        *(Route(path, health.ready) for path in ("/ready", "/readyz")),
        Route("/metrics", scrape),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Boundary, metrics=metrics, paths=[route.path for route in routes])],
        exception_handlers={HTTPException: refuse_routing},
        lifespan=lambda app: _delivering(courier, ingress, settings.grace_seconds),
    )
    app.state.health = health
    return app


@contextlib.asynccontextmanager
async def _delivering(courier: Courier, ingress: Ingress, grace_seconds: float) -> AsyncIterator[None]:
    """Deliver as long as the application lives; at its end those under way have their grace."""
    running = asyncio.create_task(courier.run(grace_seconds=grace_seconds))
    try:
        yield
    finally:
        courier.end()
        await running
        await ingress.close()
