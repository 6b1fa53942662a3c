"""One container of a pod over all its starts: image, process, probes, end, back-off."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from local.apiserver.kinds import POD
from local.images import ImageError
from local.node import limits, logs, probes
from local.node.blueprint import Blueprint, Sandbox, draw
from local.node.environment import ConfigError
from local.node.launch import Command, ContainerProcess, LaunchError
from local.node.objects import Json, now, timestamp
from local.node.status import ContainerState, running, terminated, waiting

_log = logging.getLogger(__name__)
_MESSAGE_BYTES = 4096
_FALLBACK_BYTES, _FALLBACK_LINES = 2048, 80
_START_ERROR = 128
_HEALTHY_SECONDS = 600.0
"""A container that has run for so long is started again without the back-off of earlier crashes."""


class Container:
    """Runs one container. `state` is always current; `changed` is called after each change of it."""

    def __init__(self, spec: Json, sandbox: Sandbox, *, policy: str, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.state = ContainerState(self.name, spec["image"])
        self._sandbox = sandbox
        self._policy = policy
        self._changed = changed
        self._process: ContainerProcess | None = None
        self._blueprint: Blueprint | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._out_of_memory = False

    @property
    def ended(self) -> bool:
        """Whether it does not run and will not be started again."""
        return self._ended.is_set()

    def log(self, *, previous: bool = False) -> Path:
        """Return the log file of the latest start, or of the one before."""
        return self._sandbox.log(self.name, self.state.restarts - previous)

    async def run(self) -> None:
        """Start it, and again as the restart policy says; returns when it is not started any more."""
        self._ended.clear()
        first, longest = self._sandbox.host.options.backoff_seconds
        delay = 0.0
        try:
            while (blueprint := await self._prepare()) is not None:
                begun = asyncio.get_running_loop().time()
                await self._run_once(blueprint)
                if asyncio.get_running_loop().time() > begun + _HEALTHY_SECONDS:
                    delay = 0.0
                if self._stopping.is_set() or not self._restarts():
                    return
                await self._back_off(delay)
                delay = min(max(first, delay * 2), longest)
                if not self._stopping.is_set():
                    self.state.restarts += 1
        finally:
            self._ended.set()

    async def stop(self, grace_seconds: float) -> None:
        """End it for good: SIGTERM, and after the grace period SIGKILL to all of its processes."""
        self._stopping.set()
        if self._process is not None:
            self._event("Killing", f"Stopping container {self.name}")
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._ended.wait()
        if self._process is not None:
            self._process.kill()
        await self._ended.wait()

    def kill(self) -> None:
        """End it for good, at once."""
        self._stopping.set()
        if self._process is not None:
            self._process.kill()

    # Starting

    async def _prepare(self) -> Blueprint | None:
        """Return the blueprint, waiting for what it needs; None when the container is to stop."""
        delay, longest = self._sandbox.host.options.backoff_seconds
        while not self._stopping.is_set():
            try:
                return draw(self.spec, self._sandbox)
            except ImageError as error:
                await self._image_missing(error, delay)
                delay = min(delay * 2, longest)
            except ConfigError as error:
                self._set(waiting("CreateContainerConfigError", str(error)))
                self._event("Failed", f"Error: {error}", warning=True)
                await self._pause(self._sandbox.host.options.retry_seconds)
        return None

    async def _image_missing(self, error: ImageError, delay: float) -> None:
        image = self.spec["image"]
        text = f'failed to pull image "{image}": {error}'
        self._set(waiting("ErrImagePull", text))
        self._event("Failed", f'Failed to pull image "{image}": {error}', warning=True)
        await self._pause(min(delay, self._sandbox.host.options.retry_seconds))
        if not self._stopping.is_set():
            self._set(waiting("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {text}'))
            self._event("BackOff", f'Back-off pulling image "{image}"')
            await self._pause(delay)

    async def _run_once(self, blueprint: Blueprint) -> None:
        self._blueprint, self._out_of_memory = blueprint, False
        self.state.image_id = blueprint.image.digest
        started = timestamp(now())
        try:
            process = await self._sandbox.host.launcher.launch(blueprint.command, self.log())
        except LaunchError as error:
            self._event("Failed", f"Error: failed to start container: {error}", warning=True)
            self._finish(_START_ERROR, "StartError", str(error), started)
            return
        self._process = process
        process.renice(limits.niceness(self._sandbox.pod))
        self.state.container_id = f"process://{process.pid}"
        self._set(running(started))
        self._event("Pulled", f'Container image "{self.spec["image"]}" already present on machine')
        self._event("Started", f"Started container {self.name}")
        if self._stopping.is_set():
            process.terminate()
        code = await self._watched(process)
        self._process = None
        self._finish(code, self._reason(code), self._message(blueprint, code), started)

    async def _watched(self, process: ContainerProcess) -> int:
        """Wait for the end of the process while it is probed and its memory is watched."""
        guards = [asyncio.create_task(probes.supervise(self.spec, self._target(), self))]
        if (limit := limits.memory_limit(self.spec)) is not None:
            guards.append(asyncio.create_task(limits.watch_memory(process.pid, limit, self._kill_for_memory)))
        try:
            return await process.wait()
        finally:
            for guard in guards:
                guard.cancel()
            for result in await asyncio.gather(*guards, return_exceptions=True):
                if isinstance(result, Exception):
                    _log.error("a guard of container %s failed", self.name, exc_info=result)

    # Ending

    def _finish(self, code: int, reason: str, message: str, started: str) -> None:
        self.state.ready = self.state.started = False
        self._set(
            terminated(
                exit_code=code,
                reason=reason,
                message=message,
                started=started,
                finished=timestamp(now()),
                container_id=self.state.container_id,
            )
        )

    def _reason(self, code: int) -> str:
        if self._out_of_memory:
            return "OOMKilled"
        return "Completed" if code == 0 else "Error"

    def _message(self, blueprint: Blueprint, code: int) -> str:
        content = logs.tail(blueprint.termination_log, max_bytes=_MESSAGE_BYTES)
        if not content and code != 0 and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            content = logs.last_lines(logs.tail(self.log(), max_bytes=_FALLBACK_BYTES), _FALLBACK_LINES)
        return content.decode(errors="replace")

    def _kill_for_memory(self) -> None:
        self._out_of_memory = True
        self._event("OOMKilling", f"Container {self.name} was over its memory limit", warning=True)
        if self._process is not None:
            self._process.kill()

    def _restarts(self) -> bool:
        return self._policy == "Always" or (self._policy == "OnFailure" and self.state.exit_code != 0)

    async def _back_off(self, delay: float) -> None:
        """Wait before the next start; the first one follows at once."""
        self.state.last = self.state.state
        if delay:
            metadata = self._sandbox.pod["metadata"]
            pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            text = f"back-off {delay:g}s restarting failed container={self.name} pod={pod}"
            self._event(
                "BackOff", f"Back-off restarting failed container {self.name} in pod {pod}", warning=True
            )
            self._set(waiting("CrashLoopBackOff", text))
            await self._pause(delay)

    # Probes

    def _target(self) -> probes.Target:
        return probes.Target(self._sandbox.address.ip, self._port, self._execute)

    def _port(self, port: int | str) -> int:
        named = {entry.get("name"): entry["containerPort"] for entry in self.spec.get("ports", ())}
        return self._sandbox.address.port(int(named.get(port, port)))

    async def _execute(self, argv: list[str]) -> int:
        assert self._blueprint is not None
        own = self._blueprint.command
        try:
            process = await self._sandbox.host.launcher.launch(Command(argv=argv, env=own.env, cwd=own.cwd))
        except LaunchError:
            return 126
        return await process.wait()

    def on_started(self) -> None:
        """Take note that the container is up."""
        self.state.started = True
        if "readinessProbe" in self.spec:
            self._changed()

    def on_ready(self, ready: bool) -> None:
        """Take note that it takes requests, or does not any more."""
        self.state.ready = ready
        self._changed()

    def on_unhealthy(self, probe: str, text: str) -> None:
        """Record a failed probe."""
        self._event("Unhealthy", f"{probe} probe failed: {text}", warning=True)

    def on_dead(self, probe: str) -> None:
        """Kill the process; the restart policy says what follows."""
        process = self._process
        if process is None:
            return
        self._event("Killing", f"Container {self.name} failed {probe.lower()} probe, will be restarted")
        process.terminate()
        grace = self._sandbox.pod["spec"].get("terminationGracePeriodSeconds", 30)
        asyncio.get_running_loop().call_later(grace, process.kill)

    # Reporting

    def _set(self, state: Json) -> None:
        self.state.state = state
        self._changed()

    def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        recorder = self._sandbox.host.recorder
        (recorder.warning if warning else recorder.normal)(POD, self._sandbox.pod, reason, message)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
