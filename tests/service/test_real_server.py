"""The service as a process of its own: real sockets, real signals, real ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent

PROGRAM = """
import asyncio, sys, types
from automation.events import Reply
from service import logs
from service.app import AppSettings, create_app
from service.rate_limits import Rate
from service.server import Server
from service.settings import HttpSettings

class Automation:
    stats = types.SimpleNamespace(queue_depth=0, active=0)
    async def handle(self, event):
        sys.stderr.write("working\\n"); sys.stderr.flush()
        await asyncio.sleep(float(event.meta.subject or 0))
        return Reply(status="started", message="done")
    async def ready(self):
        return {"storage": "ok"}
    async def close(self, grace_seconds):
        sys.stderr.write(f"closed {grace_seconds > 0}\\n")

limits = dict(max_body_bytes=100_000, body_timeout_seconds=0.3, request_timeout_seconds=20,
              api_tokens_file=None, build_rate=Rate(0, 1), third_party_build_rate=Rate(0, 1),
              read_rate=Rate(0, 1),
              shutdown_grace_seconds=float(sys.argv[3]))
http = HttpSettings(host="127.0.0.1", port=int(sys.argv[1]), drain_delay_seconds=float(sys.argv[2]), **limits)
logs.configure("info")
Server(create_app(Automation(), AppSettings(source="s", **limits)), http, "local").run()
"""


class Process:
    def __init__(self, *arguments, port=0, drain_delay=0.0, grace=20.0, env=None):
        arguments = arguments or ("-c", PROGRAM, str(port), str(drain_delay), str(grace))
        self.popen = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **(env or {})},
        )

    def address(self):
        line = json.loads(self.popen.stdout.readline())
        assert line["msg"] == "listening"
        return line["address"]

    def wait_for_work(self):
        assert self.popen.stderr.readline() == "working\n"

    def end(self, seconds=15):
        out, err = self.popen.communicate(timeout=seconds)
        return self.popen.returncode, out, err


@pytest.fixture
def start():
    started = []

    def make(*arguments, **options):
        started.append(Process(*arguments, **options))
        return started[-1]

    yield make
    for process in started:
        process.popen.kill()
        process.popen.communicate()


def event(subject=None):
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "network.notifi.acme",
        "ce-type": "network.notifi.lambda.parser.start",
        "content-type": "application/json",
    }
    return {**headers, "ce-subject": str(subject)} if subject else headers


def in_background(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()

    def result():
        thread.join(15)
        return results[0]

    return result


def test_it_serves_and_says_where_and_ends_with_status_0(start):
    process = start()
    address = process.address()

    response = httpx.post(address, headers=event())
    assert response.status_code == 200
    assert "server" not in response.headers
    assert httpx.get(f"{address}/health").status_code == 200

    process.popen.send_signal(signal.SIGTERM)
    status, out, err = process.end()
    assert status == 0
    assert err == "working\nclosed True\n"
    assert [json.loads(line)["msg"] for line in out.splitlines()] == ["request answered", "draining"]


def test_requests_under_way_are_answered_before_the_end(start):
    process = start()
    address = process.address()
    response = in_background(lambda: httpx.post(address, headers=event(subject=0.7), timeout=15))
    process.wait_for_work()

    process.popen.send_signal(signal.SIGTERM)

    assert response().status_code == 200
    status, _, err = process.end()
    assert (status, err) == (0, "closed True\n")


def test_it_stays_reachable_and_unready_for_the_drain_delay(start):
    process = start(drain_delay=1.0)
    address = process.address()
    process.popen.send_signal(signal.SIGTERM)

    deadline = time.monotonic() + 5
    while (ready := httpx.get(f"{address}/ready")).status_code != 503:
        assert time.monotonic() < deadline
    assert ready.json()["status"] == "draining"
    assert httpx.post(address, headers=event()).status_code == 200
    assert process.end()[0] == 0


def test_a_second_signal_ends_it_at_once(start):
    process = start(drain_delay=60)
    address = process.address()
    in_background(lambda: httpx.post(address, headers=event(subject=60), timeout=70))
    process.wait_for_work()

    process.popen.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 5
    while httpx.get(f"{address}/ready").status_code != 503:
        assert time.monotonic() < deadline
    process.popen.send_signal(signal.SIGINT)

    process.end(seconds=10)


def test_senders_whose_work_outlasts_the_grace_are_told_to_come_back(start):
    process = start(grace=1.0)
    address = process.address()
    response = in_background(lambda: httpx.post(address, headers=event(subject=60), timeout=70))
    process.wait_for_work()

    process.popen.send_signal(signal.SIGTERM)

    assert response().status_code == 503
    assert response().json()["error"] == "the service is ending; send the event again"
    assert response().headers["retry-after"] == "5"
    status, _, err = process.end()
    assert (status, err) == (0, "closed True\n")


def raw(address, *parts):
    """Send bytes as they are and return everything that comes back until the server closes."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received.decode()


def head(address, *lines):
    host = address.removeprefix("http://")
    fields = [f"{name}: {value}" for name, value in event().items()]
    return "\r\n".join(["POST / HTTP/1.1", f"Host: {host}", *fields, *lines, "", ""]).encode()


def test_a_body_that_stops_coming_is_a_timeout_and_the_connection_is_closed(start):
    address = start().address()
    answer = raw(address, head(address, "Content-Length: 100"), b"{")

    assert answer.startswith("HTTP/1.1 408 ")
    assert '"error_type":"validation_error"' in answer


def test_a_chunked_body_over_the_limit_is_cut_off(start):
    address = start().address()
    chunk = b"ffff\r\n" + b" " * 0xFFFF + b"\r\n"
    answer = raw(address, head(address, "Transfer-Encoding: chunked"), chunk, chunk)

    assert answer.startswith("HTTP/1.1 413 ")
    assert "longer than 100000 bytes" in answer


def test_a_length_over_the_limit_is_refused_before_the_body_comes(start):
    address = start().address()
    answer = raw(address, head(address, "Content-Length: 100001"))

    assert answer.startswith("HTTP/1.1 413 ")


def test_what_is_no_http_is_refused(start):
    address = start().address()

    assert raw(address, b"\x16\x03\x01 this is not HTTP\r\n\r\n").startswith("HTTP/1.1 400 ")
    assert httpx.get(f"{address}/health").status_code == 200


def test_a_taken_port_is_a_clear_failure(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, out, err = start(port=taken.getsockname()[1]).end()

    assert status != 0
    assert "address already in use" in out
    assert "Traceback" not in err


def test_wrong_settings_are_listed_and_end_with_status_2(start):
    status, out, err = start("-m", "service", env={"PORT": "http", "LOG_LEVEL": "loud"}).end()

    assert (status, out) == (2, "")
    assert 'PORT: "http" is not allowed' in err
    assert 'LOG_LEVEL: "loud" is not allowed' in err
    assert "ECR_REGISTRY: not set" in err
    assert "Traceback" not in err
