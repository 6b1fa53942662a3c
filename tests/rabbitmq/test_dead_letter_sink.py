"""The dead letter sink as a process, over TLS, with a real RabbitMQ behind it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from components.manifests import topology
from tests.rabbitmq.conftest import ARGS, PASSWORD, eventually
from tests.rabbitmq.sinks import ROOT

pytestmark = pytest.mark.rabbitmq

QUEUE = ARGS.dead_letter_queue


@pytest.fixture
def waiting(rabbit, vhost):
    """Looks at the letters that wait, and leaves them."""

    def look():
        asked = {"count": 100, "ackmode": "ack_requeue_true", "encoding": "base64"}
        found = rabbit.call("POST", f"queues/{vhost}/{QUEUE}/get", asked)
        for letter in found:
            letter["properties"]["headers"].pop("x-delivery-count")  # RabbitMQ's own
        return found

    return look


@pytest.fixture
def small_queue(rabbit, vhost, start):
    """A queue of dead letters that is full, and the sink before it."""
    limits = topology.topology(ARGS)["dead-letters-policy"]["spec"]["definition"]
    policy = {"pattern": ".*", "apply-to": "queues", "priority": 99}
    rabbit.call("PUT", f"policies/{vhost}/small", {**policy, "definition": {**limits, "max-length": 1}})

    def fill(sink):
        """Send letters until one is refused; return how many were kept."""
        answers = []
        eventually(lambda: answers.append(sink.post().status_code) or answers[-1] == 503)
        return answers.count(202)

    return fill


def test_a_dead_letter_is_kept_byte_by_byte_with_its_attributes_and_why(start, waiting):
    answer = start().post()

    assert (answer.status_code, answer.content) == (202, b"")
    (letter,) = waiting()
    assert letter["payload"] == "PG5vdC1qc29uPv8="
    assert letter["routing_key"] == "dlq.build.start"
    assert letter["exchange"] == "knative-lambda-dlq"
    properties = letter["properties"]
    assert properties["delivery_mode"] == 2
    assert properties["message_id"] == "e-1"
    assert properties["content_type"] == "text/xml; charset=latin-1"
    assert properties["headers"] == {
        "ce-id": "e-1",
        "ce-source": "network.notifi.acme",
        "ce-specversion": "1.0",
        "ce-type": "network.notifi.lambda.build.start",
        "ce-subject": "café",
        "ce-time": "2026-01-31T12:00:00Z",
        "ce-knativeerrorcode": "503",
        "ce-knativeerrordest": "http://knative-lambda-builder.knative-lambda-dev.svc.cluster.local",
        "ce-traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "content-type": "text/xml; charset=latin-1",
        "x-death-reason": "retry_exhausted",
        "x-death-count": 5,
        "x-original-routing-key": "network.notifi.lambda.build.start",
    }


def test_a_structured_event_is_kept_as_it_is(start, waiting):
    event = {"specversion": "1.0", "id": "e-2", "source": "s", "type": "t", "data": {"a": 1}}
    body = json.dumps(event).encode()

    answer = start().post({"content-type": "application/cloudevents+json"}, body)

    assert answer.status_code == 202
    (letter,) = waiting()
    assert letter["properties"]["content_type"] == "application/cloudevents+json"
    assert set(letter["properties"]["headers"]) == {
        "content-type",
        "x-death-reason",
        "x-death-count",
        "x-original-routing-key",
    }
    assert letter["routing_key"] == "dlq.t"


def test_the_largest_event_that_a_function_takes_finds_room(start, vhost, rabbit):
    sink = start()
    body = os.urandom(10 * 1024 * 1024)

    answers = [sink.post(body=body).status_code for _ in range(3)]

    assert answers == [202] * 3
    most = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{sink.process.pid}/status").read_text())
    assert int(most[1]) < 128 * 1024, "the container's limit"


def test_what_is_no_event_is_refused_with_what_is_missing(start, waiting):
    answer = start().post({"content-type": "application/json"}, b"{}")

    assert answer.status_code == 400
    assert [line.split(":")[0] for line in answer.json()["details"]] == [
        "id",
        "source",
        "specversion",
        "type",
    ]
    assert waiting() == []


def test_a_full_queue_holds_its_sender_up_and_then_sends_it_away(start, small_queue, waiting):
    sink = start()
    kept = small_queue(sink)

    answer = sink.post()

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.elapsed.total_seconds() > 0.3
    assert "no room" in answer.json()["error"]
    assert len(waiting()) == kept


def test_a_letter_waits_for_room(rabbit, vhost, start, small_queue):
    sink = start(PATIENCE_SECONDS="25")
    small_queue(start())
    answers = []
    sending = threading.Thread(target=lambda: answers.append(sink.post().status_code))

    sending.start()
    rabbit.call("DELETE", f"queues/{vhost}/{QUEUE}/contents")
    sending.join(20)

    assert answers == [202]


def test_a_connection_that_breaks_costs_no_letter(rabbit, vhost, start, waiting):
    sink = start(PATIENCE_SECONDS="20")
    assert sink.post().status_code == 202
    connections = eventually(
        lambda: [found["name"] for found in rabbit.call("GET", "connections") if found["vhost"] == vhost]
    )

    for name in connections:
        rabbit.call("DELETE", f"connections/{name.replace(' ', '%20').replace('>', '%3E')}")

    assert sink.post().status_code == 202
    assert len(waiting()) == 2


def test_credentials_may_change_under_way(rabbit, start, tmp_path):
    sink = start()
    (tmp_path / "password").write_text("changed")
    rabbit.call("PUT", f"users/{topology.HANDLER_USER}", {"password": "changed", "tags": ""})

    try:
        assert sink.post().status_code == 202
    finally:
        rabbit.call("PUT", f"users/{topology.HANDLER_USER}", {"password": PASSWORD, "tags": ""})


def test_readiness_says_what_is_wrong_and_liveness_does_not_care(start):
    sink = start(RABBITMQ_URL="amqp://127.0.0.1:9", PATIENCE_SECONDS="0")

    ready = sink.client.get("/ready")

    assert ready.status_code == 503
    assert "Connection" in ready.json()["dependencies"]["rabbitmq"]
    assert sink.client.get("/health").status_code == 200
    assert sink.post().status_code == 503


def test_it_is_not_ready_before_its_queue_is_there(rabbit, vhost, start):
    rabbit.call("DELETE", f"queues/{vhost}/{QUEUE}")
    sink = start()

    assert sink.client.get("/ready").status_code == 503
    assert sink.post().status_code == 503


def test_a_server_that_nobody_vouches_for_gets_no_letter(start):
    sink = start(RABBITMQ_CA_FILE="", PATIENCE_SECONDS="0")

    assert "CERTIFICATE_VERIFY_FAILED" in sink.client.get("/ready").json()["dependencies"]["rabbitmq"]
    assert sink.post().status_code == 503


def test_its_metrics_tell_of_letters_and_their_depth(start):
    sink = start()
    assert sink.client.get("/ready").json() == {
        "ready": True,
        "dependencies": {"rabbitmq": "ok"},
        "version": sink.client.get("/health").json()["version"],
    }

    sink.post()

    assert sink.metric('dlq_messages_total{reason="retry_exhausted"}') == 1
    assert sink.metric('dlq_messages_total{reason="rejected"}') == 0
    assert eventually(lambda: sink.metric("dlq_depth_gauge") == 1)
    assert sink.metric("dlq_message_age_seconds_count") == 1


def test_it_ends_when_it_is_asked_to(start):
    sink = start()

    sink.process.send_signal(signal.SIGTERM)

    assert sink.process.wait(20) == 0


def test_all_wrong_settings_are_told_at_once(variables):
    wrong = {**variables, "RABBITMQ_URL": "http://x", "DLQ_NAME": "", "IN_FLIGHT_BYTES": "0"}

    ended = subprocess.run(
        [sys.executable, "-m", "service.dead_letters"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **wrong},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert ended.returncode == 2
    assert [line.split(":")[0] for line in ended.stderr.splitlines()[1:]] == [
        "- RABBITMQ_URL",
        "- DLQ_NAME",
        "- IN_FLIGHT_BYTES",
    ]
