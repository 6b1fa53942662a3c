"""The node: runs every pod of the local API server as processes of this machine.

There is one node and no scheduler, so all pods belong to it. It departs from a kubelet where it has to:

- No namespaces and no chroot: containers see the machine's files, processes and network. Paths are
  translated in the strings that a container is started with (`paths.py`); `readOnly` mounts, users and
  capabilities are not enforced, but no privileges can be gained.
- A pod's address is a loopback address of its own; containers find it in HOST and are expected to listen
  there.
- Memory limits are sampled, CPU limits are not enforced (`limits.py`).
- Images are never pulled: they are in the machine's image store or they are missing.
- No API token is mounted unless a projected volume asks for one; no lifecycle hooks, no ephemeral
  containers, no sidecars among the init containers.
- Pods are not bound, `spec.nodeName` stays empty.
- A deleted pod is kept in the API by a finalizer until its containers have ended.
"""

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from local.apiserver.errors import ApiError, not_found
from local.apiserver.kinds import NODE, POD
from local.apiserver.store import Store
from local.apiserver.tokens import Tokens
from local.apiserver.watch import Event, Watch
from local.images import ImageStore
from local.node import limits
from local.node.addresses import Addresses
from local.node.environment import NODE_NAME
from local.node.host import Host, NodeOptions, make_search_path
from local.node.launch import Launcher
from local.node.logs import shorten
from local.node.objects import Json, key, now, timestamp
from local.node.pod import PodWorker
from local.node.recorder import Recorder

_log = logging.getLogger(__name__)
_SHORTEN_SECONDS = 10.0


class Node:
    """Watches pods and runs them between `start` and `stop`. `api_url` is what containers are told."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        images: ImageStore,
        *,
        api_url: str,
        data_dir: Path,
        options: NodeOptions | None = None,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._images = images
        self._api_url = api_url
        self._folder = data_dir.resolve()
        self._options = options or NodeOptions()
        self._launcher = Launcher()
        self._slots = asyncio.Semaphore(self._options.max_concurrent_jobs)
        self._pods: dict[str, PodWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: Watch | None = None
        self._host: Host

    async def start(self) -> None:
        """Start the guardian, then every pod that is there and each that comes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # What a platform that was killed could not remove; its pods are gone with its store.
        shutil.rmtree(self._folder / "pods", ignore_errors=True)
        await self._launcher.start()
        self._host = self._make_host()
        self._register()
        self._watch = self._store.watch(POD)
        self._spawn(self._follow(self._watch))
        self._spawn(self._shorten_logs())
        network = "a loopback address each" if self._host.addresses.own else "mapped ports on 127.0.0.1"
        tie = "kernel and guardian" if self._launcher.tied else "guardian"
        _log.info(
            "node runs: %s; pods have %s; ended with the platform by %s", limits.describe(), network, tie
        )

    async def stop(self) -> None:
        """End every container, as gently as `stop_grace_seconds` allows; the objects stay in the store."""
        if self._watch is not None:
            self._watch.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        grace = self._options.stop_grace_seconds
        workers = list(self._pods.values())
        await asyncio.gather(*(worker.stop(min(grace, worker.grace_seconds)) for worker in workers))
        self._pods.clear()
        await self._launcher.stop()

    def logs(
        self, namespace: str, pod: str, container: str = "", follow: bool = False, *, previous: bool = False
    ) -> AsyncIterator[bytes]:
        """Return a container's log, piece by piece; the only container's, where none is named.

        With `follow` it goes on until that start of the container has ended; `previous` is the start before
        the latest. Raises ApiError: no such pod or container, not started yet.
        """
        for worker in self._pods.values():
            if (worker.namespace, worker.name) == (namespace, pod):
                return worker.logs(container, follow=follow, previous=previous)
        raise not_found(POD, pod)

    def _make_host(self) -> Host:
        return Host(
            store=self._store,
            tokens=self._tokens,
            images=self._images,
            launcher=self._launcher,
            recorder=Recorder(self._store, "kubelet"),
            addresses=Addresses(self._options.own_addresses),
            options=self._options,
            api_url=self._api_url,
            folder=self._folder,
            search_path=self._options.search_path or make_search_path(self._folder / "bin"),
        )

    def _register(self) -> None:
        """Put the Node object into the API, so that people find it where they look."""
        node: Json = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME}}
        with contextlib.suppress(ApiError):
            self._store.create(NODE, node, manager="kubelet")
        moment = timestamp(now())
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "the local platform is running",
            "lastHeartbeatTime": moment,
            "lastTransitionTime": moment,
        }
        capacity = {"cpu": str(os.cpu_count() or 1)}
        addresses = [
            {"type": "InternalIP", "address": "127.0.0.1"},
            {"type": "Hostname", "address": NODE_NAME},
        ]
        status = {"conditions": [ready], "capacity": capacity, "addresses": addresses}
        self._store.update_status(NODE, None, NODE_NAME, status)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, watch: Watch) -> None:
        async for event in watch:
            try:
                self._handle(event)
            except Exception:
                # One pod that cannot be handled must not stop the others.
                _log.exception("node: an event of pod %s was not handled", key(event.object))

    def _handle(self, event: Event) -> None:
        pod = event.object
        worker = self._pods.get(pod["metadata"]["uid"])
        if worker is None:
            if event.type != "DELETED":
                self._add(pod)
            return
        worker.update(pod)
        going = event.type == "DELETED" or "deletionTimestamp" in pod["metadata"]
        if going and not worker.ending:
            worker.ending = True
            self._spawn(self._remove(worker))

    def _add(self, pod: Json) -> None:
        worker = PodWorker(self._host, pod, self._slots)
        self._pods[worker.uid] = worker
        worker.start()

    async def _remove(self, worker: PodWorker) -> None:
        """End a deleted pod's containers, then the pod."""
        await worker.stop(worker.grace_seconds)
        self._tokens.revoke_pod(worker.uid)
        worker.release()
        self._pods.pop(worker.uid, None)

    async def _shorten_logs(self) -> None:
        while True:
            await asyncio.sleep(_SHORTEN_SECONDS)
            for file in self._folder.glob("pods/*/containers/*/*.log"):
                with contextlib.suppress(FileNotFoundError):
                    shorten(file)
