"""A function as a process of its own, over HTTP and standard output: the same for every runtime."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

PATIENCE_SECONDS = 20.0
EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "e-1",
    "ce-source": "network.notifi.acme",
    "ce-type": "t.parser.start",
}


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The JSON body."""
        return json.loads(self.body)


class FunctionProcess:
    """One function that runs; `command` starts it in `folder`."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment() | dict(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def started(self) -> Self:
        """Wait until it serves."""
        self.port = self.wait_for_record(message="ready")["port"]
        return self

    def records(self) -> list[dict[str, Any]]:
        """The JSON lines so far."""
        with self._news:
            return [json.loads(line) for line in self.lines if line.startswith("{")]

    def wait_for_record(self, **fields: Any) -> dict[str, Any]:
        """Wait for a log record with these fields."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            for record in self.records():
                if fields.items() <= record.items():
                    return record
            with self._news:
                assert self._news.wait(deadline - time.monotonic()), f"no {fields} in {self.lines}"

    def wait_for_line(self, text: str) -> None:
        """Wait for a line of output that is just this text."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._news:
            assert self._news.wait_for(lambda: text in self.lines, deadline - time.monotonic()), self.lines

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            items = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, items, response.read())

    def send(self, data: Any, **headers: str) -> Reply:
        """Post a binary-mode event with this data; headers by their names with `_` for `-`."""
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        head = {"content-type": "application/json", **EVENT, **extra}
        return self.request("POST", "/", json.dumps(data).encode(), head)

    def raw(self, data: bytes) -> bytes:
        """Send bytes and return everything up to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            pieces = []
            while piece := sock.recv(65536):
                pieces.append(piece)
            return b"".join(pieces)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def exit_status(self) -> int:
        """Wait for the end of the process and of its output."""
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return status

    def close(self) -> None:
        """End the process whatever it does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()


def environment() -> dict[str, str]:
    """Return the environment that the platform gives to a function, on a free port."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "HOST": "127.0.0.1",
        "PORT": "0",
        "FUNCTION_NAME": "lambda-acme-p1",
        "FUNCTION_NAMESPACE": "knative-lambda-local",
        "THIRD_PARTY_ID": "acme",
        "PARSER_ID": "p1",
    }
