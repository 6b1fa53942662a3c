"""Time limits, calls in parallel, and the end of an instance."""

import concurrent.futures
import socket
import time
from pathlib import Path

import pytest

from tests.runtimes.process import PATIENCE_SECONDS


@pytest.fixture
def pool():
    """Threads for requests that wait."""
    with concurrent.futures.ThreadPoolExecutor(110) as executor:
        yield executor


def test_a_handler_that_heeds_its_time_limit_costs_no_instance(run) -> None:
    function = run("later", TIMEOUT_SECONDS="0.3")

    reply = function.send({"seconds": 3600})

    assert reply.status == 504
    assert reply.headers["ce-type"] == "io.knative.lambda.response.timeout"
    assert reply.data["error"] == {
        "code": "TIMEOUT_ERROR",
        "message": "the handler did not return within 0.3 s (TIMEOUT_SECONDS)",
        "retryable": True,
    }
    function.wait_for_line("stopped")
    assert function.send({"seconds": 0}).data["result"]["body"] == {"waited": 0}
    assert function.request("GET", "/readyz").status == 200


@pytest.mark.parametrize("action", [{"do": "hang"}, {"do": "late", "seconds": 3600}], ids=["busy", "waiting"])
def test_a_stuck_handler_is_answered_for_and_its_instance_is_replaced(run, action) -> None:
    function = run(TIMEOUT_SECONDS="0.3")

    started = time.monotonic()
    reply = function.send(action)

    assert reply.status == 504
    assert time.monotonic() - started < 10
    assert function.exit_status() == 1
    assert any(
        record["level"] == "error" and "cannot be stopped" in record["message"]
        for record in function.records()
    )


def test_other_calls_finish_before_a_stuck_instance_ends(run, pool, tmp_path: Path) -> None:
    function = run(TIMEOUT_SECONDS="2")
    hanging = pool.submit(function.send, {"do": "late", "seconds": 3600})
    time_of_other = pool.submit(_after, hanging, function, tmp_path)

    assert hanging.result().status == 504
    assert time_of_other.result().data["result"]["body"] == "finished"
    assert function.exit_status() == 1


def _after(hanging, function, folder: Path):
    """Begin a call in the second half of the hanging one's time, and let it end after that was given up."""
    concurrent.futures.wait([hanging], timeout=1.2)
    with concurrent.futures.ThreadPoolExecutor(1) as one:
        call = one.submit(function.send, {"do": "hold", "until": str(folder / "now")})
        function.wait_for_line("holding")
        concurrent.futures.wait([hanging])
        (folder / "now").touch()
        return call.result()


def test_a_handler_that_ends_a_little_late_costs_no_instance(run) -> None:
    function = run(TIMEOUT_SECONDS="0.3")

    assert function.send({"do": "late", "seconds": 0.45}).status == 504
    assert function.send({"do": "late", "seconds": 0}).status == 200


def test_a_hundred_calls_at_once_are_all_answered(run, pool, tmp_path: Path) -> None:
    function = run()
    calls = [pool.submit(function.send, {"do": "hold", "until": str(tmp_path / "now")}) for _ in range(100)]
    _wait_for_lines(function, "holding", 100)

    (tmp_path / "now").touch()

    assert {call.result().data["result"]["body"] for call in calls} == {"finished"}


def _wait_for_lines(function, text: str, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while function.lines.count(text) < count:
        assert time.monotonic() < deadline, f"{function.lines.count(text)} of {count}"
        time.sleep(0.01)


def test_calls_over_the_limit_wait_for_a_place(run, pool, tmp_path: Path) -> None:
    function = run(MAX_CONCURRENCY="2")
    held = [pool.submit(function.send, {"do": "hold", "until": str(tmp_path / "now")}) for _ in range(2)]
    _wait_for_lines(function, "holding", 2)

    waiting = [pool.submit(function.send, {"do": "echo", "value": n}) for n in range(5)]
    done, _ = concurrent.futures.wait(waiting, timeout=0.2)
    (tmp_path / "now").touch()

    assert not done
    assert [call.result().data["result"]["body"]["data"] for call in waiting] == list(range(5))
    assert {call.result().status for call in held} == {200}


def test_a_call_that_gets_no_place_in_its_time_is_told_to_come_again(run, pool) -> None:
    function = run(MAX_CONCURRENCY="1", TIMEOUT_SECONDS="1")
    first = pool.submit(function.send, {"do": "late", "seconds": 3600})
    labels = 'function="lambda-acme-p1",namespace="knative-lambda-local"'
    _wait_for_metric(function, f"knative_lambda_function_in_flight{{{labels}}} 1")

    reply = function.send({"do": "nothing"})

    assert reply.status == 503
    assert (reply.data["error"]["code"], reply.data["error"]["retryable"]) == ("SYSTEM_ERROR", True)
    assert reply.headers["retry-after"] == "1"
    assert first.result().status == 504


def _wait_for_metric(function, line: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while line not in function.request("GET", "/metrics").body.decode():
        assert time.monotonic() < deadline, line


def test_sigterm_lets_calls_finish_and_idle_connections_go(run, pool, tmp_path: Path) -> None:
    function = run()
    call = pool.submit(function.send, {"do": "hold", "until": str(tmp_path / "now")})
    function.wait_for_line("holding")

    with (
        socket.create_connection(("127.0.0.1", function.port), timeout=PATIENCE_SECONDS) as fresh,
        socket.create_connection(("127.0.0.1", function.port), timeout=PATIENCE_SECONDS) as used,
    ):
        used.sendall(b"GET /health HTTP/1.1\r\nHost: f\r\n\r\n")
        assert used.recv(1000).startswith(b"HTTP/1.1 200")
        function.terminate()
        assert fresh.recv(1) == b""
        while used.recv(1000):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", function.port), timeout=PATIENCE_SECONDS)
    assert not call.done()
    (tmp_path / "now").touch()

    assert call.result().data["result"]["body"] == "finished"
    assert call.result().headers["connection"] == "close"
    assert function.exit_status() == 0
    assert function.records()[-1]["message"] == "stopped"


def test_calls_that_outlast_the_drain_time_are_cut_off_and_the_status_says_so(
    run, pool, tmp_path: Path
) -> None:
    function = run(DRAIN_SECONDS="0.2")
    call = pool.submit(function.send, {"do": "hold", "until": str(tmp_path / "never")})
    function.wait_for_line("holding")

    function.terminate()

    assert function.exit_status() == 1
    assert call.exception(PATIENCE_SECONDS) is not None
