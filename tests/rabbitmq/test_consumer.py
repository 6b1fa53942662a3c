"""Events straight from RabbitMQ to a subscriber: none is lost, none counts as done that was not."""

import http.server
import json
import os
import signal
import threading

import pytest

from tests.rabbitmq.conftest import ARGS, eventually
from tests.rabbitmq.proxy import Proxy
from tests.rabbitmq.sinks import Sink

pytestmark = pytest.mark.rabbitmq

TYPE = "network.notifi.lambda.job.start"
START = "network.notifi.lambda.parser.start"


@pytest.fixture
def subscriber():
    """A subscriber that answers what it is told to, by the event's id; 200 otherwise."""
    seen, answers, paths, replies = [], {}, [], {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            name = self.headers.get("ce-id") or json.loads(body)["id"]
            status = answers.get(name, [200])
            code = status.pop(0) if len(status) > 1 else status[0]
            self.send_response(code)
            for header, value in replies.get(self.path, {}).items():
                self.send_header(header, value)
            self.send_header("content-length", "0")
            self.end_headers()
            paths.append(self.path)
            seen.append((name, code, dict(self.headers.items()), body))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.seen, server.answers, server.paths, server.replies = seen, answers, paths, replies
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
            "SHUTDOWN_GRACE_SECONDS": "5",
            **changed,
        }
        started.append(Sink({"PATH": os.environ["PATH"], **told}, "service.consumer"))
        return started[-1]

    yield run
    for program in started:
        program.close()


@pytest.fixture
def publish(rabbit, vhost):
    """Publishes an event in binary mode, with a prefix of the AMQP binding's."""

    def send(name, prefix="cloudEvents:", body="{}", **changed):
        attributes = {"id": name, "source": "network.notifi.acme", "specversion": "1.0", "type": TYPE}
        attributes |= changed
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
    first.process.kill()
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
    process = consume().process
    publish("e-1")
    eventually(lambda: subscriber.seen)

    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0


@pytest.fixture
def proxy(rabbit):
    """Between a consumer and RabbitMQ."""
    between = Proxy(rabbit.tls_port)
    yield between
    between.close()


def test_a_function_gets_its_start_event_and_its_reply_is_published(consume, publish, subscriber, look):
    reply = {
        "specversion": "1.0",
        "id": "r-1",
        "source": "f",
        "type": "network.notifi.lambda.parser.complete",
    }
    subscriber.replies["/lambda-acme-greeter"] = {f"ce-{name}": value for name, value in reply.items()}
    consumer = consume(
        SUBSCRIBER_TYPES=f"{START},{reply['type']}",
        FUNCTION_URL=f"http://127.0.0.1:{subscriber.server_port}/{{name}}",
        REPLY_EXCHANGE="cloud-events",
    )
    publish("e-1", type=START, subject="greeter")

    eventually(lambda: sorted(subscriber.paths) == ["/", "/", "/lambda-acme-greeter"])
    assert sorted(name for name, *_ in subscriber.seen) == ["e-1", "e-1", "r-1"]
    eventually(lambda: look[0]() == 0)
    delivered = 'knative_lambda_deliveries_total{outcome="delivered",receiver='
    assert consumer.metric(delivered + '"function"}') == 1
    assert consumer.metric(delivered + '"service"}') == 2


def test_a_function_that_fails_is_a_dead_letter_though_the_service_took_the_event(
    consume, publish, subscriber, look
):
    consume(FUNCTION_URL="http://127.0.0.1:1/{name}", DELIVERY_RETRIES="1")
    publish("e-1", type=START, subject="greeter")

    (letter,) = eventually(lambda: look[1]())

    assert letter["properties"]["headers"]["ce-knativeerrordest"] == "http://127.0.0.1:1/lambda-acme-greeter"
    assert subscriber.paths == ["/"]
    eventually(lambda: look[0]() == 0)


def test_what_nobody_asked_for_is_acknowledged(consume, publish, subscriber, look):
    consumer = consume(SUBSCRIBER_TYPES=START)
    publish("e-1")

    dropped = 'knative_lambda_deliveries_total{outcome="dropped",receiver="nobody"}'
    eventually(lambda: consumer.metric(dropped) == 1)
    eventually(lambda: look[0]() == 0)
    assert subscriber.seen == []


