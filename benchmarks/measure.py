"""What every benchmark needs: percentiles, CPU and memory of processes, results as JSON and as a table."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).resolve().parent / "results"


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile in milliseconds, by nearest rank. Raises ValueError on an empty sample."""
    if not seconds:
        raise ValueError("no samples: nothing was measured")
    ordered = sorted(seconds)

    def rank(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)

    return {"p50": rank(0.50), "p99": rank(0.99)}


def cpu_seconds(pid: int) -> float:
    """User and system CPU seconds of one process so far, its children not counted."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu_of_processes() -> dict[str, float]:
    """CPU seconds so far of this process and its children (`engine`), and of an API server and etcd here."""
    seconds = {"engine": _tree_seconds(psutil.Process())}
    for process in psutil.process_iter(["name"]):
        name = process.info["name"]
        if name in ("kube-apiserver", "etcd"):
            seconds[name] = seconds.get(name, 0.0) + cpu_seconds(process.pid)
    return seconds


def _tree_seconds(process: psutil.Process) -> float:
    """CPU seconds of a process, its living children, and those that it has waited for."""
    times = process.cpu_times()
    own = times.user + times.system + times.children_user + times.children_system
    return float(own + sum(_tree_seconds(child) for child in process.children()))


def rss_mib(pid: int) -> float:
    """Resident memory of one process in MiB."""
    return round(psutil.Process(pid).memory_info().rss / 2**20, 1)


def publish(name: str, results: Mapping[str, Any], aims: Mapping[str, str]) -> None:
    """Write results/{name}.json and print the same as a table, each row with its aim where there is one."""
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    (RESULTS / f"{name}.json").write_text(json.dumps({**results, "machine": machine}, indent=1) + "\n")
    table = Table(title=f"make bench: {name} ({os.cpu_count()} cores)", title_justify="left", box=None)
    for column in ("what", "measured", "aim"):
        table.add_column(column, overflow="fold")
    for key, value in results.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
        table.add_row(key, shown, aims.get(key, ""))
    Console(width=110).print(table)
