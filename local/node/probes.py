"""Startup, readiness and liveness probes of a running container.

Until a container is ready for the first time its readiness is asked every few milliseconds, as Knative's
queue-proxy does, whatever the period says: a cold start waits for nothing but the process.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from local.node.objects import Json

FAST_SECONDS = 0.01
"""Pause between probes of a container that has never been ready."""
_FAST_ATTEMPTS = 500
_HEAD_BYTES = 65536

Exec = Callable[[list[str]], Awaitable[int]]
"""Runs a command in the container and returns its exit status."""


@dataclass(frozen=True)
class Target:
    """Where probes go: the pod's address, real ports for numbers or names of the spec, and commands."""

    ip: str
    port: Callable[[int | str], int]
    execute: Exec


class Observer(Protocol):
    """Whom the probes tell. All texts are for events, in the kubelet's words."""

    def on_started(self) -> None:
        """The startup probe has succeeded, or there is none."""

    def on_ready(self, ready: bool) -> None:
        """Readiness has changed."""

    def on_unhealthy(self, probe: str, text: str) -> None:
        """A probe has failed once; `probe` is Startup, Readiness or Liveness."""

    def on_dead(self, probe: str) -> None:
        """The startup or liveness probe has failed for good; the container is to be killed."""


async def supervise(container: Json, target: Target, observer: Observer) -> None:
    """Probe one running container until cancelled."""
    startup = container.get("startupProbe")
    if startup and not await _until_started(startup, target, observer):
        observer.on_dead("Startup")
        return
    observer.on_started()
    loops = [_readiness(container.get("readinessProbe"), target, observer)]
    if liveness := container.get("livenessProbe"):
        loops.append(_liveness(liveness, target, observer))
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop)


async def _until_started(probe: Json, target: Target, observer: Observer) -> bool:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    deadline = loop.time() + _period(probe) * probe.get("failureThreshold", 3)
    while (failure := await check(probe, target)) is not None:
        if loop.time() >= deadline:
            observer.on_unhealthy("Startup", failure)
            return False
        await asyncio.sleep(_pause(probe, 0))
    return True


async def _readiness(probe: Json | None, target: Target, observer: Observer) -> None:
    if probe is None:
        observer.on_ready(True)
        return
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    await _first_success(probe, target, observer)
    observer.on_ready(True)
    counter = _Counter(probe, ready=True)
    while True:
        await asyncio.sleep(_period(probe))
        failure = await check(probe, target)
        if failure is not None:
            observer.on_unhealthy("Readiness", failure)
        if counter.count(failure is None):
            observer.on_ready(counter.ready)


async def _first_success(probe: Json, target: Target, observer: Observer) -> None:
    successes, attempts = 0, 0
    while successes < probe.get("successThreshold", 1):
        failure = await check(probe, target)
        successes = successes + 1 if failure is None else 0
        attempts += 1
        if failure is not None:
            if attempts > _FAST_ATTEMPTS:
                observer.on_unhealthy("Readiness", failure)
            await asyncio.sleep(_pause(probe, attempts))


async def _liveness(probe: Json, target: Target, observer: Observer) -> None:
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    counter = _Counter(probe, ready=True)
    while counter.ready:
        await asyncio.sleep(_period(probe))
        failure = await check(probe, target)
        if failure is not None:
            observer.on_unhealthy("Liveness", failure)
        counter.count(failure is None)
    observer.on_dead("Liveness")


class _Counter:
    """Applies successThreshold and failureThreshold to single results."""

    def __init__(self, probe: Json, *, ready: bool) -> None:
        self.ready = ready
        self._thresholds = {True: probe.get("successThreshold", 1), False: probe.get("failureThreshold", 3)}
        self._streak = 0

    def count(self, success: bool) -> bool:
        """Take one result in and say whether `ready` has changed."""
        self._streak = self._streak + 1 if success != self.ready else 0
        if self._streak < self._thresholds[success]:
            return False
        self.ready, self._streak = success, 0
        return True


def _period(probe: Json) -> float:
    return float(probe.get("periodSeconds", 10) or 10)


def _pause(probe: Json, attempts: int) -> float:
    # A command costs a process each time; asking a socket costs a tenth of a millisecond.
    return _period(probe) if "exec" in probe or attempts > _FAST_ATTEMPTS else FAST_SECONDS


async def check(probe: Json, target: Target) -> str | None:
    """Probe once; None is success, a text says what failed."""
    try:
        async with asyncio.timeout(probe.get("timeoutSeconds", 1) or 1):
            if "httpGet" in probe:
                return await _http(probe["httpGet"], target)
            if "exec" in probe:
                code = await target.execute(list(probe["exec"]["command"]))
                return None if code == 0 else f"command exited with status {code}"
            await _tcp(probe["tcpSocket"], target)
    except TimeoutError:
        return "context deadline exceeded"
    except OSError as error:
        return f"dial tcp {target.ip}: {error.strerror or error}"
    return None


async def _tcp(action: Json, target: Target) -> None:
    _, writer = await asyncio.open_connection(target.ip, target.port(action["port"]))
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _http(action: Json, target: Target) -> str | None:
    port = target.port(action["port"])
    headers = {header["name"]: header["value"] for header in action.get("httpHeaders", ())}
    headers = {
        "Host": f"{target.ip}:{port}",
        "User-Agent": "kube-probe/1.34",
        "Connection": "close",
    } | headers
    lines = [
        f"GET {action.get('path') or '/'} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    reader, writer = await asyncio.open_connection(target.ip, port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        status = (await reader.readline()).split()
        # Read to the end, or servers log a broken connection for every probe.
        await reader.read(_HEAD_BYTES)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if len(status) < 2 or not status[1].isdigit():
        return "the reply is no HTTP"
    code = int(status[1])
    return None if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"
