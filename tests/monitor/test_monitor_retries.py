"""A monitor beside an API server and a broker that fail: nothing is lost, both get time to recover."""

from pathlib import Path

import pytest
from build_pod import DIGEST, RUNNING, ApiServer, Broker, ended, pod

from monitor.kubernetes import ApiUnavailable, PodReader


def test_the_api_server_is_asked_again_until_it_answers(api: ApiServer, broker: Broker, start) -> None:
    api.failures = [500, 503, 403, 429]
    api.pod = pod(terminated=ended(0, message=DIGEST))

    assert start().exit_status() == 0

    assert len(broker.events) == 1


def test_sigterm_ends_the_wait_for_an_api_server_that_never_answers(
    api: ApiServer, broker: Broker, start
) -> None:
    api.failures = [503] * 1000
    monitor = start()
    api.wait_for_reads(2)

    monitor.terminate()

    assert monitor.exit_status() == 1
    assert [record["error"] for record in monitor.records() if record["msg"] == "the pod cannot be read"]


def test_an_api_server_that_is_not_there_is_worth_another_try() -> None:
    reader = PodReader("http://127.0.0.1:1", namespace="n", name="p", token_file="", ca_file="")

    with pytest.raises(ApiUnavailable, match="ConnectionRefusedError"):
        reader.pod()


def test_the_token_is_read_again_when_it_was_renewed(
    api: ApiServer, broker: Broker, start, token_file: Path
) -> None:
    monitor = start()
    api.wait_for_reads(1)

    api.token = "secret-2"
    token_file.write_text("secret-2")
    api.pod = pod(terminated=ended(0, message=DIGEST))

    assert monitor.exit_status() == 0
    assert len(broker.events) == 1


def test_the_event_is_sent_again_until_the_broker_takes_it(api: ApiServer, broker: Broker, start) -> None:
    broker.failures = [(503, {}), (500, {}), (429, {"Retry-After": "1"}), (404, {})]
    api.pod = pod(terminated=ended(0, message=DIGEST))

    monitor = start()
    assert monitor.exit_status() == 0

    assert len(broker.tries) == 5
    assert len(broker.events) == 1
    assert broker.tries[3] - broker.tries[2] >= 0.99  # Retry-After was honoured
    assert monitor.records()[-1]["tries"] == 5


def test_a_refusal_is_an_error_in_the_log_and_sigterm_brings_one_last_try(
    api: ApiServer, broker: Broker, start
) -> None:
    broker.failures = [(400, {})]
    api.pod = pod(terminated=ended(0, message=DIGEST))
    monitor = start()
    broker.wait_for_tries(1)

    monitor.terminate()

    assert monitor.exit_status() == 0
    assert len(broker.events) == 1
    [refusal] = [record for record in monitor.records() if record["level"] == "error"]
    assert (refusal["status"], refusal["error"]) == (400, "not now")
    assert refusal["pause_s"] >= 15


def test_an_undelivered_event_fails_the_pod(api: ApiServer, broker: Broker, start) -> None:
    broker.failures = [(503, {"Retry-After": "30"})] * 100
    api.pod = pod(terminated=ended(0, message=DIGEST))
    monitor = start()
    broker.wait_for_tries(1)

    monitor.terminate()

    assert monitor.exit_status() == 1
    assert len(broker.tries) == 2


def test_a_failure_is_reported_even_when_its_log_cannot_be_had(api: ApiServer, broker: Broker, start) -> None:
    api.pod, api.log = pod(terminated=ended(2)), None

    assert start().exit_status() == 0

    data = broker.events[0][1]
    assert (data["reason"], data["log_tail"], data["exit_code"]) == ("error", "", 2)


def test_all_wrong_settings_are_reported_at_once(start) -> None:
    monitor = start(THIRD_PARTY_ID="", POD_NAME="", BROKER_URL="nope", BUILD_DEADLINE_SECONDS="soon")

    assert monitor.exit_status() == 1
    message = monitor.records()[-1]["msg"]
    for name in ("THIRD_PARTY_ID", "POD_NAME", "BROKER_URL", "BUILD_DEADLINE_SECONDS"):
        assert name in message


@pytest.mark.parametrize(
    "log", [b"", b"x" * 100 * 1024 * 1024], ids=["no log", "a log of 100 MiB without a line end"]
)
def test_the_monitor_stays_within_40_mib(api: ApiServer, broker: Broker, start, log: bytes) -> None:
    api.pod, api.log = pod(running=RUNNING), log
    broker.failures = [(503, {"Retry-After": "30"})]
    monitor = start()
    api.wait_for_reads(3)
    api.pod = pod(terminated=ended(1))
    broker.wait_for_tries(1)

    assert monitor.peak_memory_mib() < 40
