"""The world around a monitor: an API server that knows one pod, a broker, and the monitor's process."""

import http.server
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 20.0
DIGEST = "sha256:" + "ab" * 32
POD_PATH = "/api/v1/namespaces/knative-lambda-local/pods/kaniko-build-acme-p1-x"


def stamp(moment: datetime) -> str:
    """Write a time as Kubernetes does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(
    *, age_seconds: float = 10, deleted: bool = False, status: dict[str, Any] | None = None, **state: Any
) -> dict[str, Any]:
    """A build pod whose kaniko container is in this state, beside its sidecar."""
    created = datetime.now(UTC) - timedelta(seconds=age_seconds)
    metadata = {"name": "kaniko-build-acme-p1-x", "uid": "uid-1", "creationTimestamp": stamp(created)}
    if deleted:
        metadata["deletionTimestamp"] = stamp(datetime.now(UTC))
    containers = [
        {"name": "cloudevents-sidecar", "state": {"running": {"startedAt": stamp(created)}}},
        {"name": "kaniko", "state": state},
    ]
    return {
        "metadata": metadata,
        "status": {"phase": "Running", "containerStatuses": containers, **(status or {})},
    }


def ended(code: int, *, reason: str = "", message: str = "", seconds: int = 42) -> dict[str, Any]:
    """The `terminated` state of a container."""
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return {
        "exitCode": code,
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "message": message,
        "startedAt": stamp(started),
        "finishedAt": stamp(started + timedelta(seconds=seconds)),
    }


RUNNING = {"startedAt": "2026-01-02T03:04:05Z"}


class Endpoint:
    """An HTTP server in a thread; `answer(method, target, headers, body)` gives status, headers and body."""

    def __init__(
        self, answer: Callable[..., tuple[int, dict[str, str], bytes]], tls: ssl.SSLContext | None = None
    ) -> None:
        self.scheme = "https" if tls else "http"
        self.news = threading.Condition()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, extra, content = answer(self.command, self.path, headers, body)
                self.send_response(status)
                for name, value in {**extra, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = respond  # noqa: N815  the names that http.server calls

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


class ApiServer(Endpoint):
    """Knows one pod and its log; `failures` statuses are given out first; `token` is what it wants to see."""

    def __init__(self, token: str = "secret-1", tls: ssl.SSLContext | None = None) -> None:
        super().__init__(self._answer, tls)
        self.pod: dict[str, Any] | None = pod(running=RUNNING)
        self.log: bytes | None = b""
        self.failures: list[int] = []
        self.token = token
        self.reads = 0
        self.requests: list[str] = []

    def _answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        with self.news:
            self.requests.append(f"{method} {target}")
            self.reads += 1
            self.news.notify_all()
            if self.failures:
                return self.failures.pop(0), {}, b"{}"
            if headers.get("authorization") != f"Bearer {self.token}":
                return 401, {}, b"{}"
            parts = urlsplit(target)
            if parts.path == POD_PATH and self.pod is not None:
                return 200, {"Content-Type": "application/json"}, json.dumps(self.pod).encode()
            if parts.path == f"{POD_PATH}/log" and self.log is not None:
                assert parse_qs(parts.query)["container"] == ["kaniko"]
                return 200, {}, self.log
            return 404, {}, b"{}"

    def wait_for_reads(self, more: int) -> None:
        """Wait until the monitor has looked so many times more."""
        with self.news:
            wanted = self.reads + more
            assert self.news.wait_for(lambda: self.reads >= wanted, PATIENCE_SECONDS)


class Broker(Endpoint):
    """Keeps what it takes; `failures` statuses are given out first."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.failures: list[tuple[int, dict[str, str]]] = []
        self.tries: list[float] = []
        self.events: list[tuple[dict[str, str], dict[str, Any]]] = []

    def _answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        with self.news:
            self.tries.append(time.monotonic())
            self.news.notify_all()
            if self.failures:
                status, extra = self.failures.pop(0)
                return status, extra, b"not now"
            assert (method, target) == ("POST", "/knative-lambda-local/knative-lambda-broker-local")
            self.events.append((headers, json.loads(body)))
            return 202, {}, b""

    def wait_for_tries(self, count: int) -> None:
        """Wait until so many deliveries were tried."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.tries) >= count, PATIENCE_SECONDS)


class Monitor:
    """The monitor's process."""

    def __init__(self, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "monitor"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"} | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def first_record(self, message: str) -> dict[str, Any]:
        """Wait for the first log record with this message."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            record = json.loads(line)
            if record["msg"] == message:
                return dict(record)
        raise AssertionError(f"the monitor ended without {message!r}")

    def exit_status(self) -> int:
        """Wait for the end; the output is in `output` then."""
        self.output, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode

    def records(self) -> list[dict[str, Any]]:
        """The log of a monitor that has ended."""
        return [json.loads(line) for line in self.output.splitlines()]

    def peak_memory_mib(self) -> float:
        """Peak resident memory so far."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmHWM")

    def close(self) -> None:
        """End the process whatever it does."""
        self.process.kill()
        self.process.communicate()
