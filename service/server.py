"""uvicorn, ending our way: unready first, then no new connections, then the rest of the grace for work."""

import asyncio
import logging
import socket
import ssl
import sys
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from service import VERSION
from service.lifecycle import Lifecycle
from service.logs import fields
from service.settings import HttpSettings
from service.tls import Certificate

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Serves one application; SIGTERM and SIGINT drain it, a second signal ends it at once.

    Raises CertificateUnusable.
    """

    def __init__(self, app: Starlette, settings: HttpSettings, environment: str) -> None:
        super().__init__(_config(app, settings))
        self._tls_port = settings.tls.port if settings.tls else 0
        self._certificate = Certificate(settings.tls) if settings.tls else None
        self._health: Lifecycle = app.state.health
        self._drain_delay_seconds = settings.drain_delay_seconds
        self._environment = environment
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def addresses(self) -> list[str]:
        """The URLs at which the started server listens: over HTTP, and over HTTPS if it has a certificate."""
        schemes = ("http", "https")
        return [_url(scheme, server) for scheme, server in zip(schemes, self.servers, strict=False)]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self._certificate:
            await self._listen_to_tls(self._certificate.context)
        address, *secure = self.addresses
        also = {"secure_address": secure[0]} if secure else {}
        logger.info(
            "listening",
            extra=fields(address=address, **also, version=VERSION, environment=self._environment),
        )

    async def _listen_to_tls(self, context: ssl.SSLContext) -> None:
        """Serve the same on a second port; uvicorn itself has one only."""
        config = self.config
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: config.http_protocol_class(  # type: ignore[call-arg]
                    config=config, server_state=self.server_state, app_state=self.lifespan.state
                ),
                host=config.host,
                port=self._tls_port,
                ssl=context,
                backlog=config.backlog,
            )
        except OSError as error:
            logger.error(error)
            await self.shutdown()
            sys.exit(STARTUP_FAILURE)
        self.servers.append(server)

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


def _url(scheme: str, server: asyncio.base_events.Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


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
