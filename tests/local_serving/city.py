"""A real node with Serving on top, a function to run on it, and the ways in which tests act and look."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from local.apiserver.errors import ApiError
from local.apiserver.kinds import KSERVICE, POD, REVISION
from local.images import ImageConfig
from local.node import NodeOptions
from local.serving import Serving, ServingOptions
from tests.local_node.world import NAMESPACE_NAME, World, running_node, until

FUNCTION = """
import asyncio, json, os, signal, sys

STARTED = float(os.environ.get("START_SECONDS", "0"))
VERSION = os.environ.get("VERSION", "one")
state = {"now": 0, "most": 0}

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            line, *rest = head.decode().split("\\r\\n")
            method, path, _ = line.split(" ")
            headers = {k.lower(): v for k, _, v in (item.partition(": ") for item in rest if item)}
            body = b""
            if "content-length" in headers:
                body = await reader.readexactly(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                while size := int((await reader.readline()).strip(), 16):
                    body += await reader.readexactly(size)
                    await reader.readline()
                await reader.readline()
            await answer(writer, method, path, headers, body)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()

async def answer(writer, method, path, headers, body):
    path, _, query = path.partition("?")
    if path == "/health":
        return await reply(writer, b"ok")
    state["now"] += 1
    state["most"] = max(state["most"], state["now"])
    try:
        if path == "/sleep":
            await asyncio.sleep(float(query))
        if path == "/crash":
            os._exit(3)
        if path == "/stream":
            writer.write(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
            for number in range(int(query)):
                writer.write(b"5\\r\\n%05d\\r\\n" % number)
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.write(b"0\\r\\n\\r\\n")
            return
        if path == "/cut":
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 500000\\r\\n\\r\\n" + b"x" * 1000)
            return writer.close()
        seen = {"method": method, "path": path, "query": query, "headers": headers, "length": len(body),
                "version": VERSION, "most": state["most"], "pid": os.getpid()}
        await reply(writer, json.dumps(seen).encode() if method != "HEAD" else b"")
    finally:
        state["now"] -= 1

async def reply(writer, body):
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body))
    writer.write(body)
    await writer.drain()

async def main():
    await asyncio.sleep(STARTED)
    if os.environ.get("BROKEN"):
        sys.exit("cannot import the parser")
    server = await asyncio.start_server(serve, os.environ["HOST"], int(os.environ["PORT"]))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()

asyncio.run(main())
"""


class City:
    """A node and Serving."""

    def __init__(self, world: World, serving: Serving, http: aiohttp.ClientSession) -> None:
        self.world = world
        self.store = world.store
        self.serving = serving
        self.http = http

    def deploy(
        self, name: str = "fn", *, annotations: dict[str, str] | None = None, **spec: Any
    ) -> dict[str, Any]:
        """Apply a Service of the function; upper-case options are its environment."""
        env = [{"name": key, "value": spec.pop(key)} for key in list(spec) if key.isupper()]
        container = {
            "image": spec.pop("image", "registry.local/function:v1"),
            "ports": [{"containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/health"}},
            "env": env,
        }
        notes = {f"autoscaling.knative.dev/{key}": value for key, value in (annotations or {}).items()}
        traffic = {"traffic": spec.pop("traffic")} if "traffic" in spec else {}
        template = {"metadata": {"annotations": notes}, "spec": {"containers": [container], **spec}}
        ksvc = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": NAMESPACE_NAME},
            "spec": {"template": template, **traffic},
        }
        return self.store.apply(KSERVICE, NAMESPACE_NAME, name, ksvc, manager="test")

    def service(self, name: str = "fn") -> dict[str, Any]:
        return self.store.get(KSERVICE, NAMESPACE_NAME, name)

    def condition(self, type: str = "Ready", name: str = "fn") -> dict[str, Any]:
        conditions = self.service(name).get("status", {}).get("conditions", ())
        return next((entry for entry in conditions if entry["type"] == type), {})

    async def ready(self, name: str = "fn", revision: str = "") -> dict[str, Any]:
        """Wait until the Service is ready, with that revision if named."""

        def is_so() -> bool:
            status = self.service(name).get("status", {})
            current = status.get("observedGeneration") == self.service(name)["metadata"]["generation"]
            newest = not revision or status.get("latestReadyRevisionName") == revision
            return current and newest and self.condition(name=name).get("status") == "True"

        await until(is_so, lambda: self.service(name))
        return self.service(name)

    def pods(self, revision: str = "fn-00001") -> list[dict[str, Any]]:
        found, _ = self.store.list(POD, NAMESPACE_NAME, labels=f"serving.knative.dev/revision={revision}")
        return found

    def revision(self, name: str = "fn-00001") -> dict[str, Any] | None:
        try:
            return self.store.get(REVISION, NAMESPACE_NAME, name)
        except ApiError:
            return None

    async def at_zero(self, revision: str = "fn-00001") -> None:
        await until(lambda: not self.pods(revision), lambda: self.pods(revision))

    async def send(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        host: str = f"fn.{NAMESPACE_NAME}.localhost",
        **options: Any,
    ) -> tuple[int, Any]:
        """Send a request through the gateway; returns the status and the parsed body, or its text."""
        url = f"http://127.0.0.1:{self.serving.port}{path}"
        headers = {"Host": host, **options.pop("headers", {})}
        async with self.http.request(method, url, headers=headers, **options) as response:
            text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else text


@asynccontextmanager
async def running_city(folder: Path, options: ServingOptions) -> AsyncIterator[City]:
    node_options = NodeOptions(backoff_seconds=(0.1, 0.2), retry_seconds=0.05, stop_grace_seconds=2.0)
    async with running_node(folder, node_options) as world:
        rootfs = folder / "rootfs"
        (rootfs / "app").mkdir(parents=True)
        (rootfs / "app" / "function.py").write_text(FUNCTION)
        config = ImageConfig(entrypoint=("python", "-S", "/app/function.py"), workdir="/app")
        world.images.tag("registry.local/function:v1", world.images.add(rootfs, config))
        serving = Serving(world.store, world.images, options=options)
        await serving.start()
        connector = aiohttp.TCPConnector(limit=0)
        try:
            async with aiohttp.ClientSession(connector=connector) as http:
                yield City(world, serving, http)
        finally:
            await serving.stop()
            await asyncio.sleep(0)
