"""Liveness and readiness: whether this process works, and whether it should be sent events."""

import asyncio
import time
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse

from service import VERSION
from service.metrics import Metrics
from service.ports import Automation

READY_TIMEOUT_SECONDS: Final = 2.5
"""Below the timeout of the contract's readiness probe, 3 seconds, so that the probe sees the reason."""


class Health:
    """Answers probes, and remembers when the process was asked to end."""

    def __init__(self, automation: Automation, metrics: Metrics) -> None:
        self._automation = automation
        self._metrics = metrics
        self._drains_since: float | None = None

    @property
    def draining(self) -> bool:
        """Whether the process is about to end and wants no new events."""
        return self._drains_since is not None

    def drain(self) -> float:
        """Begin to drain, if that has not begun; return when it began, on the monotonic clock in seconds."""
        if self._drains_since is None:
            self._drains_since = time.monotonic()
        return self._drains_since

    async def live(self, request: Request) -> JSONResponse:
        """Say that the process answers; dependencies do not matter here, a restart would not mend them."""
        return JSONResponse({"status": "healthy", "healthy": True, "version": VERSION})

    async def ready(self, request: Request) -> JSONResponse:
        """Say whether all dependencies do their part; 503 names those that do not."""
        dependencies = await self._dependencies()
        self._metrics.show_dependencies(dependencies)
        is_ready = not self.draining and all(state == "ok" for state in dependencies.values())
        body = {
            "status": "draining" if self.draining else "ready" if is_ready else "not_ready",
            "ready": is_ready,
            "dependencies": dependencies,
            "version": VERSION,
        }
        return JSONResponse(body, status_code=200 if is_ready else 503)

    async def _dependencies(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                return dict(await self._automation.ready())
        except TimeoutError:
            return {"automation": f"no answer within {READY_TIMEOUT_SECONDS:g} seconds"}
