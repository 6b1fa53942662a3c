"""Knative Eventing of the local platform, put together."""

import asyncio
from pathlib import Path

from aiohttp import web

from local.apiserver.store import Store
from local.eventing.broker import BrokerQueues
from local.eventing.controller import EventingController, Key
from local.eventing.deadletters import DeadLetters
from local.eventing.delivery import Delivery
from local.eventing.ingress import Ingress
from local.eventing.sender import Sender

_MAX_BODY_BYTES = 8 << 20
_GRACE_SECONDS = 5.0


class Eventing:
    """Brokers and Triggers: controllers on the store, an HTTP ingress, queues and deliveries.

    Everything that was accepted and not delivered is in `data_dir` and is delivered after a restart, once
    its Trigger is there again. `max_body_bytes` limits events and replies. On `stop` deliveries that are
    under way have `grace_seconds` to end; the others begin again with the next start, so a subscriber may
    see an event twice. `port` 0 takes a free one; it is known after `start`.
    """

    def __init__(
        self,
        store: Store,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        data_dir: Path,
        max_body_bytes: int = _MAX_BODY_BYTES,
        grace_seconds: float = _GRACE_SECONDS,
    ) -> None:
        self._host = host
        self._journals = data_dir / "journal"
        self._dead_letters = DeadLetters(data_dir / "dead-letters")
        self._max_body_bytes = max_body_bytes
        self._grace = grace_seconds
        self._controller = EventingController(store, url_of=self._url_of, open_queues=self._open_queues)
        self._runner: web.ServerRunner | None = None
        self.port = port

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end; after `start`."""
        return f"http://{self._host}:{self.port}"

    async def start(self) -> None:
        """Listen, then take up Brokers and Triggers. Raises OSError when the port is taken."""
        self._sender = Sender(max_reply_bytes=self._max_body_bytes)
        self._delivery = Delivery(self._sender, self._dead_letters.add)
        ingress = Ingress(self._controller.brokers, self._dead_letters, max_body_bytes=self._max_body_bytes)
        self._runner = web.ServerRunner(
            web.Server(ingress.handle, access_log=None), shutdown_timeout=self._grace
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = self._runner.addresses[0][1]
        self._controller.start()

    async def stop(self) -> None:
        """Accept no more, end deliveries in order, and close everything."""
        if self._runner is None:
            return
        await self._controller.stop()
        brokers = self._controller.brokers.values()
        # Deliveries end before the server does: their replies and dead letters may come back to it.
        await asyncio.gather(*(broker.close(grace_seconds=self._grace) for broker in brokers))
        await self._runner.cleanup()
        self._runner = None
        await self._sender.close()

    def _url_of(self, at: Key) -> str:
        return f"{self.url}/{at[0]}/{at[1]}"

    def _open_queues(self, at: Key) -> BrokerQueues:
        return BrokerQueues(self._journals / at[0] / f"{at[1]}.jsonl", self._delivery)
