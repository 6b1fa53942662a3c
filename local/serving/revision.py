"""One revision at work: resolves its images, keeps as many pods as it needs, hands them to its throttler."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from local.apiserver.errors import ApiError
from local.apiserver.kinds import POD, REVISION
from local.apiserver.store import Store
from local.images import ImageError, ImageStore, Reference
from local.node.addresses import real_port
from local.node.objects import Json, is_true, key, now, timestamp
from local.node.status import is_ready
from local.serving.conditions import RevisionFacts, revision_status
from local.serving.manifests import SERVICE_LABEL, pod_of, serving_port
from local.serving.scaling import Autoscaler, Scaling
from local.serving.throttler import Backend, CannotStart, Throttler

_log = logging.getLogger(__name__)
_MANAGER = "autoscaler"
_STARTING = ("ContainerCreating", "PodInitializing")


@dataclass(frozen=True, kw_only=True)
class ServingOptions:
    """Settings of Serving; they stand for Knative's config-autoscaler and config-deployment."""

    scale_to_zero_seconds: float = 30.0
    """How long a revision may be idle before its pods end, where its annotations say nothing."""
    tick_seconds: float = 0.5
    """How often the scale is decided on; growing from zero is at once."""
    max_queued: int = 10_000
    """Requests that may wait for one revision; further ones are answered with 503."""
    progress_deadline_seconds: float = 600.0
    """How long a new revision may take to become ready."""


@dataclass
class _Pod:
    object: Json
    backend: Backend
    draining: bool = False

    @property
    def going(self) -> bool:
        """Whether it is being deleted; its place is free for another."""
        return "deletionTimestamp" in self.object["metadata"]


