"""`make bench-events`: what an event costs, on the local platform, as a sender sees it.

Builds are held back by the node, as in `benchmarks.main`. Times are those of a sender beside the service on
the same cores, and worse where these are busy; CPU milliseconds are of the processes that they name, the
sender's own too. Compare ratios, which are of one run.
"""

import argparse
import asyncio
import os
import statistics
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.load import many, request
from benchmarks.main import REMEMBERED, THIRD_PARTY, Bench, with_platform
from benchmarks.measure import cpu_seconds, percentiles, publish
from benchmarks.soak import soak
from local.addresses import Addresses
from local.session import Session

AIMS: Final = {
    "reply_ms_16_replicas_1": "p50 <= 50, p99 <= 150",
    "notices_per_s": ">= 1000",
    "event_cost_ratio_10000_10": "<= 1.2",
    "plan_ms": "p50 <= 30",
    "observed_cost_build_start": "throughput <= 1.05",
    "observed_cost_notice": "throughput <= 1.05",
    "observed_cost_notice_with_trace": "throughput <= 1.05",
    "soak_slope_mib_per_hour": "0: flat over 30 minutes",
}
_LEGACY: Final = "network.notifi.lambda."
_CLIENTS: Final = 16
_KNOWN: Final = 10
"""Functions that events are about while others only exist."""
_TEMPLATE: Final = "warm-0"
_ROUNDS: Final = 6
_TRACED: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

Measured = dict[str, Any]


class Cpu:
    """CPU milliseconds of the processes of a session, and of this one, since it was made."""

    def __init__(self, session: Session) -> None:
        self._pids = {**session.pids, "sender": os.getpid()}
        self._before = {name: cpu_seconds(pid) for name, pid in self._pids.items()}

    def each(self, events: int) -> dict[str, float]:
        """Return them by process for each of so many events."""
        spent = {name: cpu_seconds(pid) - self._before[name] for name, pid in self._pids.items()}
        return {name: round(seconds / events * 1000, 3) for name, seconds in spent.items()}


def by_functions(count: int, sizes: tuple[int, ...]) -> Callable[..., Awaitable[Measured]]:
    """Measure what a build.start costs where so many functions exist."""

    async def measure(session: Session, addresses: Addresses, http: aiohttp.ClientSession) -> Measured:
        bench = Bench(session, addresses, http)
        names = [f"warm-{number}" for number in range(_KNOWN)]
        for _ in range(REMEMBERED):
            await bench.replies(names, clients=2)
        costs: dict[int, float] = {}
        exist = _KNOWN
        for size in sizes:
            await asyncio.to_thread(copy_functions, Path(addresses.data), range(exist, size))
            exist = size
            costs[size] = await bench.cost_of_events([names[number % _KNOWN] for number in range(count)])
        first = costs[sizes[0]]
        ratios = {f"event_cost_ratio_{size}_{sizes[0]}": round(costs[size] / first, 3) for size in sizes[1:]}
        return {"event_cpu_ms": {str(size): round(cost, 2) for size, cost in costs.items()}, **ratios}

    return measure


def copy_functions(data: Path, numbers: range) -> None:
    """Make functions by copying the state, history and backups of one, with its name replaced.

    Their Jobs are not there, as those of functions that were built longer ago than Kubernetes keeps Jobs.
    """
    root = data / "state" / ".pulumi"
    originals = [path for path in root.rglob(f"*fn-{THIRD_PARTY}-{_TEMPLATE}*") if path.is_file()]
    newest = max(path.name for path in originals if path.name.endswith(".history.json"))
    kept = [path for path in originals if "history" not in path.parts and "backups" not in path.parts]
    kept += [path for path in originals if path.name.startswith(newest.removesuffix(".history.json"))]
    texts = {path: path.read_text() for path in kept}
    for number in numbers:
        for path, text in texts.items():
            copy = Path(str(path).replace(_TEMPLATE, f"copy-{number}"))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text.replace(_TEMPLATE, f"copy-{number}"))


def everything_else(
    count: int, soak_seconds: float, replicas: tuple[int, ...]
) -> Callable[..., Awaitable[Measured]]:
    """Measure replies, counted events, plans, observability, and memory."""

    async def measure(session: Session, addresses: Addresses, http: aiohttp.ClientSession) -> Measured:
        bench = Bench(session, addresses, http)
        names = [f"warm-{number}" for number in range(_KNOWN)]
        for _ in range(4):
            await bench.replies(names, clients=2)
        results = await notices(session, addresses.service, count * 25)
        results |= await plans(bench, addresses.service, names, count)
        results |= await replies(session, addresses, http, count, replicas)
        results |= await observed(session, addresses, http, count)
        return results | await soak(bench, addresses.service, bench.service_pid, soak_seconds)

    return measure


