"""The Job controller: makes the pods of Jobs, counts them, ends Jobs. `job_plan.py` decides what to do.

It departs from the real one: completionMode Indexed, pod failure policies and success policies are not known.
"""

import asyncio
import contextlib
import copy
import datetime
import logging
import secrets
from collections.abc import Callable

from local.apiserver.errors import ApiError
from local.apiserver.kinds import JOB, POD
from local.apiserver.store import Store
from local.apiserver.watch import Event, Watch
from local.node.job_plan import Gone, Plan, plan
from local.node.objects import Json, controller_of, is_true, key, now, owner_reference
from local.node.recorder import Recorder

_log = logging.getLogger(__name__)
_MANAGER = "job-controller"
_RETRY_SECONDS = 1.0
_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class _Job:
    """What the controller keeps about one Job."""

    def __init__(self) -> None:
        self.pods: dict[str, Json] = {}
        self.gone = Gone()
        self.dismissed: set[str] = set()
        """Pods whose deletion by the controller does not count as a failure."""
        self.timer: asyncio.TimerHandle | None = None

    def observe(self, event: Event) -> None:
        """Take in a change of one of its pods."""
        uid = event.object["metadata"]["uid"]
        if event.type != "DELETED":
            self.pods[uid] = event.object
            return
        self.pods.pop(uid, None)
        if uid not in self.dismissed:
            self.gone = self.gone.adding(event.object)

    def cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class JobController:
    """Controls all Jobs of the store between `start` and `stop`.

    `backoff_seconds` are the first and the longest wait before a failed pod is replaced.
    """

    def __init__(self, store: Store, *, backoff_seconds: tuple[float, float] = (10.0, 600.0)) -> None:
        self._store = store
        self._backoff_seconds = backoff_seconds
        self._recorder = Recorder(store, _MANAGER)
        self._jobs: dict[str, _Job] = {}
        self._watches: list[Watch] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin with the Jobs and pods that are there."""
        jobs, pods = self._store.watch(JOB), self._store.watch(POD)
        self._watches = [jobs, pods]
        self._tasks = [
            asyncio.create_task(self._follow(pods, self._on_pod)),
            asyncio.create_task(self._follow(jobs, self._on_job)),
        ]

    async def stop(self) -> None:
        """End the controller; Jobs and pods stay as they are."""
        for watch in self._watches:
            watch.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for entry in self._jobs.values():
            entry.cancel_timer()

    async def _follow(self, watch: Watch, handle: Callable[[Event], None]) -> None:
        async for event in watch:
            try:
                handle(event)
            except Exception:
                # One Job that cannot be handled must not stop the others.
                _log.exception("jobs: an event of %s was not handled", key(event.object))

    def _on_job(self, event: Event) -> None:
        uid = event.object["metadata"]["uid"]
        if event.type != "DELETED":
            self._reconcile(*key(event.object), uid)
        else:
            self._forget(uid)

    def _on_pod(self, event: Event) -> None:
        owner = controller_of(event.object)
        if owner is not None and owner["kind"] == JOB.kind:
            self._jobs.setdefault(owner["uid"], _Job()).observe(event)
            self._reconcile(event.object["metadata"]["namespace"], owner["name"], owner["uid"])

    def _forget(self, uid: str) -> None:
        if uid in self._jobs:
            self._jobs.pop(uid).cancel_timer()

    def _reconcile(self, namespace: str, name: str, uid: str) -> None:
        """Bring one Job a step further; one that is gone or was replaced is forgotten."""
        try:
            job = self._store.get(JOB, namespace, name)
        except ApiError:
            job = None
        if job is None or job["metadata"]["uid"] != uid:
            self._forget(uid)
            return
        if job["metadata"].get("deletionTimestamp"):
            return
        entry = self._jobs.setdefault(uid, _Job())
        decided = plan(
            job, list(entry.pods.values()), entry.gone, now(), backoff_seconds=self._backoff_seconds
        )
        try:
            self._carry_out(job, entry, decided)
        except ApiError as error:
            self._recorder.warning(JOB, job, "FailedCreate", f"Error creating: {error}")
            self._wake(job, entry, now() + datetime.timedelta(seconds=_RETRY_SECONDS))

    def _carry_out(self, job: Json, entry: _Job, decided: Plan) -> None:
        namespace, name = key(job)
        self._wake(job, entry, decided.wake_at)
        if decided.remove:
            self._store.delete(JOB, namespace, name, uid=job["metadata"]["uid"])
            return
        for pod in decided.delete:
            if not decided.deleted_count_as_failed:
                entry.dismissed.add(pod["metadata"]["uid"])
            with contextlib.suppress(ApiError):
                self._store.delete(POD, namespace, pod["metadata"]["name"], uid=pod["metadata"]["uid"])
                self._recorder.normal(JOB, job, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        for _ in range(decided.create):
            pod = self._store.create(POD, pod_of(job), manager=_MANAGER)
            # Noted here as well as by the watch: the next plan must not make the same pod again.
            entry.pods[pod["metadata"]["uid"]] = pod
            self._recorder.normal(JOB, job, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        self._announce(job, self._store.update_status(JOB, namespace, name, decided.status))

    def _announce(self, before: Json, after: Json) -> None:
        if is_true(after, "Complete") and not is_true(before, "Complete"):
            self._recorder.normal(JOB, after, "Completed", "Job completed")
        if is_true(after, "Failed") and not is_true(before, "Failed"):
            entry = next(entry for entry in after["status"]["conditions"] if entry["type"] == "Failed")
            self._recorder.warning(JOB, after, entry["reason"], entry["message"])

    def _wake(self, job: Json, entry: _Job, moment: datetime.datetime | None) -> None:
        entry.cancel_timer()
        if moment is not None:
            delay = max(0.0, (moment - now()).total_seconds())
            arguments = (*key(job), job["metadata"]["uid"])
            entry.timer = asyncio.get_running_loop().call_later(delay, self._reconcile, *arguments)


def pod_of(job: Json) -> Json:
    """Return a new pod made from the Job's template."""
    template = copy.deepcopy(job["spec"]["template"])
    metadata = template.get("metadata") or {}
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    suffix = "".join(secrets.choice(_NAME_ALPHABET) for _ in range(5))
    owned = {
        "batch.kubernetes.io/job-name": name,
        "batch.kubernetes.io/controller-uid": uid,
        "job-name": name,
        "controller-uid": uid,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{suffix}",
            "namespace": job["metadata"]["namespace"],
            "labels": {**(metadata.get("labels") or {}), **owned},
            "annotations": metadata.get("annotations") or {},
            "ownerReferences": [owner_reference(JOB, job)],
        },
        "spec": template["spec"],
    }
