"""The runtimes' wrappers against the least that serves JSON in their language: overhead, cold start.

Both sides take turns within one run, so that what else the machine does falls on both. `bench-builds` calls
`measure`; alone, `python -m benchmarks.runtimes` puts the same into results/builds.json under `runtimes`.
"""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.measure import RESULTS
from local.ports import free_port
from tests.runtimes.process import environment
from tests.runtimes.toolchains import Compiled, Interpreted, toolchains

BARE = Path(__file__).resolve().parent / "bare"
ROUNDS = 150
REQUESTS = 100
"""Requests of one round: short, so that some rounds meet nothing else that the machine does."""
WARM_UP = 3000
QUIET = 0.1
"""Share of the rounds that count: the quickest ones."""
STARTS = 20

OVERHEAD_AIM_PERCENT = 15
COLD_START_AIMS_MS = {"python": 250, "nodejs": 150, "go": 50}

_BODY = json.dumps({"contextId": "c", "parameters": {"blockId": "999999", "logIndices": [0]}}).encode()
_REQUEST = (
    b"POST / HTTP/1.1\r\nHost: f\r\nContent-Type: application/json\r\nce-specversion: 1.0\r\nce-id: e-1\r\n"
    b"ce-source: network.notifi.acme\r\nce-type: network.notifi.lambda.parser.start\r\nce-subject: p1\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)

Start = Callable[[int], subprocess.Popen[str]]
"""Starts a server on a port."""


class Client:
    """One connection; no library, so that what is measured is the server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self) -> None:
        """Send the event and read the whole answer."""
        self._socket.sendall(_REQUEST)
        answer = self._socket.recv(65536)
        while not _is_whole(answer):
            piece = self._socket.recv(65536)
            assert piece, f"the answer ended early: {answer!r}"
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200"), answer

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    _, _, rest = head.lower().partition(b"content-length:")
    return len(body) >= int(rest.split(b"\r\n")[0])


def measure(languages: Sequence[str] = tuple(COLD_START_AIMS_MS)) -> dict[str, Any]:
    """Return overhead and cold start by language; one whose toolchain is absent has the reason instead."""
    with tempfile.TemporaryDirectory(prefix="bench-runtimes-") as folder:
        work = Path(folder)
        found = toolchains(work)
        return {name: _measure(found[name], work) for name in languages}


def _measure(runtime: Interpreted | Compiled, work: Path) -> dict[str, Any]:
    if runtime.missing():
        return {"skipped": runtime.missing()}
    with (work / f"{runtime.language}.log").open("w") as log:
        sides = {"bare": _bare(runtime, work, log), "wrapped": _wrapped(runtime, log)}
        return {**_overhead(sides), **_cold_starts(sides, COLD_START_AIMS_MS[runtime.language])}


def _overhead(sides: Mapping[str, Start]) -> dict[str, Any]:
    """Time of one request after the other over one connection, and the server's CPU time for it."""
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(_serving(start)) for name, start in sides.items()}
        for _, client in running.values():
            for _ in range(WARM_UP):
                client.call()
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        cpu: dict[str, float] = {name: -_cpu(process) for name, (process, _) in running.items()}
        for _ in range(ROUNDS):
            for name, (_, client) in running.items():
                seconds[name].append(_round(client))
        for name, (process, _) in running.items():
            cpu[name] += _cpu(process)
    per_call = {name: _quiet(found) / REQUESTS * 1e6 for name, found in seconds.items()}
    cpu_us = {name: found / ROUNDS / REQUESTS * 1e6 for name, found in cpu.items()}
    return {
        "bare_us": round(per_call["bare"], 1),
        "wrapped_us": round(per_call["wrapped"], 1),
        "overhead_percent": round((per_call["wrapped"] / per_call["bare"] - 1) * 100, 1),
        "overhead_aim_percent": OVERHEAD_AIM_PERCENT,
        "bare_cpu_us": round(cpu_us["bare"], 1),
        "wrapped_cpu_us": round(cpu_us["wrapped"], 1),
    }


def _quiet(seconds: Sequence[float]) -> float:
    return statistics.median(sorted(seconds)[: int(len(seconds) * QUIET)])


def _round(client: Client) -> float:
    began = time.perf_counter()
    for _ in range(REQUESTS):
        client.call()
    return time.perf_counter() - began


def _cpu(process: subprocess.Popen[str]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def _cold_starts(sides: Mapping[str, Start], aim_ms: float) -> dict[str, Any]:
    """From the process's creation to its first answer."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(STARTS):
        for name, start in sides.items():
            began = time.perf_counter()
            with _serving(start) as (_, client):
                client.call()
                found[name].append((time.perf_counter() - began) * 1000)
    return {
        "cold_start_bare_ms": round(_quiet(found["bare"]), 1),
        "cold_start_ms": round(_quiet(found["wrapped"]), 1),
        "cold_start_aim_ms": aim_ms,
    }


@contextlib.contextmanager
def _serving(start: Start) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    port = free_port(0)
    process = start(port)
    client = None
    try:
        client = _connected(port)
        yield process, client
    finally:
        if client is not None:
            client.close()
        process.kill()
        process.wait()


def _connected(port: int) -> Client:
    deadline = time.monotonic() + 20
    while True:
        try:
            return Client(port)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.0005)


def _bare(runtime: Interpreted | Compiled, work: Path, log: Any) -> Start:
    if isinstance(runtime, Interpreted):
        suffix = "py" if runtime.language == "python" else "js"
        return _starter((runtime.command[0], str(BARE / f"server.{suffix}")), work, log)
    program = work / "bare-go"
    command = ["go", "build", "-trimpath", "-o", str(program), str(BARE / "server.go")]
    subprocess.run(command, cwd=work, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    return _starter((str(program),), work, log)


def _wrapped(runtime: Interpreted | Compiled, log: Any) -> Start:
    """Lay the function out and build it with a first start, then start it like the bare server."""
    first = runtime.start("plain", {}).started()
    first.close()
    arguments, folder = first.process.args, first.folder
    assert isinstance(arguments, Sequence)
    return _starter(tuple(str(each) for each in arguments), folder, log)


def _starter(command: tuple[str, ...], folder: Path, log: Any) -> Start:
    def start(port: int) -> subprocess.Popen[str]:
        env = {**environment(), "PORT": str(port)}
        return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, text=True)

    return start


def show(results: Mapping[str, Any]) -> None:
    """Print a table, each figure beside its aim."""
    table = Table(title="runtimes: wrapper against bare server", title_justify="left", box=None)
    for column in ("language", "bare", "wrapped", "overhead", "aim", "cold start", "aim", "bare server's"):
        table.add_column(column, justify="left" if column == "language" else "right")
    for language, found in results.items():
        if "skipped" in found:
            table.add_row(language, found["skipped"])
            continue
        table.add_row(
            language,
            f"{found['bare_us']} us",
            f"{found['wrapped_us']} us",
            f"{found['overhead_percent']} %",
            f"<= {found['overhead_aim_percent']} %",
            f"{found['cold_start_ms']} ms",
            f"<= {found['cold_start_aim_ms']} ms",
            f"{found['cold_start_bare_ms']} ms",
        )
    Console(width=110).print(table)


def main() -> int:
    """Measure, print, and put the figures beside those of the other parts of builds."""
    results = measure(sys.argv[1:] or tuple(COLD_START_AIMS_MS))
    show(results)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "builds.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    merged = {**known, "runtimes": {**known.get("runtimes", {}), **results}}
    file.write_text(json.dumps(merged, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
