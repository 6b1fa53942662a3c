"""What to do about a Job, decided from the Job, its pods and the time. Pure.

As in Kubernetes 1.31 and later a Job that has failed or succeeded says so in two steps: FailureTarget or
SuccessCriteriaMet at once, Failed or Complete when none of its pods is left running.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from local.node.objects import (
    Json,
    condition,
    is_true,
    parse_timestamp,
    timestamp,
    with_transitions,
)
from local.node.status import is_ready


@dataclass(frozen=True)
class Gone:
    """Pods of a Job that exist no more: how many had succeeded, and how many had not."""

    succeeded: int = 0
    failed: int = 0

    def adding(self, pod: Json) -> "Gone":
        """Return the tally with one more pod."""
        if pod.get("status", {}).get("phase") == "Succeeded":
            return Gone(self.succeeded + 1, self.failed)
        return Gone(self.succeeded, self.failed + 1)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The Job's new status, and what is to be done."""

    status: Json
    create: int = 0
    """Pods to create now."""
    delete: tuple[Json, ...] = ()
    """Pods to delete now."""
    deleted_count_as_failed: bool = False
    wake_at: datetime.datetime | None = None
    """When to plan again even if nothing happens."""
    remove: bool = False
    """Whether the Job itself is to be deleted: its time to live is over."""


@dataclass(frozen=True)
class _Outcome:
    target: str
    final: str
    reason: str
    message: str


_COMPLETIONS = "Reached expected number of succeeded pods"


@dataclass(frozen=True, kw_only=True)
class _Facts:
    job: Json
    active: tuple[Json, ...]
    terminating: int
    ready: int
    succeeded: int
    failed: int
    last_failure: datetime.datetime | None
    start: datetime.datetime
    now: datetime.datetime


def plan(
    job: Json,
    pods: Sequence[Json],
    gone: Gone,
    now: datetime.datetime,
    *,
    backoff_seconds: tuple[float, float],
) -> Plan:
    """Plan one Job. `backoff_seconds` are the first and the longest wait before a failed pod is replaced."""
    if is_true(job, "Complete") or is_true(job, "Failed"):
        return _plan_finished(job, now)
    facts = _facts(job, pods, gone, now)
    if job["spec"].get("suspend"):
        return _plan_suspended(facts)
    outcome = _outcome(facts)
    return _plan_ending(facts, outcome) if outcome else _plan_running(facts, backoff_seconds)


def _facts(job: Json, pods: Sequence[Json], gone: Gone, now: datetime.datetime) -> _Facts:
    phases = [pod.get("status", {}).get("phase") for pod in pods]
    running = [pod for pod, phase in zip(pods, phases, strict=True) if phase not in ("Succeeded", "Failed")]
    active = tuple(pod for pod in running if not pod["metadata"].get("deletionTimestamp"))
    failures = [_ended_at(pod) for pod, phase in zip(pods, phases, strict=True) if phase == "Failed"]
    start = job.get("status", {}).get("startTime")
    return _Facts(
        job=job,
        active=active,
        terminating=len(running) - len(active),
        ready=sum(is_ready(pod) for pod in active),
        succeeded=phases.count("Succeeded") + gone.succeeded,
        failed=phases.count("Failed") + gone.failed,
        last_failure=max(failures, default=now if gone.failed else None),
        start=parse_timestamp(start) if start else now.replace(microsecond=0),
        now=now,
    )


def _ended_at(pod: Json) -> datetime.datetime:
    ends = [
        parse_timestamp(entry["state"]["terminated"]["finishedAt"])
        for entry in pod["status"].get("containerStatuses", ())
        if "terminated" in entry["state"]
    ]
    return max(ends, default=parse_timestamp(pod["metadata"]["creationTimestamp"]))


def _outcome(facts: _Facts) -> _Outcome | None:
    """Return how the Job ends, None while that is open. What was decided once stays."""
    spec = facts.job["spec"]
    if is_true(facts.job, "FailureTarget"):
        entry = condition(facts.job, "FailureTarget")
        return _Outcome("FailureTarget", "Failed", entry["reason"], entry["message"])
    if _completed(facts):
        return _Outcome("SuccessCriteriaMet", "Complete", "CompletionsReached", _COMPLETIONS)
    if facts.failed > spec.get("backoffLimit", 6):
        text = "Job has reached the specified backoff limit"
        return _Outcome("FailureTarget", "Failed", "BackoffLimitExceeded", text)
    deadline = _deadline(facts)
    if deadline is not None and facts.now >= deadline:
        text = "Job was active longer than specified deadline"
        return _Outcome("FailureTarget", "Failed", "DeadlineExceeded", text)
    return None


