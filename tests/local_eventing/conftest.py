"""Real brokers and real subscribers on loopback; the API server's Store is the real one, in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from local.apiserver.kinds import BROKER, KSERVICE, NAMESPACE, TRIGGER
from local.apiserver.store import Store
from local.eventing import Eventing

NS = "knative-lambda-local"
Respond = Callable[[int], web.Response]


@dataclass
class Received:
    """One request as a subscriber saw it; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["ce-id"]


@dataclass
class Subscriber:
    """A server that records what it gets; `respond` is called with the number of the request, from 1."""

    respond: Respond = lambda _: web.Response(status=202)
    received: list[Received] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    hold: asyncio.Event | None = None
    now: int = 0
    most: int = 0
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, await request.read()))
        self.connections.add(id(request.transport))
        number = len(self.received)
        self.now += 1
        self.most = max(self.most, self.now)
        if self.hold is not None:
            await self.hold.wait()
        self.now -= 1
        return self.respond(number)


class World:
    """A store, eventing on it, and a client."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.store = Store()
        self.store.create(NAMESPACE, {"metadata": {"name": NS}})
        self.eventing = Eventing(self.store, data_dir=data, grace_seconds=0.2, max_body_bytes=1 << 18)
        self.client = aiohttp.ClientSession()
        self.runners: list[web.ServerRunner] = []

    async def subscriber(self, respond: Respond | None = None) -> Subscriber:
        made = Subscriber() if respond is None else Subscriber(respond)
        runner = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.runners.append(runner)
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return made

    def broker(self, name: str = "default", **spec: Any) -> None:
        self.store.create(BROKER, {"metadata": {"name": name, "namespace": NS}, "spec": spec})

    def trigger(
        self, name: str, subscriber: Any, *, broker: str = "default", parallelism: int = 50, **spec: Any
    ):
        destination = subscriber if isinstance(subscriber, dict) else {"uri": subscriber}
        annotations = {"rabbitmq.eventing.knative.dev/parallelism": str(parallelism)}
        metadata = {"name": name, "namespace": NS, "annotations": annotations}
        return self.store.create(
            TRIGGER, {"metadata": metadata, "spec": {"broker": broker, "subscriber": destination, **spec}}
        )

    async def ready(self, name: str, status: str = "True") -> dict[str, Any]:
        """Wait until the Trigger's condition Ready has that status, and return the Trigger's status."""

        def found() -> dict[str, Any] | None:
            current = self.store.get(TRIGGER, NS, name).get("status", {})
            ready = [entry for entry in current.get("conditions", ()) if entry["type"] == "Ready"]
            return current if ready and ready[0]["status"] == status else None

        return await until(found)

    def ksvc(self, name: str, url: str | None) -> None:
        template = {"spec": {"containers": [{"image": "x"}]}}
        self.store.create(
            KSERVICE, {"metadata": {"name": name, "namespace": NS}, "spec": {"template": template}}
        )
        if url:
            self.store.update_status(KSERVICE, NS, name, {"address": {"url": url}})

    async def post(
        self, *, broker: str = "default", body: bytes | None = b'{"n":1}', **attributes: str
    ) -> int:
        status, text = await self.send(f"/{NS}/{broker}", binary(**attributes), body)
        assert status in (202, 400, 404, 413, 503), text
        return status

    async def send(self, path: str, headers: Mapping[str, str], body: bytes | None, method: str = "POST"):
        url = self.eventing.url + path
        async with self.client.request(method, url, data=body, headers=headers) as response:
            return response.status, await response.text()

    async def dead_letters(self) -> list[dict[str, Any]]:
        return json.loads((await self.send("/dead-letters", {}, None, "GET"))[1])

    async def restart(self) -> None:
        """End eventing and begin again on the same data, with a store that knows nothing."""
        await self.eventing.stop()
        self.store = Store()
        self.store.create(NAMESPACE, {"metadata": {"name": NS}})
        self.eventing = Eventing(self.store, data_dir=self.data, grace_seconds=0.2)
        await self.eventing.start()

    async def close(self) -> None:
        await self.eventing.stop()
        await self.client.close()
        for runner in self.runners:
            await runner.cleanup()


def binary(**attributes: str) -> dict[str, str]:
    given = {"id": "e1", "source": "network.notifi.acme", "type": "test", **attributes}
    headers = {f"ce-{name}": value for name, value in given.items()}
    return {"ce-specversion": "1.0", "content-type": "application/json", **headers}


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait until the condition is true, and return its value."""
    async with asyncio.timeout(seconds):
        while not (value := condition()):
            await asyncio.sleep(0.002)
    return value


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "eventing")
    await made.eventing.start()
    try:
        yield made
    finally:
        await made.close()
