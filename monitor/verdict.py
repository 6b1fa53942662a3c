"""How the build ended, from what the pod's status says. Pure: the pod and the clock are passed in.

A build that was called off tells nothing: a pod that is deleted before its time was superseded or deleted by
the platform, which knows. A pod that is deleted at the end of the Job's time is a failure, and so is one that
the cluster took away (eviction, preemption, node shutdown). The rules, of which the first that fits counts:

    the build container ended with 0                           succeeded, even when the pod is being deleted
    the cluster took the pod away                              failed: evicted
    the deadline has passed, and the pod is being deleted, the
      build was killed or this process was told to end         failed: deadline
    the pod is being deleted                                   called off
    the build container ended with another code                failed: see failures.classify
    its image could not be pulled for longer than the grace    failed: image_pull
    it did not start within the grace                          failed: never_scheduled
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.failures import Diagnosis, Exit, Reason, classify

PULL_FAILURES = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}
)
DEADLINE_SLACK = datetime.timedelta(seconds=5)
"""The Job's clock starts a little before the pod is created."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KILLED = frozenset({137, 143})

Pod = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What to judge by; durations in the settings' words."""

    container: str
    """The build container's name."""
    deadline: datetime.timedelta
    pull_grace: datetime.timedelta
    start_grace: datetime.timedelta


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A finished build: succeeded when `diagnosis` is None, failed otherwise."""

    diagnosis: Diagnosis | None
    image_digest: str | None
    exit_code: int | None
    started_at: datetime.datetime
    completed_at: datetime.datetime


@dataclass(frozen=True)
class CalledOff:
    """The build was deleted before its time; there is nothing to tell."""

    why: str


@dataclass(frozen=True)
class Waiting:
    """Since when the build container waits, and whether its image is what it waits for."""

    pull: bool
    since: datetime.datetime


def waiting(pod: Pod, now: datetime.datetime, rules: Rules, before: Waiting | None) -> Waiting | None:
    """Return how the container waits now, given how it waited at the last look; None when it does not."""
    state = _state(pod, rules.container)
    if "running" in state or "terminated" in state:
        return None
    pull = state.get("waiting", {}).get("reason") in PULL_FAILURES
    if before is not None and before.pull == pull:
        return before
    return Waiting(pull, now)


def verdict(
    pod: Pod,
    now: datetime.datetime,
    rules: Rules,
    *,
    wait: Waiting | None = None,
    log: str = "",
    stopping: bool = False,
) -> Verdict | CalledOff | None:
    """Judge the pod as it is now; None while the build goes on.

    `wait` is what `waiting` returned, `log` the end of the build's log where it matters; `stopping` says that
    this process was told to end.
    """
    exit = _exit(pod, rules)
    if exit is not None and exit.code == 0:
        return _verdict(pod, now, rules, None, exit)
    if disruption := _disruption(pod):
        return _verdict(
            pod, now, rules, Diagnosis(Reason.EVICTED, f"the cluster ended the build: {disruption}"), exit
        )
    deleted = bool(pod.get("metadata", {}).get("deletionTimestamp"))
    if _out_of_time(pod, now, rules, exit, stopping or deleted):
        message = f"the build did not end within {rules.deadline.total_seconds():g} s"
        return _verdict(pod, now, rules, Diagnosis(Reason.DEADLINE, message), exit)
    if deleted:
        return CalledOff("the build was deleted before its time")
    if exit is not None:
        return _verdict(pod, now, rules, classify(log, exit), exit)
    diagnosis = _not_started(pod, now, rules, wait)
    return _verdict(pod, now, rules, diagnosis, None) if diagnosis else None


def gone(created: datetime.datetime | None, now: datetime.datetime, rules: Rules) -> Verdict | CalledOff:
    """Judge a pod that is not there any more, by when it was created."""
    if created is None or now - created < rules.deadline - DEADLINE_SLACK:
        return CalledOff("the pod is gone")
    message = f"the build did not end within {rules.deadline.total_seconds():g} s"
    diagnosis = Diagnosis(Reason.DEADLINE, message)
    return Verdict(
        diagnosis=diagnosis, image_digest=None, exit_code=None, started_at=created, completed_at=now
    )


def created_at(pod: Pod) -> datetime.datetime | None:
    """Return when the pod was created."""
    return _time(pod.get("metadata", {}).get("creationTimestamp"))


def _out_of_time(pod: Pod, now: datetime.datetime, rules: Rules, exit: Exit | None, stopping: bool) -> bool:
    if pod.get("status", {}).get("reason") == "DeadlineExceeded":
        return True
    created = created_at(pod)
    if created is None or now - created < rules.deadline - DEADLINE_SLACK:
        return False
    killed = exit is not None and exit.code in _KILLED and exit.reason != "OOMKilled"
    return stopping or killed


def _not_started(pod: Pod, now: datetime.datetime, rules: Rules, wait: Waiting | None) -> Diagnosis | None:
    if wait is None or now - wait.since < (rules.pull_grace if wait.pull else rules.start_grace):
        return None
    state = _state(pod, rules.container).get("waiting", {})
    detail = (
        ": ".join(str(state[key]) for key in ("reason", "message") if state.get(key)) or "no reason is given"
    )
    if wait.pull:
        return Diagnosis(Reason.IMAGE_PULL, f"the build's own image cannot be pulled: {detail}")
    return Diagnosis(Reason.NEVER_SCHEDULED, f"the build container did not start: {detail}")


def _disruption(pod: Pod) -> str:
    status = pod.get("status", {})
    if status.get("reason") in ("Evicted", "Preempting", "NodeShutdown", "Terminated", "NodeLost"):
        return f"{status['reason']}: {status.get('message', '')}".rstrip(": ")
    for condition in status.get("conditions") or []:
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return f"{condition.get('reason', 'DisruptionTarget')}: {condition.get('message', '')}".rstrip(
                ": "
            )
    return ""


def _verdict(
    pod: Pod, now: datetime.datetime, rules: Rules, diagnosis: Diagnosis | None, exit: Exit | None
) -> Verdict:
    state = _state(pod, rules.container)
    ended = state.get("terminated", {})
    running = state.get("running", {})
    started = _time(ended.get("startedAt")) or _time(running.get("startedAt")) or created_at(pod) or now
    digest = _DIGEST.fullmatch(exit.message.strip()) if exit and diagnosis is None else None
    return Verdict(
        diagnosis=diagnosis,
        image_digest=digest[0] if digest else None,
        exit_code=exit.code if exit else None,
        started_at=started,
        completed_at=_time(ended.get("finishedAt")) or now,
    )


def _state(pod: Pod, container: str) -> Mapping[str, Any]:
    """Return the container's present state; an empty one when the status does not name it yet."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status.get("name") == container:
            state: Mapping[str, Any] = status.get("state") or {}
            return {kind: detail or {} for kind, detail in state.items() if detail is not None}
    return {}


def _exit(pod: Pod, rules: Rules) -> Exit | None:
    ended = _state(pod, rules.container).get("terminated")
    if ended is None:
        return None
    return Exit(int(ended.get("exitCode", 1)), ended.get("reason") or "", ended.get("message") or "")


def _time(text: str | None) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if text else None
