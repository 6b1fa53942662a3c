"""uvicorn, ending our way: unready first, then no new connections, then the rest of the grace for work."""

import asyncio
import logging
import socket
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from service import VERSION
from service.health import Health
from service.logs import fields
from service.settings import HttpSettings

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Serves one application; SIGTERM and SIGINT drain it, a second signal ends it at once."""

    def __init__(self, app: Starlette, settings: HttpSettings, environment: str) -> None:
        super().__init__(_config(app, settings))
        self._health: Health = app.state.health
        self._drain_delay_seconds = settings.drain_delay_seconds
        self._environment = environment
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def address(self) -> str:
        """The URL at which the started server listens."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        logger.info(
            "listening",
            extra=fields(address=self.address, version=VERSION, environment=self._environment),
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal: the first begins to drain, any further one ends without waiting."""
        if self._loop is None or self._health.draining:
            self.should_exit = self.force_exit = True
            return
        self._health.drain()
        self._loop.call_soon_threadsafe(self._stop_listening_soon)

    def _stop_listening_soon(self) -> None:
        logger.info("draining")
        asyncio.get_running_loop().call_later(self._drain_delay_seconds, setattr, self, "should_exit", True)


def _config(app: Starlette, settings: HttpSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_grace_seconds - settings.drain_delay_seconds)),
    )
