"""The runtimes' wrappers against a server by hand in their language: overhead, cold start.

`bare` is what one writes without a wrapper: the language's own HTTP server takes the same event and answers
the same bytes. `least` answers the data alone, without any of a response event's attributes. All sides take
turns within one run, so that what else the machine does falls on all; what counts is the server's CPU time
for a call, of which other work on the machine takes nothing. `bench-builds` calls `measure`; alone,
`python -m benchmarks.runtimes` puts the same into results/builds.json under `runtimes`.
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
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import RESULTS
from local.ports import free_port
from tests.runtimes.process import environment
from tests.runtimes.toolchains import Compiled, Interpreted, toolchains

BARE = Path(__file__).resolve().parent / "bare"
CONNECTIONS = (1, 16)
"""Calls at one time: Knative's default target for an instance is far above one."""
ROUNDS = 120
REQUESTS = 160
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
    """Some connections, a call on each at one time; no library, so that what is measured is the server."""

    def __init__(self, port: int, connections: int = 1) -> None:
        self._sockets = [
            socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(connections)
        ]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, count: int = 1) -> None:
        """Send the event on every connection, read the whole answers; again, until at least `count` calls."""
        for _ in range(-(-count // len(self._sockets))):
            for each in self._sockets:
                each.sendall(_REQUEST)
            for each in self._sockets:
                _read_answer(each)

    def close(self) -> None:
        """Close the connections."""
        for each in self._sockets:
            each.close()


def _read_answer(connection: socket.socket) -> None:
    answer = connection.recv(65536)
    while not _is_whole(answer):
        piece = connection.recv(65536)
        assert piece, f"the answer ended early: {answer!r}"
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    _, _, rest = head.lower().partition(b"content-length:")
    return len(body) >= int(rest.split(b"\r\n")[0])


def measure(languages: Sequence[str] = tuple(COLD_START_AIMS_MS)) -> dict[str, Any]:
    """Return overhead and cold start by language; one whose toolchain is absent has the reason instead."""
    with tempfile.TemporaryDirectory(prefix="bench-runtimes-") as folder, _one_core():
        work = Path(folder)
        found = toolchains(work)
        return {name: _measure(found[name], work) for name in languages}


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process and those that it starts on one core.

    Waking a process on another core costs as much as a call, and where the scheduler puts whom is chance.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _measure(runtime: Interpreted | Compiled, work: Path) -> dict[str, Any]:
    if runtime.missing():
        return {"skipped": runtime.missing()}
    with _reader_of_logs() as log:
        bare = _bare(runtime, work)
        sides = {
            "bare": _starter(bare, work, log),
            "least": _starter(bare, work, log, ANSWER="least"),
            "wrapped": _wrapped(runtime, log),
        }
        overheads = {f"connections_{count}": _overhead(sides, count) for count in CONNECTIONS}
        worst = max(found["cpu_overhead_percent"] for found in overheads.values())
        return {
            "overhead_percent": worst,
            "overhead_aim_percent": OVERHEAD_AIM_PERCENT,
            **overheads,
            **_cold_starts(sides, COLD_START_AIMS_MS[runtime.language]),
        }


@contextlib.contextmanager
def _reader_of_logs() -> Iterator[IO[bytes]]:
    """A pipe that is read by another process, as a container's output is."""
    reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert reader.stdin is not None
    with reader, reader.stdin as pipe:
        yield pipe


def _overhead(sides: Mapping[str, Start], connections: int) -> dict[str, Any]:
    """The server's CPU time for a call and the time that a call took, with so many calls at one time."""
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(_serving(start, connections)) for name, start in sides.items()}
        for _, client in running.values():
            client.call(WARM_UP)
        cpu: dict[str, list[float]] = {name: [] for name in sides}
        wall: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, (process, client) in running.items():
                before, began = _cpu_us(process.pid), time.perf_counter()
                client.call(REQUESTS)
                wall[name].append((time.perf_counter() - began) * 1e6 / REQUESTS)
                cpu[name].append((_cpu_us(process.pid) - before) / REQUESTS)
    return {
        "cpu_us": {name: round(statistics.median(found), 1) for name, found in cpu.items()},
        "wall_us": {name: round(statistics.median(found), 1) for name, found in wall.items()},
        "cpu_overhead_percent": _over(cpu, "bare"),
        "wall_overhead_percent": _over(wall, "bare"),
        "cpu_over_least_percent": _over(cpu, "least"),
    }


def _over(found: Mapping[str, Sequence[float]], base: str) -> float:
    """The median of the rounds' ratios: the sides of one round met the same machine."""
    ratios = [mine / other for mine, other in zip(found["wrapped"], found[base], strict=True)]
    return round((statistics.median(ratios) - 1) * 100, 1)


def _cpu_us(pid: int) -> float:
    """CPU time of a process's threads so far, to the nanosecond; the kernel's totals have steps of 10 ms."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000


def _quiet(seconds: Sequence[float]) -> float:
    return statistics.median(sorted(seconds)[: int(len(seconds) * QUIET)])


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
def _serving(start: Start, connections: int = 1) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    port = free_port(0)
    process = start(port)
    client = None
    try:
        client = _connected(port, connections)
        yield process, client
    finally:
        if client is not None:
            client.close()
        process.kill()
        process.wait()


def _connected(port: int, connections: int) -> Client:
    deadline = time.monotonic() + 20
    while True:
        try:
            return Client(port, connections)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.0005)


def _bare(runtime: Interpreted | Compiled, work: Path) -> tuple[str, ...]:
    """Return the command of the server by hand."""
    if isinstance(runtime, Interpreted):
        suffix = "py" if runtime.language == "python" else "js"
        return (runtime.command[0], str(BARE / f"server.{suffix}"))
    program = work / "bare-go"
    command = ["go", "build", "-trimpath", "-o", str(program), str(BARE / "server.go")]
    subprocess.run(command, cwd=work, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    return (str(program),)


def _wrapped(runtime: Interpreted | Compiled, log: Any) -> Start:
    """Lay the function out and build it with a first start, then start it like the bare server."""
    first = runtime.start("plain", {}).started()
    first.close()
    arguments, folder = first.process.args, first.folder
    assert isinstance(arguments, Sequence)
    return _starter(tuple(str(each) for each in arguments), folder, log)


def _starter(command: tuple[str, ...], folder: Path, log: Any, **more: str) -> Start:
    def start(port: int) -> subprocess.Popen[str]:
        env = {**environment(), "PORT": str(port), **more}
        return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, text=True)

    return start


def show(results: Mapping[str, Any]) -> None:
    """Print a table, each figure beside its aim."""
    table = Table(title="runtimes: wrapper against a server by hand, CPU time of a call", box=None)
    for column in ("language", "calls at once", "least", "bare", "wrapped", "overhead", "aim"):
        table.add_column(column, justify="left" if column == "language" else "right")
    for language, found in results.items():
        if "skipped" in found:
            table.add_row(language, found["skipped"])
            continue
        for count in CONNECTIONS:
            each = found[f"connections_{count}"]
            figures = (f"{each['cpu_us'][side]} us" for side in ("least", "bare", "wrapped"))
            aim = f"<= {found['overhead_aim_percent']} %"
            table.add_row(language, str(count), *figures, f"{each['cpu_overhead_percent']} %", aim)
        starts = (f"{found[f'cold_start_{side}ms']} ms" for side in ("bare_", ""))
        table.add_row(language, "cold start", "", *starts, "", f"<= {found['cold_start_aim_ms']} ms")
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
