"""What is decided about a Job: state and time in, plan out."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.node.job_plan import Gone, Plan, plan
from local.node.objects import is_true, timestamp

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
BACKOFF = (10.0, 360.0)


def job(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    started = {"startTime": timestamp(START)} if status is None else status
    return {"metadata": {"name": "job", "uid": "u"}, "spec": {"template": {}, **spec}, "status": started}


def pod(phase: str, *, ended: float = 0.0, going: bool = False) -> dict[str, Any]:
    moment = timestamp(START + datetime.timedelta(seconds=ended))
    state = {"terminated": {"finishedAt": moment}} if phase in ("Succeeded", "Failed") else {"running": {}}
    metadata = {"name": "p", "creationTimestamp": moment, **({"deletionTimestamp": moment} if going else {})}
    return {"metadata": metadata, "status": {"phase": phase, "containerStatuses": [{"state": state}]}}


def decide(obj: dict[str, Any], *pods: dict[str, Any], after: float = 0.0, gone: Gone | None = None) -> Plan:
    return plan(obj, pods, gone or Gone(), START + datetime.timedelta(seconds=after), backoff_seconds=BACKOFF)


def ended(decided: Plan) -> dict[str, str]:
    return {entry["type"]: entry.get("reason", "") for entry in decided.status.get("conditions", ())}


def test_a_new_job_gets_its_start_time_and_one_pod() -> None:
    decided = decide(job(status={}), after=5)

    assert decided.create == 1
    assert decided.status["startTime"] == timestamp(START + datetime.timedelta(seconds=5))
    assert decided.status["active"] == 1


def test_a_running_pod_is_enough() -> None:
    assert decide(job(), pod("Running")).create == 0


def test_success_is_told_before_the_last_pod_has_ended() -> None:
    decided = decide(job(), pod("Succeeded"), pod("Running"))

    assert ended(decided) == {"SuccessCriteriaMet": "CompletionsReached"}
    assert len(decided.delete) == 1


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 10), (2, 20), (3, 40), (7, 360)], ids=lambda value: str(value)
)
def test_each_failure_doubles_the_wait_for_the_next_pod(failures: int, seconds: float) -> None:
    failed = [pod("Failed", ended=100) for _ in range(failures)]

    waiting = decide(job(backoffLimit=9), *failed, after=100 + seconds - 1)
    over = decide(job(backoffLimit=9), *failed, after=100 + seconds)

    assert (waiting.create, over.create) == (0, 1)
    assert waiting.wake_at == START + datetime.timedelta(seconds=100 + seconds)


def test_one_failure_more_than_the_limit_is_the_end() -> None:
    assert "Failed" not in ended(decide(job(backoffLimit=1), pod("Failed")))
    assert (
        ended(decide(job(backoffLimit=1), pod("Failed"), pod("Failed")))["Failed"] == "BackoffLimitExceeded"
    )


def test_the_deadline_is_exact_and_the_job_wakes_for_it() -> None:
    before = decide(job(activeDeadlineSeconds=60), pod("Running"), after=59.9)
    at = decide(job(activeDeadlineSeconds=60), pod("Running"), after=60)

    assert (before.delete, before.wake_at) == ((), START + datetime.timedelta(seconds=60))
    assert ended(at) == {"FailureTarget": "DeadlineExceeded"}
    assert len(at.delete) == 1


def test_a_job_has_failed_when_its_pods_have_ended() -> None:
    at = decide(job(activeDeadlineSeconds=60), pod("Running", going=True), after=60)
    later = decide(job(status=at.status, activeDeadlineSeconds=60), after=61, gone=Gone(failed=1))

    assert ended(at) == {"FailureTarget": "DeadlineExceeded"}
    assert ended(later) == {"FailureTarget": "DeadlineExceeded", "Failed": "DeadlineExceeded"}
    assert later.status["failed"] == 1


def test_a_finished_job_is_removed_after_its_time_to_live() -> None:
    done = decide(job(ttlSecondsAfterFinished=100), pod("Succeeded"), after=10)
    finished = job(status=done.status, ttlSecondsAfterFinished=100)

    assert not decide(finished, after=109).remove
    assert decide(finished, after=109).wake_at == START + datetime.timedelta(seconds=110)
    assert decide(finished, after=110).remove


PODS = st.lists(st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]).map(pod), max_size=8)


@given(PODS, st.integers(1, 5), st.integers(0, 4), st.integers(0, 3), st.floats(0, 1e5))
def test_a_job_never_has_more_pods_than_asked(
    pods: list[dict[str, Any]], completions: int, parallelism: int, limit: int, after: float
) -> None:
    decided = decide(
        job(completions=completions, parallelism=parallelism, backoffLimit=limit), *pods, after=after
    )

    phases = [entry["status"]["phase"] for entry in pods]
    active = phases.count("Running") + phases.count("Pending")
    assert decided.create == 0 or active + decided.create <= min(
        parallelism, completions - phases.count("Succeeded")
    )
    assert not (decided.create and decided.delete)
    both = {**job(), "status": decided.status}
    assert not (is_true(both, "Complete") and is_true(both, "Failed"))