def _completed(facts: _Facts) -> bool:
    completions = _completions(facts.job)
    if completions is None:
        return facts.succeeded > 0 and not facts.active
    return facts.succeeded >= completions


def _completions(job: Json) -> int | None:
    """Return how many successes are wanted; None for a work queue: any one, with no pod left."""
    spec = job["spec"]
    value = spec.get("completions", None if spec.get("parallelism", 1) > 1 else 1)
    return None if value is None else int(value)


def _deadline(facts: _Facts) -> datetime.datetime | None:
    seconds = facts.job["spec"].get("activeDeadlineSeconds")
    return None if seconds is None else facts.start + datetime.timedelta(seconds=seconds)


def _plan_running(facts: _Facts, backoff_seconds: tuple[float, float]) -> Plan:
    spec = facts.job["spec"]
    completions = _completions(facts.job)
    open_ones = 1_000_000 if completions is None else completions - facts.succeeded
    if completions is None and facts.succeeded:
        open_ones = len(facts.active)
    wanted = max(0, min(spec.get("parallelism", 1), open_ones) - len(facts.active))
    ready_at = _replace_at(facts, backoff_seconds)
    held = ready_at is not None and facts.now < ready_at
    times = [time for time in (_deadline(facts), ready_at if held else None) if time is not None]
    create = 0 if held else wanted
    status = _status(facts, active=len(facts.active) + create)
    return Plan(status=status, create=create, wake_at=min(times, default=None))


def _replace_at(facts: _Facts, backoff_seconds: tuple[float, float]) -> datetime.datetime | None:
    if facts.last_failure is None or not facts.failed:
        return None
    first, longest = backoff_seconds
    return facts.last_failure + datetime.timedelta(seconds=min(first * 2 ** (facts.failed - 1), longest))


def _plan_ending(facts: _Facts, outcome: _Outcome) -> Plan:
    entries = [(outcome.target, outcome.reason, outcome.message)]
    left = len(facts.active) + facts.terminating
    if not left:
        entries.append((outcome.final, outcome.reason, outcome.message))
    moment = timestamp(facts.now)
    conditions = [
        {"type": type, "status": "True", "reason": reason, "message": message, "lastProbeTime": moment}
        for type, reason, message in entries
    ]
    status = _status(facts, active=0, conditions=conditions)
    status["terminating"] = left
    if not left and outcome.final == "Complete":
        status["completionTime"] = moment
    return Plan(
        status=status,
        delete=facts.active,
        deleted_count_as_failed=outcome.final == "Failed",
        wake_at=None if left else _expiry(facts.job, facts.now),
    )


def _plan_suspended(facts: _Facts) -> Plan:
    entry = {"type": "Suspended", "status": "True", "reason": "JobSuspended", "message": "Job suspended"}
    status = _status(facts, active=0, conditions=[entry])
    del status["startTime"]
    return Plan(status=status, delete=facts.active)


def _plan_finished(job: Json, now: datetime.datetime) -> Plan:
    conditions = [condition(job, "Complete"), condition(job, "Failed")]
    ended = max(parse_timestamp(entry["lastTransitionTime"]) for entry in conditions if entry)
    expiry = _expiry(job, ended)
    return Plan(status=job["status"], wake_at=expiry, remove=expiry is not None and now >= expiry)


def _expiry(job: Json, ended: datetime.datetime) -> datetime.datetime | None:
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    return None if seconds is None else ended.replace(microsecond=0) + datetime.timedelta(seconds=seconds)


def _status(facts: _Facts, *, active: int, conditions: list[Json] | None = None) -> Json:
    moment = timestamp(facts.now)
    entries = list(conditions or ())
    if not facts.job["spec"].get("suspend") and is_true(facts.job, "Suspended"):
        entries.append(
            {"type": "Suspended", "status": "False", "reason": "JobResumed", "message": "Job resumed"}
        )
    counts = {"active": active, "succeeded": facts.succeeded, "failed": facts.failed}
    status: Json = {
        "startTime": timestamp(facts.start),
        "ready": facts.ready,
        "terminating": facts.terminating,
        "uncountedTerminatedPods": {},
        **{name: count for name, count in counts.items() if count},
    }
    if entries:
        status["conditions"] = with_transitions(entries, facts.job, moment)
    return status
