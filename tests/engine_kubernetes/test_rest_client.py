"""The REST client against a small HTTP server: retries, errors, credentials, watches, connections."""

import queue
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.kubernetes.config import Connection, RotatingHeader, Source, connect
from engine.kubernetes.rest import (
    AlreadyExists,
    ApiError,
    Client,
    Conflict,
    Gone,
    Invalid,
    NotFound,
    Unreachable,
)
from engine.kubernetes.retries import READ_RETRIES

from .tinyserver import Answer, TinyServer, status


@pytest.fixture
def client(server):
    client = Client(lambda: Connection(url=server.url, namespace="default"))
    yield client
    client.close()


def test_a_throttled_request_is_sent_again_after_the_time_told(client, server):
    server.answers = [Answer(429, {}, {"Retry-After": "1"}), Answer(200, {"ok": True})]
    started = time.monotonic()

    assert client.create("/api/v1/namespaces", {"kind": "Namespace"}) == {"ok": True}
    assert time.monotonic() - started >= 1
    assert [request.body for request in server.requests] == [{"kind": "Namespace"}] * 2


def test_throttling_without_a_time_is_met_with_growing_pauses(client, server):
    server.answers = [Answer(429, {}), Answer(429, {}), Answer(200, {"ok": True})]

    assert client.get("/version") == {"ok": True}
    assert len(server.requests) == 3


def test_endless_throttling_ends_in_an_error(client, server, monkeypatch):
    monkeypatch.setattr("engine.kubernetes.retries.THROTTLED_SECONDS", 0.3)
    server.handler = lambda request: status(429, "TooManyRequests", "slow down")

    with pytest.raises(ApiError, match="slow down"):
        client.get("/version")


CALLS = {
    "GET": lambda client: client.get("/version"),
    "POST": lambda client: client.create("/api/v1/namespaces", {}),
    "PUT": lambda client: client.replace("/api/v1/namespaces/a", {}),
    "PATCH": lambda client: client.patch("/api/v1/namespaces/a", {}, "apply", fieldManager="m"),
    "DELETE": lambda client: client.delete("/api/v1/namespaces/a", {}),
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("code", [429, 503])
def test_every_request_is_sent_again_where_the_server_did_nothing(client, server, method, code):
    server.answers = [Answer(code, {}, {"Retry-After": "0"}), Answer(200, {"ok": True})]

    assert CALLS[method](client) == {"ok": True}
    assert [request.method for request in server.requests] == [method] * 2


@pytest.mark.parametrize("method", CALLS)
def test_a_server_error_is_met_again_only_by_reads(client, server, method):
    server.answers = [status(500, "InternalError", "etcd is gone"), Answer(200, {"ok": True})]

    if method == "GET":
        assert CALLS[method](client) == {"ok": True}
    else:
        with pytest.raises(ApiError, match="etcd is gone"):
            CALLS[method](client)
    assert len(server.requests) == (2 if method == "GET" else 1)


@pytest.mark.parametrize("method", CALLS)
def test_an_error_that_asks_for_another_try_gets_it_from_all_but_creates(client, server, method):
    again = Answer(504, {"message": "too slow"}, {"Retry-After": "0"})
    server.answers = [again, Answer(200, {"ok": True})]

    if method == "POST":
        with pytest.raises(ApiError, match="too slow"):
            CALLS[method](client)
    else:
        assert CALLS[method](client) == {"ok": True}


def test_reads_of_a_server_that_stays_broken_end_in_its_error(client, server):
    server.handler = lambda request: status(500, "InternalError", "etcd is gone")

    with pytest.raises(ApiError, match="etcd is gone"):
        client.get("/version")
    assert len(server.requests) == 1 + READ_RETRIES


def hanging(server, monkeypatch, seconds=0.4, doubtful=0.1):
    """Let the server answer nothing until the returned event is set."""
    monkeypatch.setattr("engine.kubernetes.transport.READ_TIMEOUT_SECONDS", seconds)
    monkeypatch.setattr("engine.kubernetes.transport.DOUBTFUL_SECONDS", doubtful)
    going = threading.Event()

    def answer(request):
        going.wait(10)
        return Answer(200, {"ok": True})

    server.handler = answer
    return going


@pytest.mark.parametrize("method", CALLS)
def test_a_server_that_hangs_is_given_up(client, server, monkeypatch, method):
    going = hanging(server, monkeypatch)

    started = time.monotonic()
    with pytest.raises(Unreachable, match="no answer from the API server"):
        CALLS[method](client)
    assert time.monotonic() - started < 5
    going.set()


def test_a_server_that_hangs_costs_one_long_wait_and_then_short_ones(client, server, monkeypatch):
    going = hanging(server, monkeypatch, seconds=1.0, doubtful=0.05)
    waits = []
    for _ in range(4):
        started = time.monotonic()
        with pytest.raises(Unreachable):
            client.get("/version")
        waits.append(time.monotonic() - started)
    going.set()

    assert waits[0] >= 1.0
    assert max(waits[1:]) < 0.9
    assert client.get("/version") == {"ok": True}


def test_a_timeout_of_the_configuration_holds_for_every_request(server, monkeypatch):
    going = hanging(server, monkeypatch, seconds=60.0)
    source = Source(kubeconfig=server.kubeconfig(), timeout_seconds=0.2)
    client = Client(lambda: connect(source))

    with pytest.raises(Unreachable):
        client.get("/version")
    going.set()
    client.close()


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        pytest.param(404, "NotFound", NotFound, id="not found"),
        pytest.param(409, "Conflict", Conflict, id="conflict"),
        pytest.param(409, "AlreadyExists", AlreadyExists, id="already exists"),
        pytest.param(410, "Expired", Gone, id="gone"),
        pytest.param(422, "Invalid", Invalid, id="invalid"),
    ],
)
def test_failures_are_typed_and_keep_the_servers_words(client, server, code, reason, expected):
    causes = [{"field": "spec.replicas", "message": "is wrong"}]
    server.answers = [status(code, reason, "the server's words", causes=causes)]

    with pytest.raises(expected, match="the server's words") as caught:
        client.get("/api/v1/pods")
    assert (caught.value.code, caught.value.reason, caught.value.causes) == (code, reason, tuple(causes))


