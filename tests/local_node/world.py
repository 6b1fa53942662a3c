"""A real node on a real store and image store, and the ways in which tests act and look."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from local.apiserver.errors import ApiError
from local.apiserver.kinds import EVENT, NAMESPACE, POD
from local.apiserver.store import Store
from local.apiserver.tokens import Tokens
from local.images import ImageConfig, ImageStore
from local.node import Node, NodeOptions

NAMESPACE_NAME = "lambda"
FAST = NodeOptions(backoff_seconds=(0.05, 0.2), retry_seconds=0.05, stop_grace_seconds=2.0)


class World:
    """A node with its surroundings."""

    def __init__(self, store: Store, tokens: Tokens, images: ImageStore, node: Node, data: Path) -> None:
        self.store = store
        self.tokens = tokens
        self.images = images
        self.node = node
        self.data = data

    def run(self, name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
        """Create a pod of the given containers."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE_NAME, **spec.pop("metadata", {})},
            "spec": {"restartPolicy": "Never", "containers": list(containers), **spec},
        }
        return self.store.create(POD, pod)

    def pod(self, name: str) -> dict[str, Any]:
        return self.store.get(POD, NAMESPACE_NAME, name)

    def state(self, name: str, index: int = 0) -> dict[str, Any]:
        """The status of a container, empty before there is one."""
        statuses = self.pod(name).get("status", {}).get("containerStatuses") or [{}]
        return statuses[index]

    async def phase(self, name: str, *wanted: str) -> dict[str, Any]:
        """Wait for a phase and return the pod."""
        await until(lambda: self.pod(name).get("status", {}).get("phase") in wanted, lambda: self.pod(name))
        return self.pod(name)

    async def gone(self, name: str) -> None:
        await until(lambda: not self.exists(name))

    def exists(self, name: str) -> bool:
        try:
            self.pod(name)
        except ApiError:
            return False
        return True

    def pid(self, name: str, index: int = 0) -> int:
        return int(self.state(name, index)["containerID"].removeprefix("process://"))

    async def log(
        self, name: str, container: str = "", *, follow: bool = False, previous: bool = False
    ) -> str:
        pieces = self.node.logs(NAMESPACE_NAME, name, container, follow, previous=previous)
        return b"".join([piece async for piece in pieces]).decode()

    def log_file(self, name: str, container: str = "main") -> Path:
        return self.data / "pods" / self.pod(name)["metadata"]["uid"] / "containers" / container / "0.log"

    async def logged(self, name: str, text: str) -> None:
        """Wait for a text in the log of the pod's only container."""
        await until(lambda: self.state(name).get("containerID"), lambda: self.pod(name))
        async with asyncio.timeout(20):
            while text not in await self.log(name):
                await asyncio.sleep(0.005)

    def reasons(self, name: str) -> set[str]:
        """The reasons of the events about an object."""
        events, _ = self.store.list(EVENT, NAMESPACE_NAME)
        return {event["reason"] for event in events if event["involvedObject"]["name"] == name}


async def until(
    condition: Callable[[], Any], describe: Callable[[], Any] = lambda: "", seconds: float = 20.0
) -> None:
    """Wait for a condition; fails with a description of how things are."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"condition not met in {seconds:g} s: {describe()}")


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def python(script: str, name: str = "main", **more: Any) -> dict[str, Any]:
    """A container that runs a Python script."""
    return {"name": name, "image": "python", "command": ["python", "-S", "-u", "-c", script], **more}


def shell(script: str, name: str = "main", **more: Any) -> dict[str, Any]:
    """A container that runs a shell script."""
    return {"name": name, "image": "python", "command": ["/bin/sh", "-c", script], **more}


def make_store() -> Store:
    store = Store()
    store.create(NAMESPACE, {"metadata": {"name": NAMESPACE_NAME}})
    return store


def make_images(folder: Path) -> ImageStore:
    images = ImageStore(folder)
    images.register_builtin("python", ImageConfig(cmd=("python",), env={"FROM_IMAGE": "yes"}))
    return images


@asynccontextmanager
async def running_node(folder: Path, options: NodeOptions) -> AsyncIterator[World]:
    store, tokens, images = make_store(), Tokens(), make_images(folder / "images")
    node = Node(
        store, tokens, images, api_url="http://127.0.0.1:8001", data_dir=folder / "node", options=options
    )
    await node.start()
    try:
        yield World(store, tokens, images, node, folder / "node")
    finally:
        await node.stop()
    assert not list((folder / "node" / "pods").glob("*")), "the node left files of pods behind"
