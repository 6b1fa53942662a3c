"""The platform process: API server, node, Knative Serving and Eventing, object storage, on one event loop.

`python -m local.platform --data DIR --cache DIR` writes `kubeconfig` and `addresses.json` into the data
folder once everything answers, logs to standard error, and stops everything on SIGTERM.
It composes what the modules beside it do and knows nothing of functions: their objects arrive over the API.
"""

import argparse
import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import uvloop

from local import toolchains
from local.addresses import (
    ACCESS_KEY,
    CONTEXT_BUCKET,
    KANIKO_IMAGE,
    MONITOR_IMAGE,
    PYTHON_IMAGE,
    SECRET_KEY,
    SOURCE_BUCKET,
    Addresses,
)
from local.apiserver.server import ApiServer
from local.apiserver.store import Store
from local.apiserver.tokens import Tokens
from local.builder.base import programs_image, register_builder_images
from local.eventing import Eventing
from local.images import ImageConfig, ImageStore
from local.node import JobController, Node, NodeOptions
from local.objectstore import ObjectStore
from local.ports import or_any
from local.serving import Serving, ServingOptions

ROOT = Path(__file__).resolve().parent.parent


class Part(Protocol):
    """A server or controller of the platform."""

    async def start(self) -> None:
        """Begin to work; returns when it answers."""

    async def stop(self) -> None:
        """End in order; nothing of it runs when this returns."""


class Platform:
    """All parts, started in the order in which they need each other and stopped in the reverse order."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._data: Path = options.data.resolve()
        cache: Path = options.cache.resolve()
        self._tokens = Tokens()
        store = Store()
        images = ImageStore(self._data / "images")
        register_images(images, cache)
        for bucket in (SOURCE_BUCKET, CONTEXT_BUCKET):
            (self._data / "buckets" / bucket).mkdir(parents=True, exist_ok=True)
        self._api = ApiServer(store, self._tokens, port=or_any(options.api_port))
        self._storage = ObjectStore(
            self._data / "buckets",
            port=or_any(options.storage_port),
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
        )
        self._eventing = Eventing(store, port=or_any(options.eventing_port), data_dir=self._data / "eventing")
        serving_options = ServingOptions(scale_to_zero_seconds=options.scale_to_zero_seconds)
        self._serving = Serving(store, images, port=or_any(options.gateway_port), options=serving_options)
        self._store, self._images = store, images
        self._node_options = NodeOptions(max_concurrent_jobs=options.max_builds)
        self._parts: list[Part] = []

    async def start(self) -> None:
        """Start every part, then say where they are."""
        await self._begin(self._api)
        node = Node(
            self._store,
            self._tokens,
            self._images,
            api_url=self._api.url,
            data_dir=self._data / "node",
            options=self._node_options,
        )
        self._api.logs = node.logs
        for part in (self._storage, node, JobController(self._store), self._serving, self._eventing):
            await self._begin(part)
        self._announce()

    async def _begin(self, part: Part) -> None:
        await part.start()
        self._parts.append(part)

    def _announce(self) -> None:
        """Write the kubeconfig, then the addresses, which others wait for."""
        path = self._data / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(self._api.kubeconfig()))
        host = "http://127.0.0.1"
        Addresses(
            api=self._api.url,
            storage=self._storage.url,
            eventing=f"{host}:{self._eventing.port}",
            gateway=f"{host}:{self._serving.port}",
            service="",
            data=str(self._data),
        ).save()

    async def stop(self) -> None:
        """Stop what was started, last first."""
        while self._parts:
            await self._parts.pop().stop()


def register_images(images: ImageStore, cache: Path) -> None:
    """Make known the images that stand for programs of this machine: Kaniko, languages, and our monitor."""
    register_builder_images(
        images, kaniko_image=KANIKO_IMAGE, repo_root=ROOT, cache_dir=cache, base_images=(PYTHON_IMAGE,)
    )
    for toolchain in toolchains.found().values():
        for reference in toolchain.images:
            images.register_builtin(reference, programs_image(toolchain.folder))
    variables = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    images.register_builtin(MONITOR_IMAGE, ImageConfig(env=variables))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.platform", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder for everything of this run")
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder for build layers, kept between runs"
    )
    for name in ("api", "storage", "eventing", "gateway"):
        parser.add_argument(f"--{name}-port", type=int, default=0, help="0 or a taken port: any free one")
    parser.add_argument("--max-builds", type=int, default=2, help="build pods that run at once")
    parser.add_argument(
        "--scale-to-zero-seconds",
        type=float,
        default=30.0,
        help="idle time before the last pod of a function ends",
    )
    return parser.parse_args(arguments)


async def main(options: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    platform = Platform(options)
    try:
        await platform.start()
        # What is loaded by now stays: going through it again holds everything up for a tenth of a second.
        gc.collect()
        gc.freeze()
        await stopped.wait()
    finally:
        await platform.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A line for each request would be most of the log, and a tenth of the API server's time.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    uvloop.run(main(parse()))