def test_a_failure_that_is_no_status_object_is_cut_short(client, server):
    server.answers = [Answer(502, "bad gateway " * 100)]

    with pytest.raises(ApiError) as caught:
        client.get("/version")
    assert len(str(caught.value)) <= 256


def test_credentials_are_read_again_after_a_refusal(server):
    tokens = iter(["Bearer old", "Bearer new"])
    made = []

    def connect():
        token = next(tokens)
        made.append(token)
        return Connection(url=server.url, namespace="default", authorization=lambda: token)

    server.handler = lambda request: (
        Answer(200, {"ok": True})
        if request.headers["Authorization"] == "Bearer new"
        else status(401, "Unauthorized", "who are you")
    )
    client = Client(connect)

    assert client.get("/version") == {"ok": True}
    assert client.get("/version") == {"ok": True}
    assert made == ["Bearer old", "Bearer new"]
    client.close()


def test_many_refused_threads_renew_the_credentials_once(server):
    """All sixteen requests are refused before the first thread reads the new credentials."""
    together, made = threading.Barrier(16), []

    def connect():
        made.append(f"Bearer {len(made)}")
        token = made[-1]
        return Connection(url=server.url, namespace="default", authorization=lambda: token)

    def answer(request):
        if request.headers["Authorization"] != "Bearer 0":
            return Answer(200, {"ok": True})
        together.wait(timeout=10)
        return status(401, "Unauthorized", "expired")

    server.handler = answer
    client = Client(connect)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(client.get, ["/version"] * 16))
    client.close()

    assert answers == [{"ok": True}] * 16
    assert made == ["Bearer 0", "Bearer 1"]


def test_a_refusal_that_lasts_is_an_error(client, server):
    server.handler = lambda request: status(401, "Unauthorized", "who are you")

    with pytest.raises(ApiError, match="who are you"):
        client.get("/version")
    assert len(server.requests) == 2


