"""`make bench-engine`: updates of stacks by the embedded engine against a real API server.

A stack is what a function has: a component with a ConfigMap, a Knative Service and a Trigger. The figures are
of a machine that runs the API server and its etcd too; their CPU time is given beside ours.
"""

import argparse
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automation.adapters.automation_api.engine import AutomationApiEngine
from benchmarks.cluster import Cluster, cluster
from benchmarks.measure import cpu_of_processes, percentiles, publish
from benchmarks.programs import configmaps, function
from engine import Engine, FileBackend, StackRef
from engine.kubernetes import KubernetesProviders
from engine.protocol import StackEngine
from service.__main__ import settle_memory

AIMS = {
    "stacks_per_second_16": ">= 70",
    "create_ms": "p50 <= 25",
    "noop_ms": "p50 <= 6",
    "resources_500_s": "<= 4",
    "cpu_ms_per_resource": "<= 3",
    "cost_ratio_many_stacks": "about 1",
}
RESOURCES_PER_STACK = 4
"""What the program declares: the component and three objects. The stack and the provider are not counted."""


@dataclass
class Spent:
    """What a piece of work took: seconds on the clock, and CPU seconds by process."""

    wall: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)

    def per(self, count: int) -> dict[str, float]:
        """CPU milliseconds by process, for each of so many."""
        return {name: round(seconds / count * 1000, 2) for name, seconds in self.cpu.items()}


@contextlib.contextmanager
def spending() -> Iterator[Spent]:
    """Measure the work inside."""
    spent, before, began = Spent(), cpu_of_processes(), time.perf_counter()
    yield spent
    spent.wall = time.perf_counter() - began
    spent.cpu = {name: seconds - before.get(name, 0.0) for name, seconds in cpu_of_processes().items()}


class Bench:
    """Stacks of one project in one backend, on one cluster."""

    def __init__(self, engine: StackEngine, target: Cluster) -> None:
        self._engine = engine
        self._namespace = target.namespace
        # ConfigMaps are updated in place, as the functions' own configuration has it.
        self._config = {
            "kubernetes:kubeconfig": target.kubeconfig,
            "kubernetes:enableConfigMapMutable": "true",
        }

    def up(self, name: str, value: int = 1) -> float:
        """Update one stack and return the seconds that it took."""
        return self._timed(
            lambda: self._engine.up(
                StackRef("bench", name), function(self._namespace, name, value), config=self._config
            )
        )

    def destroy(self, name: str) -> float:
        """Destroy one stack and return the seconds that it took."""
        return self._timed(lambda: self._engine.destroy(StackRef("bench", name), config=self._config))

    def all(self, one_at_a_time: int, at_once: int) -> dict[str, Any]:
        """Measure so many stacks one at a time and at once, and a big one."""
        self.up("warm-up")
        self.destroy("warm-up")
        settle_memory()  # as the service does, which is where the engine runs
        return self.one_by_one(one_at_a_time) | self.at_once(at_once, clients=16) | self.big(500)

    def one_by_one(self, count: int) -> dict[str, Any]:
        """Create, leave alone, change and destroy stacks, one at a time."""
        names = [f"one-{number}" for number in range(count)]
        with spending() as created:
            create = [self.up(name) for name in names]
        noop = [self.up(name) for name in names]
        change = [self.up(name, value=2) for name in names]
        destroy = [self.destroy(name) for name in names]
        cpu = created.per(count)
        return {
            "create_ms": percentiles(create),
            "noop_ms": percentiles(noop),
            "change_ms": percentiles(change),
            "destroy_ms": percentiles(destroy),
            "create_cpu_ms": cpu,
            "cpu_ms_per_resource": round(cpu["engine"] / RESOURCES_PER_STACK, 2),
        }

    def at_once(self, count: int, clients: int) -> dict[str, Any]:
        """Create stacks with so many at work at the same time, and take them away again."""
        names = [f"many-{number}" for number in range(count)]
        with ThreadPoolExecutor(clients) as pool:
            with spending() as spent:
                list(pool.map(self.up, names))
            list(pool.map(self.destroy, names))
        rate = round(count / spent.wall, 1)
        return {f"stacks_per_second_{clients}": rate, f"create_cpu_ms_{clients}": spent.per(count)}

    def big(self, size: int) -> dict[str, Any]:
        """Create, leave alone and destroy one stack of many resources."""
        stack, program = StackRef("bench", "big"), configmaps(self._namespace, size)
        with spending() as created:
            self._engine.up(stack, program, config=self._config)
        noop = self._timed(lambda: self._engine.up(stack, program, config=self._config))
        destroyed = self._timed(lambda: self._engine.destroy(stack, config=self._config))
        return {
            f"resources_{size}_s": round(created.wall, 2),
            f"resources_{size}_cpu_ms_each": created.per(size),
            f"resources_{size}_noop_s": round(noop, 2),
            f"resources_{size}_destroy_s": round(destroyed, 2),
        }

    @staticmethod
    def _timed(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


def _median(seconds: Iterable[float]) -> float:
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2]


def among_many(target: Cluster, providers: KubernetesProviders, stacks: int, count: int) -> dict[str, Any]:
    """Compare updates in a backend of one stack with updates in one of many, taking turns.

    The many are copies of one stack's state under other names: an update has no reason to read them.
    """
    with tempfile.TemporaryDirectory() as alone, tempfile.TemporaryDirectory() as crowded:
        few, many = (
            Bench(Engine(FileBackend(folder), {"kubernetes": providers}), target)
            for folder in (alone, crowded)
        )
        few.up("alone")
        many.up("crowded")
        states = Path(crowded) / ".pulumi" / "stacks" / "bench"
        state = (states / "crowded.json").read_bytes()
        for number in range(stacks):
            (states / f"copy-{number}.json").write_bytes(state)
        turns = [(few.up("alone", turn), many.up("crowded", turn)) for turn in range(2, count + 2)]
        few.destroy("alone")
        many.destroy("crowded")
    alone_s, crowded_s = zip(*turns, strict=True)
    return {
        "change_ms_1_stack": percentiles(alone_s),
        f"change_ms_{stacks}_stacks": percentiles(crowded_s),
        "cost_ratio_many_stacks": round(_median(crowded_s) / _median(alone_s), 3),
    }


def embedded(target: Cluster, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the engine in this process."""
    providers = KubernetesProviders()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Engine(FileBackend(folder), {"kubernetes": providers}), target)
        results = bench.all(arguments.count, arguments.count * 4)
    results |= among_many(target, providers, arguments.stacks, arguments.count)
    providers.close()
    return results


def automation_api(target: Cluster, arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Measure Pulumi's own engine by the same programs; None where there is no `pulumi` on the PATH."""
    if shutil.which("pulumi") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        engine = AutomationApiEngine(f"file://{folder}")
        try:
            return Bench(engine, target).all(arguments.cli_count, 16)
        finally:
            engine.close()


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything on a namespace of its own, which is gone afterwards."""
    with cluster() as target:
        results = embedded(target, arguments)
        results["automation_api"] = automation_api(target, arguments)
    return results


def main() -> None:
    """Measure, write benchmarks/results/engine.json and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="stacks created one at a time")
    parser.add_argument("--stacks", type=int, default=10_000, help="stacks in one backend")
    parser.add_argument("--cli-count", type=int, default=4, help="stacks through the Automation API")
    publish("engine", measure(parser.parse_args()), AIMS)


if __name__ == "__main__":
    main()
