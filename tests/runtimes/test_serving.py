"""The server: routes, health, metrics, connections, limits, settings and logs."""

import socket

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.runtimes.process import PATIENCE_SECONDS
from tests.runtimes.test_events import TRACEPARENT

EVENT = (
    b"POST / HTTP/1.1\r\nHost: f\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    b"Ce-Id: 1\r\nCe-Source: s\r\nCe-Type: t\r\nCe-Specversion: 1.0\r\n\r\n{}"
)
LABELS = 'function="lambda-acme-p1",namespace="knative-lambda-local"'


@pytest.mark.parametrize("path", ["/health", "/healthz", "/ready", "/readyz"])
def test_health_is_answered(plain, path) -> None:
    reply = plain.request("GET", path)

    assert (reply.status, reply.data) == (200, {"status": "healthy"})
    assert plain.request("HEAD", path).body == b""


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
def test_other_routes_are_refused(plain, method, path, status) -> None:
    reply = plain.request(method, path)

    assert reply.status == status
    assert reply.data["error"]
    assert ("allow" in reply.headers) == (status == 405)


def samples(function):
    reply = function.request("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in reply.body.decode().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_metrics_are_the_same_in_every_language(run) -> None:
    function = run("plain")
    function.send({})

    found = samples(function)

    histograms = [
        *histogram("duration_seconds", 'status="success"', DURATION_BOUNDS),
        *histogram("duration_seconds", 'status="error"', DURATION_BOUNDS),
    ]
    starts = [
        *histogram("start_duration_seconds", 'until="ready"', START_BOUNDS),
        *histogram("start_duration_seconds", 'until="first_call"', START_BOUNDS),
    ]
    names = [
        f'invocations_total{{{LABELS},status="success"}}',
        f'invocations_total{{{LABELS},status="error"}}',
        f"cold_starts_total{{{LABELS}}}",
        *histograms,
        f"in_flight{{{LABELS}}}",
        f"cold_start_seconds{{{LABELS}}}",
        *starts,
    ]
    assert list(found) == [f"knative_lambda_function_{name}" for name in names]
    assert len(found) + 9 <= 100, "with all types of errors there is a limit for an instance"
    counts = [name for name in names if "_count{" in name]
    values = [found[f"knative_lambda_function_{name}"] for name in (*names[:3], *counts)]
    assert values == [1, 0, 1, 1, 0, 1, 1]
    assert found[f"knative_lambda_function_in_flight{{{LABELS}}}"] == 0
    ready = found[f"knative_lambda_function_cold_start_seconds{{{LABELS}}}"]
    assert 0 <= ready < 20
    until = f'knative_lambda_function_start_duration_seconds_sum{{{LABELS},until="%s"}}'
    assert found[until % "ready"] == pytest.approx(ready, abs=0.001)
    assert found[until % "ready"] <= found[until % "first_call"] < 40


DURATION_BOUNDS = "0.001 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 +Inf"
START_BOUNDS = "0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 +Inf"


def histogram(name: str, label: str, bounds: str) -> list[str]:
    return [
        *(f'{name}_bucket{{{LABELS},{label},le="{bound}"}}' for bound in bounds.split()),
        f"{name}_sum{{{LABELS},{label}}}",
        f"{name}_count{{{LABELS},{label}}}",
    ]


OPEN_METRICS = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}


def test_metrics_are_open_metrics_for_who_asks_for_them(run) -> None:
    function = run()
    function.send({"do": "nothing"}, traceparent=TRACEPARENT)
    function.send({"do": "runtime"})

    reply = function.request("GET", "/metrics", headers=OPEN_METRICS)

    assert reply.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(reply.body.decode())}
    calls = families["knative_lambda_function_invocations"].samples
    assert {sample.labels["status"]: sample.value for sample in calls} == {"success": 1, "error": 1}
    names = {line.split(" ")[2] for line in reply.body.decode().splitlines() if line.startswith("# TYPE")}
    assert names == set(families)