def test_a_rotated_token_file_is_used_once_its_life_is_over(server, tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    header = RotatingHeader(lambda: f"Bearer {file.read_text().strip()}", life_seconds=0)
    client = Client(lambda: Connection(url=server.url, namespace="default", authorization=header))
    server.handler = lambda request: Answer(200, {})
    client.get("/version")
    file.write_text("second")
    client.get("/version")
    client.close()

    assert [request.headers["Authorization"] for request in server.requests] == [
        "Bearer first",
        "Bearer second",
    ]


def test_a_token_is_not_asked_for_with_every_request():
    answers = iter(["Bearer first", "Bearer second"])
    header = RotatingHeader(lambda: next(answers))

    assert [header(), header()] == ["Bearer first", "Bearer first"]


def test_a_token_that_could_not_be_had_is_asked_for_again():
    answers = iter([OSError("no such file"), "Bearer second"])

    def ask():
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    header = RotatingHeader(ask)
    with pytest.raises(OSError, match="no such file"):
        header()

    assert header() == "Bearer second"


def test_requests_one_after_the_other_share_a_connection(client, server):
    server.handler = lambda request: Answer(200, {"ok": True})
    for _ in range(5):
        client.get("/version")

    assert server.connections == 1


def test_many_threads_use_the_client_at_once(client, server):
    server.handler = lambda request: Answer(200, {"path": request.path})
    paths = [f"/api/v1/namespaces/n{index}" for index in range(100)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(client.get, paths))

    assert [answer["path"] for answer in answers] == paths
    assert server.connections <= 20


def test_the_path_of_the_servers_address_goes_before_every_request(server):
    client = Client(lambda: Connection(url=f"{server.url}/clusters/one/", namespace="default"))
    server.answers = [Answer(200, {})]
    client.get("/api/v1/pods")
    client.close()

    assert server.requests[0].path == "/clusters/one/api/v1/pods"


def test_an_address_where_nobody_listens_is_unreachable():
    client = Client(lambda: Connection(url="http://127.0.0.1:1", namespace="default"))

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        client.create("/api/v1/namespaces", {})


def test_a_closed_client_sends_nothing(client, server):
    client.close()

    with pytest.raises(Unreachable, match="closed"):
        client.get("/version")
    assert server.requests == []


def test_a_watch_hands_events_on_as_they_come(client, server):
    lines = queue.Queue()
    server.answers = [Answer(stream=lines)]
    events = client.watch("/api/v1/pods", "41", seconds=10, fields="metadata.name=a")
    lines.put({"type": "MODIFIED", "object": {"metadata": {"resourceVersion": "42"}}})

    assert next(events) == ("MODIFIED", {"metadata": {"resourceVersion": "42"}})
    lines.put({"type": "DELETED", "object": {}})
    assert next(events) == ("DELETED", {})
    lines.put(None)
    assert list(events) == []
    assert server.requests[0].query == {
        "watch": "1",
        "resourceVersion": "41",
        "timeoutSeconds": "10",
        "fieldSelector": "metadata.name=a",
    }


def test_a_watch_from_too_old_a_version_says_so(client, server):
    lines = queue.Queue()
    lines.put(
        {
            "type": "ERROR",
            "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"},
        }
    )
    lines.put(None)
    server.answers = [Answer(stream=lines)]

    with pytest.raises(Gone, match="too old"):
        list(client.watch("/api/v1/pods", "1", seconds=10))


def test_a_watch_that_is_cut_in_the_middle_of_a_line_has_no_answer_any_more(client, server):
    lines = queue.Queue()
    for line in ({"type": "ADDED", "object": {}}, b'{"type": "MOD', None):
        lines.put(line)
    server.answers = [Answer(stream=lines)]
    events = client.watch("/api/v1/pods", "1", seconds=10)

    assert next(events) == ("ADDED", {})
    with pytest.raises(Unreachable, match="the watch of /api/v1/pods broke"):
        next(events)


def test_a_watch_that_is_left_early_closes_its_connection(client, server):
    lines = queue.Queue()
    lines.put({"type": "ADDED", "object": {}})
    server.answers = [Answer(stream=lines)]
    events = client.watch("/api/v1/pods", "1", seconds=10)
    next(events)
    events.close()
    lines.put(None)
    server.handler = lambda request: Answer(200, {"ok": True})

    assert client.get("/version") == {"ok": True}
    assert server.connections == 2


def test_a_connection_that_breaks_does_not_repeat_a_create(server):
    """The server closes without an answer: the object may exist, so only reads are sent again."""
    seen = threading.Semaphore(0)

    def drop(request):
        seen.release()
        raise ConnectionAbortedError

    server.handler = drop
    server._server.handle_error = lambda *arguments: None
    client = Client(lambda: Connection(url=server.url, namespace="default"))
    with pytest.raises(Unreachable):
        client.create("/api/v1/namespaces", {})
    assert len(server.requests) == 1
    with pytest.raises(Unreachable):
        client.get("/version")
    assert len(server.requests) == 3
    client.close()


def test_a_request_leaves_in_one_piece_over_tls(localhost, monkeypatch):
    sent: list[bytes] = []
    send = ssl.SSLSocket.sendall

    def counted(connection, data, flags=0):
        if not connection.server_side:
            sent.append(data)
        send(connection, data, flags)

    monkeypatch.setattr("ssl.SSLSocket.sendall", counted)
    with TinyServer(localhost.server()) as server:
        server.handler = lambda request: Answer(200, request.body)
        tls = ssl.create_default_context(cadata=localhost.pem.decode())
        client = Client(lambda: Connection(url=server.url, namespace="default", tls=tls))
        answers = [client.create("/api/v1/namespaces", {"number": number}) for number in range(2)]
        client.close()

    assert answers == [{"number": 0}, {"number": 1}]
    assert [data.partition(b"\r\n\r\n")[2] for data in sent] == [b'{"number":0}', b'{"number":1}']
