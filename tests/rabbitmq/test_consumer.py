"""Events straight from RabbitMQ to a subscriber: none is lost, none counts as done that was not."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.rabbitmq.conftest import ARGS, eventually
from tests.rabbitmq.sinks import ROOT

pytestmark = pytest.mark.rabbitmq

TYPE = "network.notifi.lambda.job.start"


@pytest.fixture
def subscriber():
    """A subscriber that answers what it is told to, by the event's id; 200 otherwise."""
    seen, answers = [], {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            name = self.headers.get("ce-id") or json.loads(body)["id"]
            status = answers.get(name, [200])
            code = status.pop(0) if len(status) > 1 else status[0]
            self.send_response(code)
            self.send_header("content-length", "0")
            self.end_headers()
            seen.append((name, code, dict(self.headers.items()), body))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.seen, server.answers = seen, answers
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def consume(variables, rabbit, vhost, subscriber, tmp_path):
    """Starts consumers; they are guest, who may read events."""
    started = []
    for name in ("username", "password"):
        (tmp_path / f"guest-{name}").write_text("guest")

    def run(**changed):
        told = {
            **variables,
            "RABBITMQ_USERNAME_FILE": str(tmp_path / "guest-username"),
            "RABBITMQ_PASSWORD_FILE": str(tmp_path / "guest-password"),
            "EVENTS_QUEUE": ARGS.events_queue,
            "SUBSCRIBER_URL": f"http://127.0.0.1:{subscriber.server_port}/",
            "DELIVERY_FIRST_WAIT_SECONDS": "0.05",
            **changed,
        }
        command = [sys.executable, "-m", "service.consumer"]
        started.append(subprocess.Popen(command, cwd=ROOT, env={"PATH": os.environ["PATH"], **told}))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def publish(rabbit, vhost):
    """Publishes an event in binary mode, with a prefix of the AMQP binding's."""

    def send(name, prefix="cloudEvents:", body="{}"):
        attributes = {"id": name, "source": "network.notifi.acme", "specversion": "1.0", "type": TYPE}
        headers = {prefix + key: value for key, value in attributes.items()}
        properties = {"delivery_mode": 2, "content_type": "application/json", "headers": headers}
        message = {
            "routing_key": TYPE,
            "payload": body,
            "payload_encoding": "string",
            "properties": properties,
        }
        assert rabbit.call("POST", f"exchanges/{vhost}/cloud-events/publish", message)["routed"]

    return send


@pytest.fixture
def look(rabbit, vhost):
    """How many events are in the queue, in hand or not; and the letters."""

    def events():
        return rabbit.call("GET", f"queues/{vhost}/{ARGS.events_queue}").get("messages")

    def letters():
        asked = {"count": 100, "ackmode": "ack_requeue_true", "encoding": "auto"}
        return rabbit.call("POST", f"queues/{vhost}/{ARGS.dead_letter_queue}/get", asked)

    return events, letters


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-"])
def test_an_event_comes_as_it_would_from_a_broker(consume, publish, subscriber, look, prefix):
    consume()
    publish("e-1", prefix, '{"a": 1}')

    (name, _, headers, body) = eventually(lambda: list(subscriber.seen))[0]

    assert (name, headers["ce-type"], headers["content-type"], body) == (
        "e-1",
        TYPE,
        "application/json",
        b'{"a": 1}',
    )
    eventually(lambda: look[0]() == 0)


def test_what_fails_for_now_is_delivered_again_and_what_fails_for_good_is_a_dead_letter(
    consume, publish, subscriber, look
):
    subscriber.answers.update({"later": [503, 429, 200], "bad": [400], "never": [500]})
    consume(DELIVERY_RETRIES="3")
    for name in ("later", "bad", "never"):
        publish(name)

    letters = eventually(lambda: len(found := look[1]()) == 2 and found)

    codes = {name: [code for who, code, *_ in subscriber.seen if who == name] for name in subscriber.answers}
    assert codes == {"later": [503, 429, 200], "bad": [400], "never": [500] * 4}
    reasons = {one["properties"]["headers"]["ce-id"]: one["properties"]["headers"] for one in letters}
    assert {name: headers["x-death-reason"] for name, headers in reasons.items()} == {
        "bad": "rejected",
        "never": "retry_exhausted",
    }
    assert reasons["bad"]["ce-knativeerrorcode"] == "400"
    eventually(lambda: look[0]() == 0)


def test_connections_that_break_while_events_flow_lose_none(
    consume, publish, subscriber, look, rabbit, vhost
):
    consume()
    names = [f"e-{number}" for number in range(60)]
    for number, name in enumerate(names):
        publish(name)
        if number % 20 == 10:
            for one in rabbit.call("GET", "connections"):
                if one["vhost"] == vhost and one["user"] == "guest":
                    rabbit.call(
                        "DELETE", f"connections/{one['name'].replace(' ', '%20').replace('>', '%3E')}"
                    )

    eventually(lambda: {name for name, *_ in subscriber.seen} == set(names))
    eventually(lambda: look[0]() == 0)


def test_a_consumer_that_is_killed_leaves_its_events_to_the_next(consume, publish, subscriber, look):
    subscriber.answers["e-1"] = [503]
    first = consume(DELIVERY_FIRST_WAIT_SECONDS="60")
    publish("e-1")
    eventually(lambda: subscriber.seen)
    first.kill()
    subscriber.answers["e-1"] = [200]

    consume()

    eventually(lambda: [code for _, code, *_ in subscriber.seen][-1] == 200)
    eventually(lambda: look[0]() == 0)


def test_a_dead_letter_that_cannot_be_kept_is_not_acknowledged(
    consume, publish, subscriber, look, rabbit, vhost
):
    subscriber.answers["bad"] = [400]
    bindings = f"bindings/{vhost}/e/knative-lambda-dlq/q/{ARGS.dead_letter_queue}"
    (bound,) = rabbit.call("GET", bindings)
    rabbit.call("DELETE", f"{bindings}/{bound['properties_key'].replace('#', '%23')}")
    consume()
    publish("bad")
    eventually(lambda: subscriber.seen)
    assert eventually(lambda: look[0]() == 1)

    rabbit.call("POST", bindings, {"routing_key": "dlq.#"})

    eventually(lambda: len(look[1]()) == 1)
    eventually(lambda: look[0]() == 0)


def test_it_ends_when_it_is_asked_to(consume, publish, subscriber):
    process = consume()
    publish("e-1")
    eventually(lambda: subscriber.seen)

    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
