"""Connections for objects: kept, replaced when the server let go of them; an answer is whole or none."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from automation.adapters.s3_connections import Connections
from tests.engine_kubernetes.certificates import Certificate


class Server(ThreadingHTTPServer):
    """Answers `/lets-go` and closes the connection without saying so, `/breaks-off` with half its bytes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.peers: list[int] = []
        self.gone = threading.Event()

    def shutdown_request(self, request: object) -> None:
        super().shutdown_request(request)  # type: ignore[arg-type]  # typeshed: a socket or a pair of them
        self.gone.set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.peers.append(self.client_address[1])
        self.send_response(200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"da" if self.path == "/breaks-off" else b"data")
        self.close_connection = self.path != "/stays"

    def do_PUT(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def trusted(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path, "localhost")


@pytest.fixture
def connections(trusted: Certificate) -> Iterator[Connections]:
    made = Connections(str(trusted.file), connect=5, read=5)
    yield made
    made.close()


def got(connections: Connections, url: str) -> tuple[int, str, bytes] | None:
    answer = connections.send("GET", url, {})
    return answer and (answer.status, answer.headers["etag"], answer.body)


def test_a_connection_is_used_again(connections: Connections, server: Server) -> None:
    for _ in range(3):
        found = got(connections, f"http://127.0.0.1:{server.server_port}/stays")
        assert found == (200, '"v1"', b"data")
    assert len(server.peers) == 3
    assert len(set(server.peers)) == 1


def test_a_body_is_sent_whole(connections: Connections, server: Server) -> None:
    for body in (b"{}", b"x" * 1_000_000):
        answer = connections.send("PUT", f"http://127.0.0.1:{server.server_port}/stays", {}, body)
        assert answer is not None
        assert answer.body == body


def test_a_connection_that_the_server_closed_is_replaced_and_nothing_is_lost(
    connections: Connections, server: Server
) -> None:
    url = f"http://127.0.0.1:{server.server_port}/lets-go"
    assert got(connections, url) == (200, '"v1"', b"data")
    assert server.gone.wait(5)
    assert got(connections, url) == (200, '"v1"', b"data")
    assert len(set(server.peers)) == 2


def test_half_an_answer_is_none(connections: Connections, server: Server) -> None:
    assert got(connections, f"http://127.0.0.1:{server.server_port}/breaks-off") is None


def test_a_server_that_is_not_there_gives_no_answer(connections: Connections, server: Server) -> None:
    server.server_close()
    assert got(connections, f"http://127.0.0.1:{server.server_port}/stays") is None


def test_only_a_server_whose_authority_is_trusted_is_talked_to(
    connections: Connections, server: Server, trusted: Certificate, tmp_path: Path
) -> None:
    server.socket = trusted.server().wrap_socket(server.socket, server_side=True)
    url = f"https://localhost:{server.server_port}/stays"
    assert got(connections, url) == (200, '"v1"', b"data")
    strangers = Connections(str(Certificate(tmp_path, "other").file), connect=5, read=5)
    assert got(strangers, url) is None
    strangers.close()