def exemplars(function) -> list[dict[str, str]]:
    text = function.request("GET", "/metrics", headers=OPEN_METRICS).body.decode()
    return [
        dict(sample.exemplar.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.exemplar
    ]


def test_a_duration_shows_the_trace_of_a_call_that_took_so_long(run) -> None:
    function = run("plain")
    function.send({})
    function.send({}, traceparent=TRACEPARENT.removesuffix("01") + "00")
    assert exemplars(function) == [], "nothing was traced, or what was is not sampled"

    function.send({}, traceparent=TRACEPARENT)

    assert exemplars(function) == [{"trace_id": TRACEPARENT.split("-")[1]}]
    assert "trace_id" not in function.request("GET", "/metrics").body.decode()


def test_a_connection_serves_many_requests_in_order(plain) -> None:
    answers = plain.raw(EVENT * 3 + b"GET /health HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n")

    assert answers.count(b"HTTP/1.1 200 OK") == 4
    assert answers.endswith(b'{"status":"healthy"}')


def test_a_chunked_event_is_taken(plain) -> None:
    chunked = EVENT.replace(
        b"Content-Length: 2", b"Transfer-Encoding: chunked\r\nConnection: close"
    ).removesuffix(b"{}")

    answer = plain.raw(chunked + b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n')

    assert b'"data":{"a":1}' in answer


def test_a_peer_that_asks_first_is_told_to_go_on(plain) -> None:
    with socket.create_connection(("127.0.0.1", plain.port), timeout=PATIENCE_SECONDS) as sock:
        sock.sendall(EVENT.replace(b"Host", b"Expect: 100-continue\r\nHost").removesuffix(b"{}"))
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "header", [b"Ce-Id: 2", b"Content-Type: text/plain", b"X-Correlation-ID: a\r\nX-Correlation-ID: b"]
)
def test_a_header_that_decides_something_comes_once(plain, header) -> None:
    answer = plain.raw(EVENT.replace(b"Host: f", b"Connection: close\r\nHost: f\r\n" + header))

    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"is given twice" in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="tls"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
            id="two-lengths",
        ),
        pytest.param(b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: x\r\n\r\n", id="odd-length"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", id="no-host"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: f\r\nNo colon\r\n\r\n", id="odd-header"),
        pytest.param(
            b"GET /health HTTP/1.1\r\nHost: f\r\nX: " + b"x" * 60_000 + b"\r\n\r\n", id="large-head"
        ),
    ],
)
def test_what_is_no_http_is_refused(plain, request_bytes) -> None:
    answer = plain.raw(request_bytes)

    assert answer.split(b" ")[1] in (b"400", b"431"), answer
    assert plain.request("GET", "/health").status == 200


def test_a_body_over_the_limit_is_refused(run) -> None:
    function = run("plain", MAX_BODY_BYTES="1000")

    assert function.send("x" * 2000).status == 413
    assert function.send("x" * 900).status == 200
    chunks = (b"1f4\r\n" + b"x" * 500 + b"\r\n") * 3
    head = EVENT.replace(
        b"Content-Length: 2", b"Transfer-Encoding: chunked\r\nConnection: close"
    ).removesuffix(b"{}")
    assert function.raw(head + chunks + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_all_wrong_settings_are_reported_at_once(launch) -> None:
    wrong = {
        "PORT": "x",
        "TIMEOUT_SECONDS": "-1",
        "LOG_LEVEL": "loud",
        "FUNCTION_NAME": "",
        "FUNCTION_NAMESPACE": "",
    }
    function = launch("plain", MAX_CONCURRENCY="1.5", DRAIN_SECONDS="inf", MAX_BODY_BYTES="0", **wrong)

    assert function.exit_status() == 1
    record = function.records()[-1]
    assert record["level"] == "critical"
    names = ("MAX_CONCURRENCY", "DRAIN_SECONDS", "MAX_BODY_BYTES", *wrong)
    assert [name for name in names if name not in record["message"]] == []


def test_a_port_that_is_taken_is_reported(run, launch) -> None:
    first = run("plain")

    second = launch("plain", PORT=str(first.port))

    assert second.exit_status() == 1
    assert "the port cannot be served" in second.records()[-1]["message"]


def test_the_function_is_named_by_knative_too(run) -> None:
    function = run("plain", FUNCTION_NAME="", K_SERVICE="by-knative")

    assert function.send({}).data["functionName"] == "by-knative"


def test_log_lines_of_the_parser_carry_the_ids_of_the_call(run) -> None:
    function = run()

    invocation = function.send({"do": "log", "n": 1}, x_correlation_id="c-1", traceparent=TRACEPARENT).data[
        "invocationId"
    ]

    record = function.wait_for_record(message="logged", n=1)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "level": "warning",
        "message": "logged",
        "logger": "function",
        "n": 1,
        "service": {"name": "lambda-acme-p1", "namespace": "knative-lambda-local"},
        "invocation": {"id": invocation, "cold_start": True},
        "cloudevent": {"id": "e-1", "type": "t.parser.start", "source": "network.notifi.acme"},
        "correlation_id": "c-1",
        "third_party_id": "acme",
        "parser_id": "p1",
        "trace_id": TRACEPARENT.split("-")[1],
        "span_id": TRACEPARENT.split("-")[2],
        "trace_flags": "01",
    }
    function.wait_for_line("printed")


def test_the_end_of_a_call_is_logged_with_its_duration(run) -> None:
    function = run()

    function.send({"do": "nothing"}, x_correlation_id="c-1")

    record = function.wait_for_record(message="the event was handled", correlation_id="c-1")
    assert record["invocation"]["duration_ms"] >= 0
