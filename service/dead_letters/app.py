"""The sink as a Starlette application: POST / takes a letter; probes and metrics as the service has them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from automation.dead_letters.clerk import Clerk, Rules
from automation.dead_letters.letter import receive
from automation.dead_letters.store import Desks, Letters, LettersUnavailable
from service import VERSION
from service.boundary import Boundary
from service.dead_letters import rest
from service.dead_letters.metrics import Metrics
from service.dead_letters.room import Room
from service.dead_letters.schedule import Schedule
from service.dead_letters.sink import Sink
from service.http import announced_bytes, read_body, refuse_routing
from service.lifecycle import Lifecycle
from service.tokens import Tokens

READY_TIMEOUT_SECONDS: Final = 2.5
"""Below the timeout of the readiness probe, 3 seconds, so that the probe sees the reason."""


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """What the application needs to know."""

    max_body_bytes: int
    body_timeout_seconds: float
    retries: int
    """How often deliveries are repeated before they end here."""
    patience_seconds: float
    """How long a letter is tried to be kept."""
    in_flight_bytes: int
    """Letters in memory at one time."""
    api_tokens_file: Path | None
    """Tokens of those who may go through the letters, one a line; None: nobody may."""
    rules: Rules
    """How replays go."""
    replay_seconds: float
    """Between two passes of the schedule; 0: there is none."""


class Health(Lifecycle):
    """Answers probes."""

    def __init__(self, letters: Letters) -> None:
        super().__init__()
        self._letters = letters

    async def ready(self, request: Request) -> JSONResponse:
        """Say whether a letter could be kept; a full queue is no reason against it."""
        state = await self._state()
        is_ready = state == "ok" and not self.draining
        body = {"ready": is_ready, "dependencies": {"rabbitmq": state}, "version": VERSION}
        return JSONResponse(body, status_code=200 if is_ready else 503)

    async def _state(self) -> str:
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                await self._letters.check()
        except TimeoutError:
            return f"no answer within {READY_TIMEOUT_SECONDS:g} seconds"
        except LettersUnavailable as error:
            return f"{error.message}: {error.__cause__!r}"
        return "ok"


class Receiver:
    """Takes letters over HTTP, as many as there is room for: those that wait are not read yet."""

    def __init__(self, sink: Sink, settings: AppSettings) -> None:
        self._sink = sink
        self._settings = settings
        self._room = Room(settings.in_flight_bytes)

    async def receive(self, request: Request) -> Response:
        """Answer one POST: 202 once the letter is kept, without a body, which would be a reply event."""
        async with self._room.of(announced_bytes(request, self._settings.max_body_bytes)):
            body = await read_body(
                request,
                limit_bytes=self._settings.max_body_bytes,
                timeout_seconds=self._settings.body_timeout_seconds,
            )
            letter = receive(request.headers.items(), body)
            request.state.trail.adopt(letter.attributes)
            request.state.trail.log.update(
                event_id=letter.attributes["id"][:128], event_type=letter.attributes["type"][:128]
            )
            await self._sink.take(letter)
        return Response(status_code=202)


def create_app(letters: Letters, desks: Desks, settings: AppSettings) -> Starlette:
    """Return the application; its lifespan closes the store."""
    metrics = Metrics()
    health = Health(letters)
    sink = Sink(
        letters,
        metrics,
        retries=settings.retries,
        most_replays=settings.rules.most_replays,
        patience_seconds=settings.patience_seconds,
    )
    clerk = Clerk(desks, settings.rules, metrics)
    schedule = Schedule(clerk, metrics, settings.replay_seconds) if settings.replay_seconds else None

    async def scrape(request: Request) -> Response:
        waiting, poison = await sink.depths()
        metrics.depth.set(waiting)
        metrics.poison_depth.set(poison)
        body, content_type = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    routes = [
        Route("/", Receiver(sink, settings).receive, methods=["POST"]),
        *(Route(path, health.live) for path in ("/health", "/healthz")),
        *(Route(path, health.ready) for path in ("/ready", "/readyz")),
        Route("/metrics", scrape),
        *rest.routes(clerk, Tokens(settings.api_tokens_file)),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Boundary, metrics=metrics, paths=[route.path for route in routes])],
        exception_handlers={HTTPException: refuse_routing},
        lifespan=lambda app: _living(letters, schedule),
    )
    app.state.health = health
    return app


@contextlib.asynccontextmanager
async def _living(letters: Letters, schedule: Schedule | None) -> AsyncIterator[None]:
    """Have the schedule run as long as the application; a pass that is broken off has lost nothing."""
    running = asyncio.create_task(schedule.run()) if schedule else None
    try:
        yield
    finally:
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await letters.close()
