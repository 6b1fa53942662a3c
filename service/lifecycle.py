"""What every server of ours answers about its life: that it is there, and whether it is about to end."""

import time

from starlette.requests import Request
from starlette.responses import JSONResponse

from service import VERSION


class Lifecycle:
    """Remembers when the process was asked to end; `service.server` drives it."""

    def __init__(self) -> None:
        self._drains_since: float | None = None

    @property
    def draining(self) -> bool:
        """Whether the process is about to end and wants nothing new."""
        return self._drains_since is not None

    def drain(self) -> float:
        """Begin to drain, if that has not begun; return when it began, on the monotonic clock in seconds."""
        if self._drains_since is None:
            self._drains_since = time.monotonic()
        return self._drains_since

    async def live(self, request: Request) -> JSONResponse:
        """Say that the process answers; dependencies do not matter here, a restart would not mend them."""
        return JSONResponse({"status": "healthy", "healthy": True, "version": VERSION})
