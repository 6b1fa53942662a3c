"""What a container may use of the machine, and how that is enforced without control groups.

Control groups are not touched on purpose: whether they may be written depends on how this machine was set
up, and the groups would stay behind after `kill -9`. Memory is sampled instead, and a container over its
limit is killed as the kernel's OOM killer would do it. CPU shares are a matter of priority: containers of
Jobs run at a lower one.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from local.node.objects import Json, quantity

SAMPLE_SECONDS = 0.1
"""Time between two samples of a container near its memory limit; of one far below it five times as much.

One sample costs 0.05 to 0.2 ms.
"""
_BATCH_NICE = 10
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def memory_limit(container: Json) -> int | None:
    """Return the container's memory limit in bytes, None where it has none."""
    text = container.get("resources", {}).get("limits", {}).get("memory")
    return None if text is None else int(quantity(text))


def niceness(pod: Json) -> int:
    """Return the priority of a pod: work that ends by itself gives way to what answers requests."""
    return 0 if pod["spec"].get("restartPolicy", "Always") == "Always" else _BATCH_NICE


def describe() -> str:
    """Return what is in force on this machine, in one sentence."""
    memory = (
        f"memory limits by sampling every {SAMPLE_SECONDS:g} s"
        if _can_sample()
        else "no memory limits (no /proc)"
    )
    return (
        f"{memory}; no CPU limits, containers of jobs run at nice {_BATCH_NICE}; deadlines of pods and jobs"
    )


def _can_sample() -> bool:
    return sys.platform == "linux" and memory_used(os.getpid()) > 0


def memory_used(pid: int) -> int:
    """Return the bytes of anonymous memory of a process and its descendants, 0 if it is gone or unknown.

    Pages that several of them share after a fork count once for each, unlike in a control group.
    """
    total = 0
    pending = [pid]
    while pending:
        process = Path("/proc", str(pending.pop()))
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (process / "statm").read_text().split()
            total += (int(fields[1]) - int(fields[2])) * _PAGE_BYTES
            for thread in (process / "task").iterdir():
                pending += map(int, (thread / "children").read_text().split())
    return total


async def watch_memory(pid: int, limit: int, exceeded: Callable[[], None]) -> None:
    """Call `exceeded` once when the process and its descendants use more than `limit` bytes."""
    while (used := memory_used(pid)) <= limit:
        await asyncio.sleep(SAMPLE_SECONDS * (5 - 4 * used / limit))
    exceeded()
