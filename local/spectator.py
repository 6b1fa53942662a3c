"""Sees every event that goes through the broker, as a subscriber of its own.

The command line follows a deployment by the events that the platform itself sends: replies of the service,
results of the monitor, answers of functions. It gets them as anyone would, by a Trigger without a filter.
"""

import asyncio
import contextlib
import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from local.addresses import BROKER, NAMESPACE
from local.client import TRIGGERS, Client, ClientError

_KEPT_EVENTS = 1000


@dataclass(frozen=True)
class Seen:
    """One event as it came by: attributes in lower case without the `ce-` prefix, and the parsed data."""

    attributes: Mapping[str, str]
    data: Any

    @property
    def type(self) -> str:
        """The CloudEvent type."""
        return self.attributes.get("type", "")


class Spectator:
    """An HTTP server on loopback and the Trigger that feeds it; an async context manager."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._name = f"spectator-{os.getpid()}"
        self._past: deque[Seen] = deque(maxlen=_KEPT_EVENTS)
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen, then subscribe, and return when the Trigger is ready."""
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        await self._client.api("POST", TRIGGERS, self._trigger(f"http://127.0.0.1:{port}/"))
        await self._ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unsubscribe and stop listening; a platform that is already gone is fine."""
        with contextlib.suppress(ClientError, OSError):
            await self._client.api("DELETE", f"{TRIGGERS}/{self._name}")
        assert self._runner is not None
        await self._runner.cleanup()

    def _trigger(self, uri: str) -> dict[str, Any]:
        return {
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Trigger",
            "metadata": {"name": self._name, "namespace": NAMESPACE},
            "spec": {"broker": BROKER, "subscriber": {"uri": uri}},
        }

    async def _ready(self) -> None:
        field = f"metadata.name={self._name}"
        while True:
            items = (await self._client.api("GET", f"{TRIGGERS}?fieldSelector={field}"))["items"]
            conditions = items[0].get("status", {}).get("conditions", []) if items else []
            if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
                return
            await asyncio.sleep(0.01)

    async def _take(self, request: web.Request) -> web.Response:
        attributes = {
            name.lower().removeprefix("ce-"): value
            for name, value in request.headers.items()
            if name.lower().startswith("ce-")
        }
        body = await request.read()
        try:
            data = json.loads(body) if body else None
        except ValueError:
            data = body.decode(errors="replace")
        async with self._arrived:
            self._past.append(Seen(attributes, data))
            self._arrived.notify_all()
        return web.Response(status=202)

    async def first(self, matches: Callable[[Seen], bool]) -> Seen:
        """Return the first event, past or future, that matches; wait for as long as it takes."""
        async with self._arrived:
            while True:
                for seen in self._past:
                    if matches(seen):
                        return seen
                await self._arrived.wait()