class RevisionRuntime:
    """Runs one revision. The caller feeds it the events of its pods and calls `tick` at intervals."""

    def __init__(self, store: Store, images: ImageStore, revision: Json, options: ServingOptions) -> None:
        self.revision = revision
        self.namespace, self.name = key(revision)
        self.scaling = Scaling.of(revision, idle_seconds=options.scale_to_zero_seconds)
        self.timeout_seconds = float(revision["spec"]["timeoutSeconds"])
        self.throttler = Throttler(self.scaling.concurrency_limit, options.max_queued, self._on_demand)
        self.service: str = revision["metadata"].get("labels", {}).get(SERVICE_LABEL, "")
        self.needed = True
        """Whether a route sends requests here or will do so; if not, idle pods end at once."""
        self._store = store
        self._images = images
        self._options = options
        self._autoscaler = Autoscaler(self.scaling)
        self._pods: dict[str, _Pod] = {}
        self._digests: dict[str, str] = {}
        self._healthy = is_true(revision, "ContainerHealthy")
        self._failure: tuple[str, str] | None = None
        self._wanted = 0 if self._healthy else self.scaling.initial_scale
        self._begun = asyncio.get_running_loop().time()
        self._closed = False

    @property
    def active(self) -> bool:
        """Whether ticks matter to it now."""
        return bool(self._pods or self._wanted or not self._digests or self.throttler.concurrency)

    def tick(self) -> None:
        """Decide on the scale from what has happened since the last tick, and say how things are."""
        moment = asyncio.get_running_loop().time()
        wanted = self._autoscaler.observe(moment, self.throttler.mean_concurrency())
        if not self.needed and not self.throttler.concurrency:
            wanted = 0
        elif not self._healthy:
            wanted = 0 if self._timed_out(moment) else max(wanted, self.scaling.initial_scale)
        if not self._digests:
            self._resolve()
        self._scale_to(wanted)

    def observe(self, type: str, pod: Json) -> None:
        """Take in a change of one of its pods."""
        uid = pod["metadata"]["uid"]
        if type == "DELETED":
            self._forget(uid)
        else:
            entry = self._pods.get(uid) or self._adopt(pod)
            entry.object = pod
            self._update_backend(entry)
            if pod.get("status", {}).get("phase") in ("Succeeded", "Failed") and not entry.going:
                self._delete(entry)
        self._judge()
        self.publish()

    def close(self) -> None:
        """Fail what waits, since the revision is gone; its pods go with it."""
        self._closed = True
        self.throttler.fail_waiting(CannotStart(f"revision {self.name} was deleted"))

    def publish(self) -> None:
        """Write the revision's status."""
        if self._closed:
            return
        facts = RevisionFacts(
            digests=self._digests,
            healthy=self._healthy,
            failure=self._failure,
            timed_out=self._timed_out(asyncio.get_running_loop().time()),
            wanted=self._wanted,
            ready=sum(entry.backend.ready for entry in self._pods.values()),
        )
        with contextlib.suppress(ApiError):
            self.revision = self._store.get(REVISION, self.namespace, self.name)
            status = revision_status(self.revision, facts, timestamp(now()))
            self.revision = self._store.update_status(REVISION, self.namespace, self.name, status)

    # Images and health

    def _resolve(self) -> None:
        """Fix every image to its digest, all or none."""
        digests = {}
        for container in self.revision["spec"]["containers"]:
            image = container["image"]
            try:
                digest = self._images.resolve(image).digest
            except ImageError as error:
                self._failure = ("ContainerMissing", f'Unable to fetch image "{image}": {error}')
                self.throttler.fail_waiting(CannotStart(self._failure[1]))
                self.publish()
                return
            digests[container["name"]] = f"{Reference.parse(image).repository}@{digest}"
        self._digests, self._failure = digests, None

    def _judge(self) -> None:
        """Conclude from the pods whether the revision works."""
        ready = sum(entry.backend.ready for entry in self._pods.values())
        if ready:
            self._failure = None
            if not self._healthy and ready >= self.scaling.initial_scale:
                self._healthy = True
                self._autoscaler.want(asyncio.get_running_loop().time(), self.scaling.initial_scale)
            return
        failures = (failure_of(entry.object) for entry in self._pods.values())
        self._failure = next((failure for failure in failures if failure is not None), None)
        if self._failure is not None:
            self._reject_waiting()

    def _reject_waiting(self) -> None:
        assert self._failure is not None
        self.throttler.fail_waiting(CannotStart(f"revision {self.name} cannot start: {self._failure[1]}"))

    def _timed_out(self, moment: float) -> bool:
        return not self._healthy and moment > self._begun + self._options.progress_deadline_seconds

    # Scale

    def _on_demand(self) -> None:
        """Start pods for a request that found none, or fail it when that is of no use."""
        if self._failure is not None and not self.throttler.has_ready:
            asyncio.get_running_loop().call_soon(self._reject_again)
        elif not any(not entry.going and not entry.draining for entry in self._pods.values()):
            wanted = self.scaling.bounded(self.scaling.activation_scale)
            self._autoscaler.want(asyncio.get_running_loop().time(), wanted)
            self._scale_to(wanted)

    def _reject_again(self) -> None:
        if self._failure is not None and not self.throttler.has_ready:
            self._reject_waiting()

    def _scale_to(self, wanted: int) -> None:
        if not self._digests or self._is_going():
            return
        changed, self._wanted = wanted != self._wanted, wanted
        present = [entry for entry in self._pods.values() if not entry.going]
        staying = [entry for entry in present if not entry.draining]
        missing = wanted - len(staying)
        if missing > 0:
            self._grow(missing, [entry for entry in present if entry.draining])
        elif missing < 0:
            order = sorted(staying, key=lambda entry: (entry.backend.ready, entry.backend.in_flight))
            for entry in order[:-missing]:
                self._drain(entry)
        if changed or missing:
            self.publish()

    def _is_going(self) -> bool:
        """Say whether the revision is being deleted: a pod made now would hold its deletion up."""
        try:
            live = self._store.get(REVISION, self.namespace, self.name)
        except ApiError:
            return True
        return "deletionTimestamp" in live["metadata"]

    def _grow(self, missing: int, draining: list[_Pod]) -> None:
        """Take back pods that were to go, and create what is missing then."""
        for entry in draining[:missing]:
            entry.draining = False
            self._update_backend(entry)
        for _ in range(missing - len(draining)):
            try:
                self._adopt(self._store.create(POD, pod_of(self.revision, self._digests), manager=_MANAGER))
            except ApiError as error:
                # The next tick tries again; meanwhile the status tells why.
                self._failure = ("FailedCreate", error.message)
                _log.warning("revision %s: no pod created: %s", self.name, error)
                return

    def _drain(self, entry: _Pod) -> None:
        """Send no more requests to a pod, and delete it when the last one has ended."""
        entry.draining = True
        self._update_backend(entry)
        if not entry.backend.in_flight:
            self._delete(entry)

    def _delete(self, entry: _Pod) -> None:
        metadata = entry.object["metadata"]
        self.throttler.set_ready(entry.backend, False)
        with contextlib.suppress(ApiError):
            entry.object = self._store.delete(POD, self.namespace, metadata["name"], uid=metadata["uid"])
            if "deletionTimestamp" not in entry.object["metadata"]:
                self._forget(metadata["uid"])

    def _adopt(self, pod: Json) -> _Pod:
        entry = self._pods.get(pod["metadata"]["uid"])
        if entry is None:
            entry = _Pod(pod, Backend("", 0))
            entry.backend.on_idle = lambda: self._on_idle(entry)
            self._pods[pod["metadata"]["uid"]] = entry
            self.throttler.add(entry.backend)
        return entry

    def _on_idle(self, entry: _Pod) -> None:
        if entry.draining and not entry.going:
            self._delete(entry)

    def _forget(self, uid: str) -> None:
        entry = self._pods.pop(uid, None)
        if entry is not None:
            self.throttler.remove(entry.backend)

    def _update_backend(self, entry: _Pod) -> None:
        status = entry.object.get("status", {})
        entry.backend.host = status.get("podIP", "")
        entry.backend.port = real_port(entry.object, serving_port(entry.object["spec"]))
        self.throttler.set_ready(entry.backend, is_ready(entry.object) and not entry.draining)


def failure_of(pod: Json) -> tuple[str, str] | None:
    """Return reason and message of what keeps a pod from running; None while it may still start."""
    for entry in pod.get("status", {}).get("containerStatuses", ()):
        waiting = entry["state"].get("waiting")
        if waiting is None or waiting.get("reason") in _STARTING:
            continue
        ended = entry["lastState"].get("terminated")
        if ended is not None:
            return (
                f"ExitCode{ended['exitCode']}",
                f"Container failed with: {ended.get('message') or ended['reason']}",
            )
        return waiting["reason"], waiting.get("message", "")
    return None
