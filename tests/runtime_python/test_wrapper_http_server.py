"""The server's sockets: connections, slow peers, refusals, and the routes beside POST /."""

import socket
import threading
import time

import pytest
from wrapper_process import PATIENCE_SECONDS, Function

from runtimes.python.wrapper.http11 import Request, Response
from runtimes.python.wrapper.server import Connection, Limits, Server

EVENT = (
    b"POST / HTTP/1.1\r\nHost: f\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    b"Ce-Id: 1\r\nCe-Source: s\r\nCe-Type: t\r\nCe-Specversion: 1.0\r\n\r\n{}"
)


@pytest.mark.parametrize("path", ["/health", "/healthz", "/ready", "/readyz"])
def test_health_is_answered(echo: Function, path: str) -> None:
    reply = echo.request("GET", path)

    assert (reply.status, reply.data) == (200, {"status": "healthy"})
    assert echo.request("HEAD", path).body == b""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 405),
        ("PUT", "/", 405),
        ("POST", "/health", 405),
        ("POST", "/other", 404),
        ("GET", "/x", 404),
    ],
)
def test_other_routes_are_refused(echo: Function, method: str, path: str, status: int) -> None:
    reply = echo.request(method, path)

    assert reply.status == status
    assert reply.data["error"]


def test_metrics_are_in_the_text_format(echo: Function) -> None:
    echo.send({})

    reply = echo.request("GET", "/metrics")

    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {}
    for line in reply.body.decode().splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    labels = 'function="lambda-acme-p1",namespace="knative-lambda-local"'
    count = samples[f'knative_lambda_function_duration_seconds_count{{{labels},status="success"}}']
    assert count >= 1
    assert (
        samples[f'knative_lambda_function_duration_seconds_bucket{{{labels},status="success",le="+Inf"}}']
        == count
    )
    assert samples[f'knative_lambda_function_invocations_total{{{labels},status="success"}}'] == count
    assert samples[f"knative_lambda_function_in_flight{{{labels}}}"] == 0
    assert samples[f"knative_lambda_function_cold_starts_total{{{labels}}}"] == 1
    assert 0 < samples[f"knative_lambda_function_cold_start_seconds{{{labels}}}"] < 20


def test_a_connection_serves_many_requests_in_order(echo: Function) -> None:
    answers = echo.raw(EVENT * 3 + b"GET /health HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n")

    assert answers.count(b"HTTP/1.1 200 OK") == 4
    assert answers.endswith(b'{"status":"healthy"}')


def test_a_chunked_event_is_taken(echo: Function) -> None:
    answer = echo.raw(
        EVENT.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked").removesuffix(b"{}")
        + b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n'
    )

    assert b'"data":{"a":1}' in answer


def test_a_peer_that_asks_first_is_told_to_go_on(echo: Function) -> None:
    with socket.create_connection(("127.0.0.1", echo.port), timeout=PATIENCE_SECONDS) as sock:
        sock.sendall(EVENT.replace(b"Host", b"Expect: 100-continue\r\nHost").removesuffix(b"{}"))
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_a_refused_request_is_answered_and_its_connection_closed(echo: Function) -> None:
    answer = echo.raw(b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" + EVENT)

    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert answer.endswith(b"the header content-length is given twice\n")


def test_a_body_over_the_limit_is_refused_before_it_is_sent(run) -> None:
    function = run("def handler(event): return 1", MAX_BODY_BYTES="1000")

    assert function.send("x" * 2000).status == 413
    assert function.send("x" * 900).status == 200


@pytest.fixture
def serve():
    """Run a server in this process; the limits are the test's."""
    servers: list[tuple[Server, threading.Thread]] = []

    def start(application=lambda request, connection: Response(200), **limits: float) -> Server:
        server = Server(application, host="127.0.0.1", port=0, limits=Limits(**limits))
        thread = threading.Thread(target=server.serve)
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.stop()
        thread.join(PATIENCE_SECONDS)
        assert server.drain(PATIENCE_SECONDS)
        server.close()


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)


def test_a_silent_peer_is_let_go(serve) -> None:
    server = serve(idle_seconds=0.1)

    with connect(server) as sock:
        assert sock.recv(1) == b""


@pytest.mark.parametrize(
    ("sent", "phase"),
    [(b"GET / HT", b"head"), (b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 9\r\n\r\na", b"body")],
)
def test_a_slow_request_is_given_up(serve, sent: bytes, phase: bytes) -> None:
    server = serve(head_seconds=0.1, body_seconds=0.1)

    with connect(server) as sock:
        sock.sendall(sent)
        answer = sock.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout")
    assert phase in answer


def test_a_trickle_of_bytes_wins_no_time(serve) -> None:
    server = serve(head_seconds=0.3)
    deadline = time.monotonic() + PATIENCE_SECONDS

    with connect(server) as sock:
        sock.settimeout(0.02)
        answer = b""
        while not answer and time.monotonic() < deadline:
            sock.sendall(b"G")
            try:
                answer = sock.recv(1000)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_full_house_is_said_at_once(serve) -> None:
    server = serve(max_connections=1)

    with connect(server) as first:
        first.sendall(b"GET / HTTP/1.1\r\nHost: f\r\n\r\n")
        assert first.recv(1000).startswith(b"HTTP/1.1 200")
        with connect(server) as second:
            answer = second.recv(1000)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: 1" in answer


def test_a_peer_that_leaves_disturbs_nobody(serve) -> None:
    entered, release = threading.Event(), threading.Event()

    def application(request: Request, connection: Connection) -> Response:
        entered.set()
        release.wait(PATIENCE_SECONDS)
        return Response(200, (), b"x" * 10_000_000 if request.path == "/big" else b"ok")

    server = serve(application)
    with connect(server) as leaving:
        leaving.sendall(b"GET /big HTTP/1.1\r\nHost: f\r\n\r\n")
        assert entered.wait(PATIENCE_SECONDS)
    release.set()

    with connect(server) as staying:
        staying.sendall(b"GET / HTTP/1.1\r\nHost: f\r\n\r\n")
        assert staying.recv(1000).endswith(b"ok")


def test_a_connection_made_before_the_stop_is_served(serve) -> None:
    entered, release = threading.Event(), threading.Event()

    def application(request: Request, connection: Connection) -> Response:
        entered.set()
        release.wait(PATIENCE_SECONDS)
        return Response(200, (), b"late")

    server = serve(application)
    with connect(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: f\r\n\r\n")
        assert entered.wait(PATIENCE_SECONDS)
        server.stop()
        assert not server.drain(0.05)
        release.set()
        assert sock.recv(1000).endswith(b"late")
    assert server.drain(PATIENCE_SECONDS)
