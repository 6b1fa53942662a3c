"""A soak: mixed events for a while, and whether the service's memory stays flat."""

import asyncio
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from benchmarks.load import Connection, request
from benchmarks.main import THIRD_PARTY, Bench

FUNCTIONS = 40
CLIENTS = 4
SAMPLES_PER_MINUTE = 60
_LEGACY = "network.notifi.lambda."
_KINDS = ("build.start", "dryrun", "job.start", "parser.complete", "service.delete")
_WEIGHTS = (10, 3, 60, 60, 1)


@dataclass
class Soak:
    """What was sent, what came back, and the memory over time."""

    answers: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[float, float]] = field(default_factory=list)
    """(seconds since the beginning, MiB)."""

    def result(self, seconds: float) -> dict[str, object]:
        """Return the figures. The first third, in which caches and records fill, does not count."""
        settled = [(at, mib) for at, mib in self.samples if at >= seconds / 3]
        times, mib = zip(*settled, strict=True)
        slope = statistics.linear_regression(times, mib).slope
        return {
            "soak_s": round(seconds),
            "soak_answers": dict(sorted(self.answers.items())),
            "soak_rss_mib": {
                "first": round(mib[0], 1),
                "last": round(mib[-1], 1),
                "most": round(max(mib), 1),
            },
            "soak_slope_mib_per_hour": round(slope * 3600, 1),
        }


async def soak(bench: Bench, service: str, pid: int, seconds: float) -> dict[str, object]:
    """Send a mixed stream for so long."""
    found = Soak()
    began = time.monotonic()
    ended = began + seconds
    process = psutil.Process(pid)

    async def sample() -> None:
        while time.monotonic() < ended:
            found.samples.append((time.monotonic() - began, process.memory_info().rss / 2**20))
            await asyncio.sleep(60 / SAMPLES_PER_MINUTE)

    senders = [
        _send(bench, service, number, found, lambda: time.monotonic() < ended) for number in range(CLIENTS)
    ]
    await asyncio.gather(sample(), *senders)
    return found.result(seconds)


async def _send(bench: Bench, service: str, number: int, found: Soak, goes_on: Callable[[], bool]) -> None:
    """Send one event after the other, about functions that no other client has."""
    chance = random.Random(number)
    connection = await Connection.to(service)
    while goes_on():
        kind = chance.choices(_KINDS, _WEIGHTS)[0]
        parser = f"soak-{number}-{chance.randrange(FUNCTIONS // CLIENTS)}"
        data = {"third_party_id": THIRD_PARTY, "parser_id": parser}
        if kind in ("build.start", "dryrun"):
            await bench.put_parser(parser)
        planned = {"dryrun": "true"} if kind == "dryrun" else {}
        type_ = _LEGACY + ("build.start" if kind == "dryrun" else kind)
        answer = await connection.send(request(service, type_, data, **planned)())
        status = json.loads(answer.body).get("status", "") if answer.status == 200 else str(answer.status)
        found.answers[f"{kind} {status}"] += 1
    connection.close()
