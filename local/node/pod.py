"""One pod on this node: its slot, address and volumes, its init containers, its containers, its end."""

import asyncio
import json
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from local.apiserver.errors import ApiError, bad_request
from local.apiserver.kinds import JOB, POD
from local.node import logs
from local.node.addresses import PORTS_ANNOTATION, PodAddress, container_ports
from local.node.blueprint import Sandbox
from local.node.container import Container
from local.node.environment import NODE_NAME
from local.node.host import Host
from local.node.objects import Json, controller_of, now, timestamp
from local.node.status import PodView, pod_status, waiting
from local.node.volumes import VolumeError, make_volume

_log = logging.getLogger(__name__)
FINALIZER = "node.local/containers"
"""Keeps a deleted pod in the API until its containers have ended, as the kubelet's grace period does."""
_NO_ADDRESS = PodAddress("")
_DEFAULT_GRACE_SECONDS = 30.0


class PodWorker:
    """Carries one pod through its life and keeps its status current. It is made once for each pod."""

    def __init__(self, host: Host, pod: Json, slots: asyncio.Semaphore) -> None:
        self._host = host
        self._slots = slots
        self.pod = pod
        self.namespace: str = pod["metadata"]["namespace"]
        self.name: str = pod["metadata"]["name"]
        self.uid: str = pod["metadata"]["uid"]
        self._sandbox = Sandbox(host, pod, _NO_ADDRESS, host.folder / "pods" / self.uid)
        policy = pod["spec"].get("restartPolicy", "Always")
        self._init = [
            self._container(spec, policy, init=True) for spec in pod["spec"].get("initContainers", ())
        ]
        self._main = [self._container(spec, policy) for spec in pod["spec"]["containers"]]
        for container in self._main if self._init else ():
            container.state.state = waiting("PodInitializing")
        self._override: Json = {}
        self._start_time: str | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ending = False
        """Whether its removal from the node has begun; the node's to set."""

    def _container(self, spec: Json, policy: str, *, init: bool = False) -> Container:
        if init and policy == "Always":
            policy = "OnFailure"
        return Container(spec, self._sandbox, policy=policy, changed=self.publish)

    @property
    def grace_seconds(self) -> float:
        """How long its containers may take to end."""
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS))

    def start(self) -> None:
        """Begin the pod's life."""
        self._task = asyncio.create_task(self._run(), name=f"pod {self.namespace}/{self.name}")

    def update(self, pod: Json) -> None:
        """Take a newer version of the object; labels and annotations count at the next use of them."""
        self.pod = self._sandbox.pod = pod

    async def stop(self, grace_seconds: float) -> None:
        """End all containers for good and remove the pod's files; the object is left to the caller."""
        self._stopping.set()
        await asyncio.gather(*(container.stop(grace_seconds) for container in self._containers))
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._sandbox.address is not _NO_ADDRESS:
            self._host.addresses.release(self._sandbox.address)
        shutil.rmtree(self._sandbox.folder, ignore_errors=True)

    @property
    def _containers(self) -> list[Container]:
        return [*self._init, *self._main]

    # Life

    async def _run(self) -> None:
        try:
            async with self._slot():
                if not self._stopping.is_set() and self._bind():
                    await self._live()
        except Exception:
            _log.exception("pod %s/%s cannot be run", self.namespace, self.name)
            self._fail("NodeError", "the node could not run the pod; see the platform's log")
            for container in self._containers:
                container.kill()
        self.publish()

    def _fail(self, reason: str, message: str) -> None:
        """Let the pod count as failed, whatever its containers say."""
        self._override = {"phase": "Failed", "reason": reason, "message": message}
        self._host.recorder.warning(POD, self.pod, reason, message)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Hold one of the places for pods of Jobs; other pods need none."""
        owner = controller_of(self.pod)
        if owner is None or owner["kind"] != JOB.kind:
            yield
            return
        if self._slots.locked():
            self.publish()
        waiting = asyncio.ensure_future(self._slots.acquire())
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not waiting.done():
            waiting.cancel()
            yield
            return
        try:
            yield
        finally:
            self._slots.release()

    def _bind(self) -> bool:
        """Give the pod an address and a start time; False if it was deleted before it began."""
        self._sandbox.address = address = self._host.addresses.allocate(container_ports(self.pod))
        self._start_time = timestamp(now())
        metadata: Json = {}
        if address.ports:
            mapped = json.dumps({str(port): real for port, real in address.ports.items()})
            metadata["annotations"] = {PORTS_ANNOTATION: mapped}
        if not self._patch_finalizers(lambda finalizers: [*finalizers, FINALIZER], metadata):
            return False
        self._host.recorder.normal(
            POD, self.pod, "Scheduled", f"Successfully assigned {self.namespace}/{self.name} to {NODE_NAME}"
        )
        self.publish()
        return True

    def release(self) -> None:
        """Let go of a deleted pod whose containers have ended, so that it disappears from the API."""
        self._patch_finalizers(lambda finalizers: [name for name in finalizers if name != FINALIZER], {})

    def _patch_finalizers(self, change: Callable[[list[str]], list[str]], metadata: Json) -> bool:
        """Change the finalizers and whatever else of the metadata; False if the pod is gone or going."""
        try:
            live = self._host.store.get(POD, self.namespace, self.name)["metadata"]
            patch = {
                "metadata": metadata | {"uid": self.uid, "finalizers": change(live.get("finalizers", []))}
            }
            self.update(
                self._host.store.patch(
                    POD, self.namespace, self.name, patch, patch_type="merge", manager="kubelet"
                )
            )
        except ApiError as error:
            _log.info("pod %s/%s: %s", self.namespace, self.name, error)
            return False
        return True

    async def _live(self) -> None:
        if any(container.spec.get("restartPolicy") for container in self._init):
            self._fail("Unsupported", "init containers with a restartPolicy (sidecars) cannot be run here")
            return
        deadline = asyncio.create_task(self._enforce_deadline())
        try:
            await self._make_volumes()
            for container in self._init:
                await container.run()
                if self._stopping.is_set() or container.state.exit_code != 0:
                    return
            if not self._stopping.is_set():
                await asyncio.gather(*(container.run() for container in self._main))
        finally:
            deadline.cancel()

    async def _enforce_deadline(self) -> None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return
        await asyncio.sleep(seconds)
        self._fail("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
        self._stopping.set()
        await asyncio.gather(*(container.stop(self.grace_seconds) for container in self._containers))

    async def _make_volumes(self) -> None:
        pending = list(self.pod["spec"].get("volumes", ()))
        while pending and not self._stopping.is_set():
            volume = pending[0]
            try:
                folder = self._sandbox.volume(volume["name"])
                make_volume(volume, self.pod, folder, self._sandbox.lookup, self._mint)
                pending.pop(0)
            except VolumeError as error:
                self._host.recorder.warning(POD, self.pod, "FailedMount", str(error))
                await self._pause(self._host.options.retry_seconds)

    def _mint(self) -> str:
        account = self.pod["spec"].get("serviceAccountName", "default")
        return self._host.tokens.mint(self.namespace, account, self.uid)

    async def _pause(self, seconds: float) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait([stopping], timeout=seconds)
        stopping.cancel()

    # Reporting

    def publish(self) -> None:
        """Write the status as it is now; a pod that is gone from the API has none."""
        view = PodView(
            init=[container.state for container in self._init],
            main=[container.state for container in self._main],
            ip=self._sandbox.address.ip,
            start_time=self._start_time,
            override=self._override,
            scheduled=self._start_time is not None or bool(self._override),
        )
        status = pod_status(self.pod, view, timestamp(now()))
        try:
            self.update(self._host.store.update_status(POD, self.namespace, self.name, status))
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    def logs(self, container: str, *, follow: bool, previous: bool) -> AsyncIterator[bytes]:
        """Return a container's log; raises ApiError as the API server would."""
        found = self._find(container)
        if previous and not found.state.restarts:
            raise bad_request(f'previous terminated container "{found.name}" in pod "{self.name}" not found')
        if "waiting" in found.state.state and not found.state.restarts:
            reason = found.state.state["waiting"]["reason"]
            raise bad_request(f'container "{found.name}" in pod "{self.name}" is waiting to start: {reason}')
        return logs.read(
            found.log(previous=previous), lambda: previous or not found.state.running, follow=follow
        )

    def _find(self, container: str) -> Container:
        if not container and len(self._main) == 1:
            return self._main[0]
        names = " ".join(entry.name for entry in self._containers)
        if not container:
            raise bad_request(
                f"a container name must be specified for pod {self.name}, choose one of: [{names}]"
            )
        for entry in self._containers:
            if entry.name == container:
                return entry
        raise bad_request(f"container {container} is not valid for pod {self.name}, choose one of: [{names}]")
