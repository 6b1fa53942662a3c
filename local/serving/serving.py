"""Knative Serving of the local platform: controller, autoscaler and gateway, fed from the store's watches.

It departs from the real thing: revisions make their pods themselves (no Deployment, no PodAutoscaler
object); no queue-proxy runs in the pods, the gateway does its work; of Configurations and Routes only those
of Services count; `timeoutSeconds` bounds the whole exchange and holds for the waiting too; a request to a
revision whose pods fail to start is answered with 503 at once instead of waiting.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from local.apiserver.errors import ApiError
from local.apiserver.kinds import KSERVICE, POD, REVISION
from local.apiserver.store import Store
from local.apiserver.watch import Event, Watch
from local.images import ImageStore
from local.node.objects import key
from local.serving.conditions import Target
from local.serving.controller import ServiceController
from local.serving.gateway import Gateway
from local.serving.manifests import REVISION_LABEL
from local.serving.metrics import GatewayMetrics
from local.serving.revision import RevisionRuntime, ServingOptions
from local.serving.routing import Address, Routes

_log = logging.getLogger(__name__)

Handler = Callable[[Event], None]


class Serving:
    """Runs all Knative Services of the store between `start` and `stop`; requests enter at `port`."""

    def __init__(
        self,
        store: Store,
        images: ImageStore,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        options: ServingOptions | None = None,
    ) -> None:
        self._store = store
        self._images = images
        self._options = options or ServingOptions()
        self._gateway = Gateway(self._find, host=host, port=port)
        self._controller = ServiceController(store, self._url, self._set_traffic)
        self._routes = Routes()
        self._revisions: dict[Address, RevisionRuntime] = {}
        self._needed: dict[Address, frozenset[str]] = {}
        self._watches: list[Watch] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The gateway's port, known after `start`."""
        return self._gateway.port

    @property
    def metrics(self) -> GatewayMetrics:
        """What the gateway has counted."""
        return self._gateway.metrics

    async def start(self) -> None:
        """Listen, and begin with what is in the store."""
        await self._gateway.start()
        handlers = {KSERVICE: self._on_service, REVISION: self._on_revision, POD: self._on_pod}
        for kind, handler in handlers.items():
            watch = self._store.watch(kind)
            self._watches.append(watch)
            self._tasks.append(asyncio.create_task(self._follow(watch, handler)))
        self._tasks.append(asyncio.create_task(self._tick()))

    async def stop(self) -> None:
        """Stop listening and deciding; objects and pods stay as they are."""
        for watch in self._watches:
            watch.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for revision in self._revisions.values():
            revision.close()
        await self._gateway.stop()

    async def _follow(self, watch: Watch, handler: Handler) -> None:
        async for event in watch:
            try:
                handler(event)
            except ApiError as error:
                # An object was changed or deleted under our hands; the event about that comes next.
                _log.info("serving: %s", error)
            except Exception:
                _log.exception("serving: an event of %s was not handled", key(event.object))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._options.tick_seconds)
            for revision in list(self._revisions.values()):
                try:
                    if revision.active:
                        revision.tick()
                except Exception:
                    _log.exception("serving: the scale of revision %s was not decided", revision.name)

    def _on_service(self, event: Event) -> None:
        namespace, name = key(event.object)
        if event.type == "DELETED":
            self._routes.remove(namespace, name)
            self._needed.pop((namespace, name), None)
        else:
            self._controller.reconcile(namespace, name)

    def _on_revision(self, event: Event) -> None:
        address = key(event.object)
        if event.type == "DELETED":
            if gone := self._revisions.pop(address, None):
                gone.close()
        elif address not in self._revisions:
            runtime = RevisionRuntime(self._store, self._images, event.object, self._options)
            self._revisions[address] = runtime
            needed = self._needed.get((address[0], runtime.service))
            runtime.needed = needed is None or address[1] in needed
            runtime.tick()
        self._controller.observe_revision(event.type, event.object)

    def _on_pod(self, event: Event) -> None:
        namespace, _ = key(event.object)
        name = event.object["metadata"].get("labels", {}).get(REVISION_LABEL)
        runtime = self._revisions.get((namespace, name)) if name else None
        if runtime is not None:
            runtime.observe(event.type, event.object)

    def _set_traffic(self, namespace: str, name: str, targets: Sequence[Target], newest: str) -> None:
        """Route a Service's requests, and let go of the revisions that get none and are not coming either."""
        self._routes.update(namespace, name, targets)
        needed = frozenset({target.revision for target in targets} | {newest})
        if self._needed.get((namespace, name)) != needed:
            self._needed[namespace, name] = needed
            for address, revision in self._revisions.items():
                if address[0] == namespace and revision.service == name:
                    revision.needed = address[1] in needed

    def _find(self, address: Address) -> RevisionRuntime | None:
        split = self._routes.find(address)
        if split is None:
            return self._revisions.get(address)
        revision = split.pick()
        return self._revisions.get((address[0], revision)) if revision else None

    def _url(self, label: str, namespace: str) -> str:
        return f"http://{label}.{namespace}.localhost:{self.port}"
