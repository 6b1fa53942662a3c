"""Liveness and readiness: whether this process works, and whether it should be sent events."""

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse

from service import VERSION
from service.lifecycle import Lifecycle
from service.metrics import Metrics
from service.ports import Automation

READY_TIMEOUT_SECONDS: Final = 2.5
"""Below the timeout of the contract's readiness probe, 3 seconds, so that the probe sees the reason."""


class Health(Lifecycle):
    """Answers probes."""

    def __init__(self, automation: Automation, metrics: Metrics) -> None:
        super().__init__()
        self._automation = automation
        self._metrics = metrics

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
