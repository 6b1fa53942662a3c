"""Time limits, calls in parallel, and the end of an instance."""

import concurrent.futures
import socket
import time
from pathlib import Path

import pytest
from wrapper_process import PATIENCE_SECONDS, Start

HANGING = """
import time

def handler(event):
    print("hanging", flush=True)
    time.sleep(3600)
"""


@pytest.fixture
def pool():
    """Threads for requests that wait."""
    with concurrent.futures.ThreadPoolExecutor(110) as executor:
        yield executor


def test_an_async_handler_is_cancelled_at_its_time_limit_and_the_instance_lives(run: Start) -> None:
    function = run(
        """
import asyncio
async def handler(event):
    try:
        await asyncio.sleep(event["seconds"])
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
""",
        TIMEOUT_SECONDS="0.2",
    )

    reply = function.send({"seconds": 3600})

    assert reply.status == 504
    assert reply.headers["ce-type"] == "io.knative.lambda.response.timeout"
    assert reply.data["error"] == {
        "code": "TIMEOUT_ERROR",
        "message": "the handler did not return within 0.2 s (TIMEOUT_SECONDS)",
        "retryable": True,
    }
    function.wait_for_line("cancelled")
    assert function.send({"seconds": 0}).status == 200
    assert function.request("GET", "/readyz").status == 200


def test_a_stuck_handler_is_answered_in_time_and_its_instance_is_replaced(run: Start) -> None:
    function = run(HANGING, TIMEOUT_SECONDS="0.2")

    started = time.monotonic()
    reply = function.send({"hang": True})

    assert reply.status == 504
    assert time.monotonic() - started < 5
    assert function.exit_status() == 1
    assert any(
        record["level"] == "error" and "cannot be stopped" in record["message"]
        for record in function.records()
    )
    assert not [line for line in function.lines if not line.startswith("{") and line != "hanging"]


def test_other_calls_finish_before_a_stuck_instance_ends(run: Start, pool) -> None:
    function = run(
        """
import time
def handler(event):
    if event.get("hang"):
        time.sleep(3600)
    while context_left(event) > 0.1:
        time.sleep(0.01)
    return "done"
def context_left(event):
    return event["until"] - time.time()
""",
        TIMEOUT_SECONDS="1",
    )

    hanging = pool.submit(function.send, {"hang": True})
    other = pool.submit(function.send, {"until": time.time() + 0.9})

    assert hanging.result().status == 504
    assert other.result().data["result"]["body"] == "done"
    assert function.exit_status() == 1


def test_a_handler_that_ends_a_little_late_costs_no_instance(run: Start) -> None:
    function = run("import time\ndef handler(event): time.sleep(event['s'])", TIMEOUT_SECONDS="0.2")

    assert function.send({"s": 0.35}).status == 504
    assert function.send({"s": 0}).status == 200


def test_the_context_knows_the_time_that_is_left(run: Start) -> None:
    function = run("def handler(event, context): return context.remaining_seconds()", TIMEOUT_SECONDS="7")

    assert 6 < function.send({}).data["result"]["body"] <= 7


def test_a_hundred_calls_at_once_are_all_answered(run: Start, pool) -> None:
    function = run(
        "import threading\nparty = threading.Barrier(100)\n"
        "def handler(event):\n  party.wait(20)\n  return event['n']"
    )

    replies = list(pool.map(lambda n: function.send({"n": n}), range(100)))

    assert [reply.data["result"]["body"] for reply in replies] == list(range(100))


def test_calls_over_the_limit_wait_for_a_place(run: Start, pool) -> None:
    function = run(
        """
import threading, time
lock, now, most = threading.Lock(), 0, 0
def handler(event):
    global now, most
    with lock:
        now += 1
        most = max(most, now)
    time.sleep(0.01)
    with lock:
        now -= 1
    return most
""",
        MAX_CONCURRENCY="2",
    )

    replies = list(pool.map(lambda _: function.send({}), range(20)))

    assert {reply.status for reply in replies} == {200}
    assert max(reply.data["result"]["body"] for reply in replies) == 2


def test_a_call_that_gets_no_place_in_its_time_is_told_to_come_again(run: Start, pool) -> None:
    function = run(HANGING, MAX_CONCURRENCY="1", TIMEOUT_SECONDS="1")
    first = pool.submit(function.send, {})
    function.wait_for_line("hanging")

    reply = function.send({})

    assert reply.status == 503
    assert (reply.data["error"]["code"], reply.data["error"]["retryable"]) == ("SYSTEM_ERROR", True)
    assert reply.headers["retry-after"] == "1"
    assert first.result().status == 504


def test_sigterm_lets_calls_finish_and_idle_connections_go(run: Start, pool, tmp_path: Path) -> None:
    function = run(
        """
import pathlib, time
def handler(event):
    print("in flight", flush=True)
    while not pathlib.Path(event["until"]).exists():
        time.sleep(0.01)
    return "finished"
"""
    )
    call = pool.submit(function.send, {"until": str(tmp_path / "now")})
    function.wait_for_line("in flight")

    with socket.create_connection(("127.0.0.1", function.port), timeout=PATIENCE_SECONDS) as idle:
        function.terminate()
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", function.port), timeout=PATIENCE_SECONDS)
    assert not call.done()
    (tmp_path / "now").touch()

    assert call.result().data["result"]["body"] == "finished"
    assert call.result().headers["connection"] == "close"
    assert function.exit_status() == 0
    assert function.records()[-1]["message"] == "stopped"


def test_sigterm_stops_the_server_whichever_thread_the_kernel_hands_it_to(run: Start) -> None:
    function = run(
        "import signal, threading\n"
        "def handler(event): signal.pthread_kill(threading.get_ident(), signal.SIGTERM)"
    )

    function.send({})

    assert function.exit_status() == 0


def test_signals_of_the_parser_do_not_stop_the_server(run: Start) -> None:
    function = run(
        "import os, signal\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('usr1', flush=True))\n"
        "def handler(event): os.kill(os.getpid(), signal.SIGUSR1)"
    )

    function.send({})
    function.wait_for_line("usr1")

    assert function.send({}).status == 200


def test_calls_that_outlast_the_drain_time_are_cut_off_and_the_status_says_so(run: Start, pool) -> None:
    function = run(HANGING, DRAIN_SECONDS="0.2")
    call = pool.submit(function.send, {})
    function.wait_for_line("hanging")

    function.terminate()

    assert function.exit_status() == 1
    assert call.exception(PATIENCE_SECONDS) is not None


def test_sigterm_while_the_parser_is_imported_ends_at_once(launch: Start) -> None:
    function = launch("import time\nprint('importing', flush=True)\ntime.sleep(3600)")
    function.wait_for_line("importing")

    function.terminate()

    assert function.exit_status() == 0


def test_threads_of_the_parser_do_not_hold_up_the_end(run: Start) -> None:
    function = run(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()\n"
        "def handler(event): pass"
    )

    function.terminate()

    assert function.exit_status() == 0


def test_a_handler_that_ends_with_its_time_is_answered_all_the_same(run: Start, pool) -> None:
    """Handler's end and time limit race for the connection; whoever wins, the caller gets an answer."""
    function = run("import time\ndef handler(event): time.sleep(event['s'])", TIMEOUT_SECONDS="0.2")

    replies = list(pool.map(lambda n: function.send({"s": 0.19 + n / 2000}), range(40)))

    assert {reply.status for reply in replies} <= {200, 504}
    assert function.request("GET", "/readyz").status == 200