@pytest.mark.parametrize("structured", [False, True])
def test_what_is_posted_comes_out_as_it_went_in(consume, subscriber, look, structured):
    attributes = {"id": "e-1", "source": "network.notifi.acme", "specversion": "1.0", "type": TYPE}
    event = {
        False: {
            "headers": {"content-type": "text/plain", **{f"ce-{k}": v for k, v in attributes.items()}},
            "content": b"caf\xe9",
        },
        True: {
            "headers": {"content-type": "application/cloudevents+json"},
            "content": json.dumps({**attributes, "data": 1}).encode(),
        },
    }[structured]

    answer = consume().client.post("/", **event)

    assert (answer.status_code, answer.content) == (202, b"")
    ((name, _, headers, body),) = eventually(lambda: list(subscriber.seen))
    assert (name, body, headers["content-type"]) == (
        "e-1",
        event["content"],
        event["headers"]["content-type"],
    )
    assert structured or headers["ce-type"] == TYPE


def test_what_is_no_event_is_not_taken(consume):
    answer = consume().client.post("/", content=b"{}")

    assert answer.status_code == 400
    assert "id: missing" in answer.json()["details"][0]


def test_connections_that_are_reset_lose_no_event(consume, publish, subscriber, look, rabbit, vhost, proxy):
    consume(RABBITMQ_URL=f"amqps://127.0.0.1:{proxy.port}/{vhost}")
    names = [f"e-{number}" for number in range(30)]
    for number, name in enumerate(names):
        publish(name)
        if number % 10 == 5:
            eventually(lambda: subscriber.seen)
            proxy.cut()

    eventually(lambda: {name for name, *_ in subscriber.seen} == set(names))
    eventually(lambda: look[0]() == 0)


def test_a_partition_is_noticed_and_what_was_published_meanwhile_comes_after_it(
    consume, publish, subscriber, look, vhost, proxy
):
    consumer = consume(RABBITMQ_URL=f"amqps://127.0.0.1:{proxy.port}/{vhost}")
    eventually(lambda: consumer.client.get("/ready").status_code == 200)
    subscriber.answers["e-0"] = [503, 503, 503, 200]
    publish("e-0")
    eventually(lambda: subscriber.seen)

    proxy.hold()
    publish("e-1")
    eventually(lambda: consumer.client.get("/ready").status_code == 503, seconds=60)
    assert consumer.client.get("/health").status_code == 200
    proxy.release()

    eventually(lambda: {name for name, *_ in subscriber.seen} == {"e-0", "e-1"}, seconds=60)
    eventually(lambda: look[0]() == 0, seconds=60)


def test_a_broker_that_is_restarted_loses_no_event(consume, publish, subscriber, look, rabbit):
    consumer = consume()
    before, after = ([f"{when}-{number}" for number in range(20)] for when in ("before", "after"))
    for name in before:
        subscriber.answers[name] = [503, 503, 200]
        publish(name)
    eventually(lambda: subscriber.seen)

    rabbit.restart()
    for name in after:
        publish(name)

    eventually(lambda: {*before, *after} <= {name for name, code, *_ in subscriber.seen if code == 200}, 60)
    eventually(lambda: look[0]() == 0)
    assert consumer.process.poll() is None
    assert look[1]() == []


def test_a_consumer_that_is_killed_in_the_middle_loses_nothing_and_repeats_little(
    consume, publish, subscriber, look
):
    first = consume(PREFETCH="5")
    names = [f"e-{number}" for number in range(40)]
    for name in names:
        publish(name)
    eventually(lambda: len(subscriber.seen) > 10)
    first.process.kill()
    first.process.wait()

    consume(PREFETCH="5")

    eventually(lambda: {name for name, *_ in subscriber.seen} == set(names))
    eventually(lambda: look[0]() == 0)
    twice = len(subscriber.seen) - len(names)
    assert 0 <= twice <= 5, "at most what was in hand comes again, under the same id"
