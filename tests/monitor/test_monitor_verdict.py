"""The pure core: a pod's status and a clock in, a verdict out."""

from datetime import UTC, datetime, timedelta

import pytest
from build_pod import DIGEST, RUNNING, ended
from build_pod import pod as make_pod
from hypothesis import given
from hypothesis import strategies as st

from monitor.failures import Exit, Reason, classify
from monitor.verdict import CalledOff, Rules, Verdict, Waiting, gone, verdict, waiting

NOW = datetime.now(UTC)
RULES = Rules(
    container="kaniko",
    deadline=timedelta(seconds=1800),
    pull_grace=timedelta(seconds=120),
    start_grace=timedelta(seconds=300),
)
DISRUPTED = {
    "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]
}


def judge(pod, **options) -> str:
    """Name the verdict."""
    result = verdict(pod, NOW, RULES, **options)
    if result is None:
        return "goes on"
    if isinstance(result, CalledOff):
        return "called off"
    return result.diagnosis.reason if result.diagnosis else "succeeded"


@pytest.mark.parametrize(
    ("pod", "stopping", "expected"),
    [
        pytest.param(make_pod(running=RUNNING), False, "goes on", id="runs"),
        pytest.param(make_pod(), False, "goes on", id="no state yet"),
        pytest.param({"metadata": {}}, False, "goes on", id="no status yet"),
        pytest.param(make_pod(terminated=ended(0, message=DIGEST)), False, "succeeded", id="exit 0"),
        pytest.param(
            make_pod(terminated=ended(0), deleted=True), True, "succeeded", id="exit 0, then deleted"
        ),
        pytest.param(
            make_pod(terminated=ended(0), age_seconds=5000), True, "succeeded", id="exit 0 at the deadline"
        ),
        pytest.param(make_pod(terminated=ended(1)), False, "error", id="exit 1"),
        pytest.param(make_pod(terminated=ended(137)), False, "oom", id="exit 137"),
        pytest.param(make_pod(terminated=ended(1, reason="OOMKilled")), False, "oom", id="OOMKilled"),
        pytest.param(
            make_pod(terminated=ended(143), deleted=True), True, "called off", id="killed by deletion"
        ),
        pytest.param(
            make_pod(terminated=ended(137), deleted=True), False, "called off", id="killed hard by deletion"
        ),
        pytest.param(make_pod(running=RUNNING, deleted=True), False, "called off", id="being deleted"),
        pytest.param(make_pod(running=RUNNING), True, "goes on", id="told to end, cause unknown"),
        pytest.param(
            make_pod(running=RUNNING, age_seconds=1801), False, "goes on", id="deadline, Job not yet acting"
        ),
        pytest.param(
            make_pod(running=RUNNING, age_seconds=1801), True, "deadline", id="told to end at the deadline"
        ),
        pytest.param(
            make_pod(running=RUNNING, age_seconds=1796, deleted=True), False, "deadline", id="just before it"
        ),
        pytest.param(
            make_pod(running=RUNNING, age_seconds=1790, deleted=True), True, "called off", id="before it"
        ),
        pytest.param(
            make_pod(terminated=ended(143), age_seconds=1801), False, "deadline", id="killed at the deadline"
        ),
        pytest.param(
            make_pod(terminated=ended(137), age_seconds=1801),
            False,
            "deadline",
            id="killed hard at the deadline",
        ),
        pytest.param(
            make_pod(terminated=ended(137, reason="OOMKilled"), age_seconds=1801),
            False,
            "oom",
            id="no memory late",
        ),
        pytest.param(make_pod(terminated=ended(1), age_seconds=1801), False, "error", id="failed late"),
        pytest.param(
            make_pod(running=RUNNING, status={"reason": "DeadlineExceeded"}),
            False,
            "deadline",
            id="pod's own deadline",
        ),
        pytest.param(
            make_pod(terminated=ended(143), deleted=True, status=DISRUPTED), True, "evicted", id="evicted"
        ),
        pytest.param(
            make_pod(running=RUNNING, status={"reason": "Evicted"}),
            False,
            "evicted",
            id="evicted by the kubelet",
        ),
    ],
)
def test_the_first_rule_that_fits_decides(pod, stopping: bool, expected: str) -> None:
    if pod["metadata"]:  # ages count from when the test runs, not from when it was collected
        age = NOW - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        assert age.total_seconds() >= 0

    assert judge(pod, stopping=stopping) == expected


@pytest.mark.parametrize(
    ("reason", "waited", "expected"),
    [
        ("ErrImagePull", 119, "goes on"),
        ("ErrImagePull", 120, "image_pull"),
        ("ContainerCreating", 299, "goes on"),
        ("ContainerCreating", 300, "never_scheduled"),
    ],
)
def test_waiting_is_given_up_after_its_grace(reason: str, waited: int, expected: str) -> None:
    pod = make_pod(waiting={"reason": reason})
    first = waiting(pod, NOW - timedelta(seconds=waited), RULES, None)

    assert judge(pod, wait=waiting(pod, NOW, RULES, first)) == expected


