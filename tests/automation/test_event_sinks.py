"""The sink over HTTP, and the breaker in front of it."""

import http.server
import json
import threading

import pytest

from automation.adapters.event_sinks import HttpSink
from automation.errors import DependencyUnavailable
from automation.outbox.breaker import Breaker, Patience
from automation.outbox.messages import Message
from automation.outbox.sinks import EventRefused, Guarded

MESSAGE = Message(body=b'{"id":"1"}', content_type="application/cloudevents+json")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.client_address, self.headers["content-type"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.got, server.status = [], 202
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def sink(server):
    sink = HttpSink(f"http://127.0.0.1:{server.server_address[1]}/broker", 5)
    yield sink
    sink.close()


def test_events_go_over_one_connection_in_structured_mode(server, sink):
    for _ in range(3):
        sink.send(MESSAGE)

    assert [(kind, body) for _, kind, body in server.got] == [(MESSAGE.content_type, {"id": "1"})] * 3
    assert len({client for client, _, _ in server.got}) == 1


@pytest.mark.parametrize("status", [301, 401, 404, 429, 500, 503])
def test_what_may_change_is_worth_another_try(server, sink, status):
    server.status = status

    with pytest.raises(DependencyUnavailable, match=str(status)):
        sink.send(MESSAGE)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_an_event_that_is_wrong_itself_is_not(server, sink, status):
    server.status = status

    with pytest.raises(EventRefused, match=str(status)):
        sink.send(MESSAGE)


def test_nobody_there_is_worth_another_try(server, sink):
    server.shutdown()
    server.server_close()

    with pytest.raises(DependencyUnavailable, match="did not answer"):
        sink.send(MESSAGE)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_sink_that_fails_in_a_row_is_left_alone_and_then_tried_once(server, sink):
    clock = Clock()
    guarded = Guarded(sink, Breaker(Patience(failures=5, open_seconds=60), clock))
    server.status = 503
    for _ in range(8):
        with pytest.raises(DependencyUnavailable):
            guarded.send(MESSAGE)
    assert len(server.got) == 5

    clock.now = 60.0
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            guarded.send(MESSAGE)
    assert len(server.got) == 6

    clock.now, server.status = 121.0, 202
    for _ in range(2):
        guarded.send(MESSAGE)
    assert len(server.got) == 8
    assert not guarded.breaker.is_open
