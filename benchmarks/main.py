"""`make bench`: the main path on the local platform, as a user's events see it.

Builds are held back by the node (`--max-builds=0`) while replies are measured, so that a reply's figure is
that of the service, the engine, the API server and the storage, and not of pip on the same two cores. Cold
and warm starts are measured on a function that the real path built.
"""

import argparse
import asyncio
import gc
import json
import random
import string
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.measure import cpu_seconds, percentiles, publish, rss_mib
from local.addresses import NAMESPACE, SOURCE_BUCKET, Addresses
from local.client import SERVICES, Client
from local.console import CACHE, EXAMPLES
from local.deploy import Deployment, Example
from local.session import Session
from local.spectator import Spectator

THIRD_PARTY = "bench"
PARSER_BYTES = 20_000
REMEMBERED = 33
"""Events after which a function's record grows no more, see automation/answers.py."""
AIMS = {
    "reply_ms": "p50 <= 50, p99 <= 150",
    "cold_start_ms": "<= 400",
    "warm_overhead_ms": "<= 3",
    "service_rss_mib_1000": "< 250",
    "event_cost_ratio_1000_10": "<= 1.2",
}


class Bench:
    """One platform with clients that post to the service as a trigger would."""

    def __init__(self, session: Session, addresses: Addresses, http: aiohttp.ClientSession) -> None:
        self._session = session
        self._addresses = addresses
        self._http = http
        self._random = random.Random(20261123)

    async def put_parser(self, parser_id: str) -> None:
        """Store a parser of 20 KB that nobody has built yet."""
        filler = "".join(self._random.choices(string.ascii_letters, k=PARSER_BYTES - 60))
        code = f"DATA = '{filler}'\n\n\ndef handler(event):\n    return {{}}\n"
        url = f"{self._addresses.storage}/{SOURCE_BUCKET}/global/parser/{parser_id}/parser.py"
        async with self._http.put(url, data=code.encode()) as response:
            response.raise_for_status()

    async def build_start(self, parser_id: str) -> float:
        """Post build.start and return the seconds until the reply; the reply must be `started`."""
        headers = {
            "Ce-Specversion": "1.0",
            "Ce-Id": str(uuid.uuid4()),
            "Ce-Type": "network.notifi.lambda.build.start",
            "Ce-Source": f"network.notifi.{THIRD_PARTY}",
            "Ce-Subject": parser_id,
            "Content-Type": "application/json",
        }
        body = json.dumps({"third_party_id": THIRD_PARTY, "parser_id": parser_id})
        began = time.perf_counter()
        async with self._http.post(self._addresses.service, data=body, headers=headers) as response:
            answer = await response.json()
        seconds = time.perf_counter() - began
        if answer.get("status") != "started":
            raise RuntimeError(f"build.start of {parser_id} was answered {response.status}: {answer}")
        return seconds

    async def replies(self, parser_ids: list[str], clients: int) -> list[float]:
        """Seconds to each reply, with so many clients at once.

        New code for every parser is stored before, outside the clock; so each id may be given only once.
        """
        for parser_id in parser_ids:
            await self.put_parser(parser_id)
        return await self.ask(parser_ids, clients)

    async def ask(self, parser_ids: list[str], clients: int) -> list[float]:
        """Seconds to each reply, with so many clients at once, for parsers whose code is stored."""
        waiting = iter(parser_ids)
        seconds: list[float] = []

        async def client() -> None:
            seconds.extend([await self.build_start(parser_id) for parser_id in waiting])

        await asyncio.gather(*(client() for _ in range(clients)))
        return seconds

    async def cost_of_events(self, parser_ids: list[str]) -> float:
        """CPU milliseconds for each event, storing its code included, in the service and the platform."""
        before = self._cpu()
        for parser_id in parser_ids:
            await self.replies([parser_id], clients=1)
        return (self._cpu() - before) / len(parser_ids) * 1000

    def _cpu(self) -> float:
        return sum(cpu_seconds(pid) for pid in self._session.pids.values())

    @property
    def service_pid(self) -> int:
        """Process id of the automation service."""
        return self._session.pids["service"]


UNLIMITED = {"BUILD_RATE": "0", "THIRD_PARTY_BUILD_RATE": "0", "MAX_CONCURRENT_JOBS": "0"}
"""Settings under which no build waits and none is refused."""