async def notices(session: Session, service: str, count: int) -> Measured:
    """Events that are counted and acknowledged, 16 at a time, by one process."""
    make = request(service, f"{_LEGACY}job.start", {"third_party_id": THIRD_PARTY, "parser_id": "warm-0"})
    await many(service, make, count // 5, _CLIENTS)
    cpu = Cpu(session)
    whole, seconds = await many(service, make, count, _CLIENTS)
    each = cpu.each(count)
    return {
        "notices_per_s": round(count / whole),
        "notice_ms": percentiles(seconds),
        "notice_cpu_ms": {name: each[name] for name in ("service", "sender")},
    }


async def plans(bench: Bench, service: str, names: list[str], count: int) -> Measured:
    """Dry runs of build.start with code that is not built yet, one at a time."""
    seconds: list[float] = []
    for number in range(count):
        name = names[number % len(names)]
        await bench.put_parser(name)
        data = {"third_party_id": THIRD_PARTY, "parser_id": name}
        make = request(service, f"{_LEGACY}build.start", data, dryrun="true")
        seconds += (await many(service, make, 1, 1))[1]
    return {"plan_ms": percentiles(seconds)}


async def replies(
    session: Session, addresses: Addresses, http: aiohttp.ClientSession, count: int, sizes: tuple[int, ...]
) -> Measured:
    """build.start of functions of their own, 16 at a time, over so many processes on one state."""
    results: Measured = {}
    services = [addresses]
    for size in sizes:
        services += [
            await session.start_replica(f"replica-{number}") for number in range(len(services), size)
        ]
        benches = [Bench(session, service, http) for service in services]
        await _spread(benches, f"ready-{size}", len(benches) * 4)
        cpu = Cpu(session)
        whole, seconds = await _spread(benches, f"reply-{size}", count)
        results[f"reply_ms_16_replicas_{size}"] = percentiles(seconds)
        each = cpu.each(count)
        results[f"build_start_replicas_{size}"] = {
            "per_s": round(count / whole, 1),
            "services_cpu_ms": round(sum(each.values()) - each["platform"] - each["sender"], 2),
            "platform_cpu_ms": each["platform"],
        }
    for number in range(1, len(services)):
        await session.stop_replica(f"replica-{number}")
    return results


async def _spread(benches: list[Bench], name: str, count: int) -> tuple[float, list[float]]:
    """Send build.start of new functions by all of them; return the seconds of all, and of each."""
    loop = asyncio.get_running_loop()
    ids = [f"{name}-{number}" for number in range(count)]
    for each in ids:
        await benches[0].put_parser(each)
    began = loop.time()
    shares = [
        bench.ask(ids[number :: len(benches)], _CLIENTS // len(benches))
        for number, bench in enumerate(benches)
    ]
    seconds = [second for share in await asyncio.gather(*shares) for second in share]
    return loop.time() - began, seconds


async def observed(
    session: Session, addresses: Addresses, http: aiohttp.ClientSession, count: int
) -> Measured:
    """The same events with and without spans, in turns; the collector is a process of its own."""
    collector = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.collector"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert collector.stdout is not None
    endpoint = (await collector.stdout.readline()).decode().strip()
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    services = {
        "off": await session.start_replica("off"),
        "on": await session.start_replica("on", settings),
    }
    pairs = [await _pair(session, services, http, number, count) for number in range(-1, _ROUNDS)][1:]
    for name in services:
        await session.stop_replica(name)
    spans = int((await collector.communicate(b""))[0])
    if not spans:
        raise RuntimeError("no span reached the collector: what was measured is not observability")
    return {**_ratios(pairs), "observed_spans": spans}


async def _pair(
    session: Session, services: dict[str, Addresses], http: aiohttp.ClientSession, turn: int, count: int
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return by kind of event, with spans and without: (seconds, the service's CPU milliseconds) of each."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    order = sorted(services, reverse=bool(turn % 2))
    for name in order:
        service = services[name].service
        data = {"third_party_id": THIRD_PARTY, "parser_id": "warm-0"}
        for kind, extensions in (("notice", {}), ("notice_with_trace", {"traceparent": _TRACED})):
            make = request(service, f"{_LEGACY}job.start", data, **extensions)
            cpu = Cpu(session)
            whole, _ = await many(service, make, count * 5, _CLIENTS)
            found.setdefault(kind, {})[name] = whole / (count * 5), cpu.each(count * 5)[name]
        cpu = Cpu(session)
        starts = count // 2
        whole, _ = await _spread([Bench(session, services[name], http)], f"{name}{turn}", starts)
        found.setdefault("build_start", {})[name] = whole / starts, cpu.each(starts)[name]
    return found


def _ratios(pairs: list[dict[str, dict[str, tuple[float, float]]]]) -> Measured:
    """Return how much longer, and at how much more CPU, with spans than without: medians of the pairs."""

    def ratio(kind: str, index: int) -> float:
        return round(
            statistics.median(pair[kind]["on"][index] / pair[kind]["off"][index] for pair in pairs), 3
        )

    return {
        f"observed_cost_{kind}": {"throughput": ratio(kind, 0), "service_cpu": ratio(kind, 1)}
        for kind in pairs[0]
    }


async def measure_all(arguments: argparse.Namespace) -> Measured:
    """Two platforms, one after the other."""
    held = ("--max-builds=0",)
    results: Measured = {}
    if "functions" in arguments.only:
        results |= await with_platform(held, by_functions(arguments.count, tuple(arguments.functions)))
    if "others" in arguments.only:
        work = everything_else(arguments.count, arguments.soak_seconds, tuple(arguments.replicas))
        results |= await with_platform(held, work)
    return results


def main() -> None:
    """Measure, write benchmarks/results/events.json and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="events in each measurement")
    parser.add_argument("--functions", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--soak-seconds", type=float, default=float(os.environ.get("SOAK_SECONDS", "60")))
    parser.add_argument("--only", choices=("functions", "others"), nargs="+", default=["functions", "others"])
    publish("events", asyncio.run(measure_all(parser.parse_args())), AIMS)


if __name__ == "__main__":
    main()
