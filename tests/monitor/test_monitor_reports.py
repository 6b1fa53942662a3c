"""What the broker gets for each way in which a build can end."""

import time
import uuid

import pytest
from build_pod import DIGEST, POD_PATH, RUNNING, ApiServer, Broker, ended, pod

REFUSED = "ErrImagePull"


def test_a_successful_build_is_reported_with_its_digest(api: ApiServer, broker: Broker, start) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    api.pod = pod(terminated=ended(0, message=DIGEST + "\n"))

    assert start(TRACEPARENT=trace).exit_status() == 0

    [(headers, data)] = broker.events
    assert {name: value for name, value in headers.items() if name.startswith("ce-") and name != "ce-id"} == {
        "ce-specversion": "1.0",
        "ce-type": "network.notifi.lambda.build.complete",
        "ce-source": "network.notifi.acme",
        "ce-subject": "p1",
        "ce-time": "2026-01-02T03:04:47.000Z",
        "ce-correlationid": "corr-1",
        "ce-traceparent": trace,
    }
    assert headers["content-type"] == "application/json"
    assert uuid.UUID(headers["ce-id"]).version == 5
    assert data == {
        "third_party_id": "acme",
        "parser_id": "p1",
        "status": "success",
        "image_uri": "registry.example/knative-lambdas:acme-p1-12345678",
        "image_digest": DIGEST,
        "content_hash": "c" * 64,
        "build_id": "b-1",
        "job_name": "kaniko-build-acme-p1",
        "started_at": "2026-01-02T03:04:05.000Z",
        "completed_at": "2026-01-02T03:04:47.000Z",
        "duration_ms": 42000,
        "cache_hits": 0,
        "correlation_id": "corr-1",
    }


def test_a_success_says_how_many_commands_came_from_the_cache(api: ApiServer, broker: Broker, start) -> None:
    api.pod = pod(terminated=ended(0, message=DIGEST))
    api.log = (
        b"\x1b[36mINFO\x1b[0m[0003] Using caching version of cmd: RUN pip install -r requirements.txt\n"
        b"\x1b[36mINFO\x1b[0m[0004] Using caching version of cmd: RUN useradd parser\n"
        b"\x1b[36mINFO\x1b[0m[0004] No cached layer found for cmd COPY . /app\n"
    )

    assert start().exit_status() == 0

    assert broker.events[0][1]["cache_hits"] == 2


def test_a_success_without_a_digest_is_a_success(api: ApiServer, broker: Broker, start) -> None:
    api.pod = pod(terminated=ended(0, message="no digest here"))

    assert start().exit_status() == 0

    assert broker.events[0][1]["status"] == "success"
    assert "image_digest" not in broker.events[0][1]


def test_a_failed_build_is_reported_with_reason_message_and_log(
    api: ApiServer, broker: Broker, start
) -> None:
    api.pod = pod(terminated=ended(1))
    api.log = (
        b"\x1b[36mINFO\x1b[0m[0001] RUN python -m pip install -r requirements.txt\n"
        b"ERROR: No matching distribution found for nope==1\n"
        b"error building image: error building stage: exit status 1\n"
    )

    assert start().exit_status() == 0

    [(headers, data)] = broker.events
    assert headers["ce-type"] == "network.notifi.lambda.build.failed"
    assert data["status"] == "failed"
    assert data["reason"] == "dependency_install"
    assert data["exit_code"] == 1
    assert data["message"] == (
        "the build failed with exit code 1: ERROR: No matching distribution found for nope==1"
    )
    assert data["log_tail"].splitlines()[0] == "INFO[0001] RUN python -m pip install -r requirements.txt"
    assert data["error"] == {
        "type": "dependency_install",
        "message": data["message"],
        "code": "BUILD_FAILED",
        "retryable": True,
    }


def test_an_end_while_watching_is_reported_within_half_a_second(
    api: ApiServer, broker: Broker, start
) -> None:
    monitor = start()
    api.wait_for_reads(15)  # so that the pauses are at their longest
    finished = time.monotonic()
    api.pod = pod(terminated=ended(0, message=DIGEST))

    assert monitor.exit_status() == 0

    assert (
        broker.tries[0] - finished < 0.5 + 0.2
    )  # the allowance is this machine's, under the load of other tests


def test_only_the_pod_and_its_log_are_read(api: ApiServer, broker: Broker, start) -> None:
    api.pod = pod(terminated=ended(1))

    assert start().exit_status() == 0

    assert api.requests == [f"GET {POD_PATH}", f"GET {POD_PATH}/log?container=kaniko&tailLines=100"]


@pytest.mark.parametrize(
    ("env", "state", "reason"),
    [
        pytest.param(
            {"IMAGE_PULL_GRACE_SECONDS": "0.2"},
            {"reason": REFUSED, "message": "no such image"},
            "image_pull",
            id="pull",
        ),
        pytest.param(
            {"START_GRACE_SECONDS": "0.2"},
            {"reason": "CreateContainerConfigError"},
            "never_scheduled",
            id="start",
        ),
    ],
)
def test_a_build_that_does_not_start_is_given_up(
    api: ApiServer, broker: Broker, start, env, state, reason: str
) -> None:
    api.pod = pod(waiting=state)

    assert start(**env).exit_status() == 0

    data = broker.events[0][1]
    assert data["reason"] == reason
    assert state["reason"] in data["message"]
    assert data["exit_code"] is None


def test_running_out_of_memory_is_reported(api: ApiServer, broker: Broker, start) -> None:
    api.pod = pod(terminated=ended(137, reason="OOMKilled"))

    assert start().exit_status() == 0

    assert broker.events[0][1]["reason"] == "oom"


def test_sigterm_at_the_deadline_is_a_failure(api: ApiServer, broker: Broker, start) -> None:
    api.pod = pod(running=RUNNING, age_seconds=1799)
    monitor = start()
    api.wait_for_reads(1)

    api.pod["metadata"]["deletionTimestamp"] = "2026-01-02T03:34:05Z"
    monitor.terminate()

    assert monitor.exit_status() == 0
    data = broker.events[0][1]
    assert (data["reason"], data["error"]["code"]) == ("deadline", "BUILD_TIMEOUT")


def test_a_superseded_build_tells_nothing(api: ApiServer, broker: Broker, start) -> None:
    monitor = start()
    api.wait_for_reads(1)

    api.pod = pod(deleted=True, terminated=ended(143))
    monitor.terminate()

    assert monitor.exit_status() == 0
    assert broker.events == []


def test_a_pod_that_is_gone_tells_nothing(api: ApiServer, broker: Broker, start) -> None:
    monitor = start()
    api.wait_for_reads(1)

    api.pod = None

    assert monitor.exit_status() == 0
    assert broker.events == []


def test_sigterm_for_no_known_reason_ends_soon_and_says_so(api: ApiServer, broker: Broker, start) -> None:
    monitor = start()
    api.wait_for_reads(1)

    monitor.terminate()

    assert monitor.exit_status() == 1
    assert broker.events == []
    assert monitor.records()[-1]["msg"].startswith("told to end while the build was running")


def test_a_repeated_report_has_the_same_id(api: ApiServer, broker: Broker, start) -> None:
    api.pod = pod(terminated=ended(0, message=DIGEST))

    assert [start().exit_status(), start().exit_status()] == [0, 0]

    assert len({headers["ce-id"] for headers, _ in broker.events}) == 1