def test_the_two_ways_of_an_image_that_cannot_be_pulled_are_one_wait() -> None:
    first = waiting(make_pod(waiting={"reason": "ErrImagePull"}), NOW, RULES, None)
    later = NOW + timedelta(seconds=60)

    assert waiting(make_pod(waiting={"reason": "ImagePullBackOff"}), later, RULES, first) == first


def test_another_wait_counts_anew() -> None:
    first = waiting(make_pod(waiting={"reason": "ContainerCreating"}), NOW, RULES, None)
    later = NOW + timedelta(seconds=60)

    assert waiting(make_pod(waiting={"reason": "ErrImagePull"}), later, RULES, first) == Waiting(True, later)


def test_a_pod_that_is_gone_at_the_deadline_is_a_failure() -> None:
    late = gone(NOW - RULES.deadline, NOW, RULES)

    assert isinstance(late, Verdict)
    assert late.diagnosis is not None
    assert late.diagnosis.reason is Reason.DEADLINE
    assert isinstance(gone(NOW, NOW, RULES), CalledOff)
    assert isinstance(gone(None, NOW, RULES), CalledOff)


@pytest.mark.parametrize("message", ["", "sha256:short", f"pushed {DIGEST}", DIGEST.upper()])
def test_only_a_whole_digest_is_one(message: str) -> None:
    result = verdict(make_pod(terminated=ended(0, message=message)), NOW, RULES)

    assert isinstance(result, Verdict)
    assert result.image_digest is None


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("error resolving source context: NoSuchKey: The specified key does not exist", Reason.S3_ACCESS),
        ("Error: error resolving source context: failed to get s3 object: 403 Forbidden", Reason.S3_ACCESS),
        ("error: AccessDenied: Access Denied status code: 403, request id: X", Reason.S3_ACCESS),
        ("error downloading context: bucket answered 404", Reason.S3_ACCESS),
        (
            "error checking push permissions -- make sure you entered the correct tag name",
            Reason.REGISTRY_ACCESS,
        ),
        (
            "error pushing image: failed to push to destination r/x: UNAUTHORIZED: authentication required",
            Reason.REGISTRY_ACCESS,
        ),
        (
            "POST https://r.example/v2/x/blobs/uploads/: TOOMANYREQUESTS: too many requests",
            Reason.REGISTRY_ACCESS,
        ),
        (
            "GET https://r.example/v2/python/manifests/3.11: unexpected status code 429 Too Many Requests",
            Reason.REGISTRY_ACCESS,
        ),
        ("AccessDeniedException: not authorized to perform: ecr:InitiateLayerUpload", Reason.REGISTRY_ACCESS),
        (
            "error building image: parsing dockerfile: dockerfile parse error on line 3: unknown: FORM",
            Reason.DOCKERFILE,
        ),
        ("Error: error resolving dockerfile path: please provide a valid path", Reason.DOCKERFILE),
        (
            "ERROR: No matching distribution found for nope==1\nerror building image: exit status 1",
            Reason.DEPENDENCY_INSTALL,
        ),
        ("error: subprocess-exited-with-error\nexit status 1", Reason.DEPENDENCY_INSTALL),
        ("npm ERR! code E404", Reason.DEPENDENCY_INSTALL),
        ("npm error 404 Not Found - GET", Reason.DEPENDENCY_INSTALL),
        ("go: example.com/x@v1.2.3: unknown revision v1.2.3", Reason.DEPENDENCY_INSTALL),
        (
            "ERROR: No matching distribution found for x\nerror pushing image: denied: no",
            Reason.REGISTRY_ACCESS,
        ),
        ("INFO[0001] something else\npanic: oh no", Reason.ERROR),
        ("", Reason.ERROR),
    ],
)
def test_the_last_telling_line_of_the_log_gives_the_reason(log: str, reason: Reason) -> None:
    assert classify(log, Exit(1)).reason is reason


def test_the_termination_message_counts_as_the_last_line() -> None:
    diagnosis = classify("", Exit(1, message="error resolving source context: NoSuchBucket"))

    assert diagnosis.reason is Reason.S3_ACCESS
    assert diagnosis.message == (
        "the build failed with exit code 1: error resolving source context: NoSuchBucket"
    )


@given(st.text(max_size=300), st.integers(1, 255), st.text(max_size=20), st.text(max_size=100))
def test_any_log_has_a_reason_and_a_short_message(log: str, code: int, reason: str, message: str) -> None:
    diagnosis = classify(log, Exit(code, reason, message))

    assert diagnosis.message
    assert len(diagnosis.message) <= 500
    assert "\n" not in diagnosis.message
