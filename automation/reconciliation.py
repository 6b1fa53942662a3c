"""Builds that ended, or cannot begin, without the monitor telling: judged from outside by Job and pods. Pure.

The monitor's own rules judge, and its own event is made with the id that the monitor would give it: should it
have told after all, the two are one.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from automation import model
from automation.events import FunctionId
from automation.model import FunctionState
from components.manifests import kaniko
from monitor.events import Message, message
from monitor.failures import Diagnosis, Reason
from monitor.scan import START_SECONDS
from monitor.settings import Build, InvalidSettings, build_from
from monitor.verdict import Pod, Rules, Verdict, Waiting, created_at, verdict, waiting

GRACE: Final = datetime.timedelta(seconds=60)
"""What the monitor gets to tell before somebody else does: its longest pause between two tries, twice."""
PULL_GRACE: Final = datetime.timedelta(seconds=120) + GRACE
START_GRACE: Final = datetime.timedelta(seconds=300) + GRACE

_JOB_DELAY: Final = datetime.timedelta(minutes=15)
"""How long an update may take from its decision to the Job that it makes."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class BuildObjects:
    """A build's Job as the API server has it, and the Job's pods."""

    job: Json
    pods: tuple[Pod, ...]


@dataclass(frozen=True)
class Finding:
    """A build that should have been reported: of which function, and as what."""

    function: FunctionId
    build: Build
    verdict: Verdict
    uid: str
    """Of the pod, or of the Job if there is no pod left."""
    pod: str
    """The pod's name, for its log; empty if there is no pod left."""

    def event(self, log: str) -> Message:
        """Return the monitor's event of this end; `log` is the end of the build's log, where there is one."""
        return message(self.build, self.verdict, pod_uid=self.uid, log=log)


def finding(found: BuildObjects, now: datetime.datetime) -> Finding | None:
    """Return what should have been told of a build by now; None while it goes on, or was called off."""
    build = _described(found.job)
    if build is None or found.job["metadata"].get("deletionTimestamp"):
        return None
    function = FunctionId(build.third_party_id, build.parser_id)
    rules = _rules(found.job)
    for pod in found.pods:
        result = _of_pod(pod, now, rules, _grace(found.job))
        if result:
            metadata = pod["metadata"]
            return Finding(function, build, result, str(metadata["uid"]), str(metadata["name"]))
    result = _of_job(found.job, now)
    return Finding(function, build, result, str(found.job["metadata"]["uid"]), "") if result else None


def lost(state: FunctionState, now: datetime.datetime, jobs: frozenset[str]) -> Message | None:
    """Return the failure of a build that nobody can report any more; None if there is none.

    Its result should have come long ago, or it waits and its Job is not among `jobs`, all that there are.
    """
    build = state.build
    if build is None:
        return None
    if build.is_lost(now):
        assert build.lost_at is not None
        said = f"nobody had reported by {build.lost_at.isoformat()} how the build ended"
    elif build.is_queued and build.job_name not in jobs and now - (build.queued_at or now) > _JOB_DELAY:
        said = "the build waited for its turn, and its Job is gone"
    else:
        return None
    ended = Verdict(
        diagnosis=Diagnosis(Reason.LOST, said),
        image_digest=None,
        exit_code=None,
        started_at=build.started_at or build.requested_at,
        completed_at=now,
    )
    return message(_told_of(state.function, build), ended, pod_uid=f"{build.job_name}/lost")


def _told_of(function: FunctionId, build: model.Build) -> Build:
    """Return what the build's monitor was told of it."""
    return Build(
        third_party_id=function.third_party_id,
        parser_id=function.parser_id,
        job_name=build.job_name,
        image_uri=build.image,
        build_id=build.build_id,
        content_hash=build.content_hash,
        correlation_id=build.correlation_id,
        traceparent=build.traceparent,
    )


def _described(job: Json) -> Build | None:
    """Return what the monitor was told of its build; None for a Job that has no monitor of ours."""
    try:
        return build_from(_environment(job))
    except InvalidSettings:
        return None


def _environment(job: Json) -> dict[str, str]:
    """Return the plain variables of a Job's monitor."""
    containers: Iterable[Json] = job["spec"]["template"]["spec"]["containers"]
    return {
        variable["name"]: variable.get("value", "").replace("$$", "$")
        for container in containers
        if container["name"] == kaniko.MONITOR
        for variable in container.get("env") or ()
    }


def _rules(job: Json) -> Rules:
    return Rules(
        container=kaniko.EXECUTOR,
        deadline=datetime.timedelta(seconds=job["spec"].get("activeDeadlineSeconds") or 86_400),
        pull_grace=PULL_GRACE,
        start_grace=START_GRACE,
    )


def _grace(job: Json) -> datetime.timedelta:
    """Return what a monitor gets to tell of a success: with a scanner it tells after the scan."""
    seconds = _environment(job).get("SCAN_TIMEOUT_SECONDS", "")
    return GRACE + datetime.timedelta(seconds=int(seconds) + START_SECONDS if seconds.isdecimal() else 0)


def _of_pod(pod: Pod, now: datetime.datetime, rules: Rules, grace: datetime.timedelta) -> Verdict | None:
    """Judge a pod; one that ended a moment ago is still its monitor's to tell of."""
    wait = waiting(pod, now, rules, None)
    # Nobody looked at it before: it may have waited since it was made, for an image since it has a node.
    since = wait and Waiting(wait.pull, (_on_node(pod) if wait.pull else created_at(pod)) or now)
    result = verdict(pod, now, rules, wait=since)
    if not isinstance(result, Verdict):
        return None
    ended, wanted = result.exit_code is not None, GRACE if result.diagnosis else grace
    return None if ended and now - result.completed_at < wanted else result


def _on_node(pod: Pod) -> datetime.datetime | None:
    """Return when a node took the pod on; a pod may wait longer for a node than an image may take."""
    taken = pod.get("status", {}).get("startTime")
    return datetime.datetime.fromisoformat(taken) if taken else created_at(pod)


def _of_job(job: Json, now: datetime.datetime) -> Verdict | None:
    """Judge by the Job's own words: its pod is gone, or tells nothing."""
    for condition in job.get("status", {}).get("conditions") or ():
        at = datetime.datetime.fromisoformat(condition.get("lastTransitionTime") or now.isoformat())
        if condition.get("status") == "True" and condition["type"] in _ENDED and now - at >= GRACE:
            diagnosis = None if condition["type"] == "Complete" else _diagnosis(condition)
            started = job["status"].get("startTime")
            return Verdict(
                diagnosis=diagnosis,
                image_digest=None,
                exit_code=None,
                started_at=datetime.datetime.fromisoformat(started) if started else at,
                completed_at=at,
            )
    return None


_ENDED: Final = frozenset({"Complete", "Failed"})


def _diagnosis(condition: Json) -> Diagnosis:
    late = condition.get("reason") == "DeadlineExceeded"
    said = condition.get("message") or condition.get("reason") or "no reason is given"
    return Diagnosis(Reason.DEADLINE if late else Reason.ERROR, f"the Job failed: {said}")