async def with_platform(
    arguments: tuple[str, ...],
    work: Callable[[Session, Addresses, aiohttp.ClientSession], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """Run the work against a platform of its own and stop it whatever happens."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session(
            data=Path(folder) / "data",
            cache=CACHE,
            platform_arguments=arguments,
            service_environment=UNLIMITED,
        )
        try:
            addresses = await session.start()
            # Bringing the environment up loaded the SDKs here; collecting them is not the service's time.
            gc.collect()
            gc.freeze()
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:
                return await work(session, addresses, http)
        finally:
            await session.stop()


def replies(count: int, functions: int) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Measure replies with 1 and 16 clients, then what an event costs at 10 and at many functions."""

    async def measure(session: Session, addresses: Addresses, http: aiohttp.ClientSession) -> dict[str, Any]:
        bench = Bench(session, addresses, http)
        # Until each function remembers as many events as it ever will: then only their number counts.
        for _ in range(REMEMBERED):
            await bench.replies([f"warm-{n}" for n in range(10)], clients=1)
        at_10 = await bench.cost_of_events([f"warm-{n % 10}" for n in range(count)])
        one = await bench.replies([f"one-{n}" for n in range(count)], clients=1)
        sixteen = await bench.replies([f"sixteen-{n}" for n in range(max(count, 160))], clients=16)
        missing = functions - 10 - len(one) - len(sixteen)
        await bench.replies([f"fill-{n}" for n in range(missing)], clients=4)
        at_many = await bench.cost_of_events([f"warm-{n % 10}" for n in range(count)])
        return {
            "reply_ms": percentiles(one),
            "reply_ms_16": percentiles(sixteen),
            "event_cpu_ms_10": round(at_10, 2),
            "event_cpu_ms_1000": round(at_many, 2),
            "event_cost_ratio_1000_10": round(at_many / at_10, 3),
            "service_rss_mib_1000": rss_mib(bench.service_pid),
        }

    return measure


def starts(count: int) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Take an example through its phases, then measure cold and warm calls of it through the gateway."""

    async def measure(session: Session, addresses: Addresses, http: aiohttp.ClientSession) -> dict[str, Any]:
        async with Client(addresses, session.token) as client, Spectator(client) as spectator:
            deployment = Deployment(
                Example.load(EXAMPLES / "hello"), client, spectator, lambda timeline: None
            )
            await deployment.deploy()
            await deployment.call()
            service = await _without_delay(client)
            call = _caller(http, addresses, service["status"]["url"], deployment.example.data)
            cold = [await _cold(client, service["metadata"]["name"], call) for _ in range(count)]
            warm = [await call() for _ in range(count * 20)]
            await deployment.delete()
        phases = {phase.value: round(seconds, 3) for phase, seconds in deployment.timeline.seconds.items()}
        return {
            "demo_phases_s": phases,
            "cold_start_ms": percentiles(cold),
            "warm_ms": percentiles(warm),
            "warm_overhead_ms": percentiles(warm)["p50"],
        }

    return measure


def _caller(
    http: aiohttp.ClientSession, addresses: Addresses, url: str, data: dict[str, Any]
) -> Callable[[], Awaitable[float]]:
    """A function that calls through the gateway and returns the seconds that it took."""
    headers = {
        "Host": url.split("://")[1].rstrip("/"),
        "Ce-Specversion": "1.0",
        "Ce-Type": "network.notifi.lambda.parser.start",
        "Ce-Source": "bench",
        "Content-Type": "application/json",
    }
    body = json.dumps(data)

    async def call() -> float:
        began = time.perf_counter()
        named = {**headers, "Ce-Id": str(uuid.uuid4())}
        async with http.post(addresses.gateway, data=body, headers=named) as response:
            await response.read()
            response.raise_for_status()
        return time.perf_counter() - began

    return call


async def _without_delay(client: Client) -> dict[str, Any]:
    """Let the function scale to zero as soon as it is idle, not after 30 s; returns its Knative Service."""
    service = (await client.api("GET", SERVICES))["items"][0]
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    annotations["autoscaling.knative.dev/scale-down-delay"] = "0s"
    path = f"{SERVICES}/{service['metadata']['name']}"
    await client.api("PUT", path, service)
    async with asyncio.timeout(30):
        while service["status"].get("latestReadyRevisionName", "").endswith("-00001"):
            await asyncio.sleep(0.02)
            service = await client.api("GET", path)
    return service


async def _cold(client: Client, name: str, call: Callable[[], Awaitable[float]]) -> float:
    """One call of a function that has no pod: waits until it has scaled to zero first."""
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=serving.knative.dev%2Fservice%3D{name}"
    async with asyncio.timeout(60):
        while (await client.api("GET", pods))["items"]:
            await asyncio.sleep(0.02)
    return await call()


async def measure_all(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both platforms, one after the other."""
    results = await with_platform(("--max-builds=0",), replies(arguments.count, arguments.functions))
    return results | await with_platform(("--scale-to-zero-seconds=0.2",), starts(arguments.cold_starts))


def main() -> None:
    """Measure, write benchmarks/results/main.json and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="events in each measurement")
    parser.add_argument("--functions", type=int, default=1000, help="functions at the end")
    parser.add_argument("--cold-starts", type=int, default=20, help="cold starts to measure")
    publish("main", asyncio.run(measure_all(parser.parse_args())), AIMS)


if __name__ == "__main__":
    main()
