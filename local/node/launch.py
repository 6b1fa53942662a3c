"""Starts processes for containers, and makes sure that none of them outlives the platform.

Each process leads its own session and process group. On Linux `setpriv` (util-linux) asks the kernel to
kill it with the platform and forbids it to gain privileges; a `preexec_fn` could do the same, but forks the
whole platform (4 ms instead of 1.4 ms, measured) and may dead-lock beside other threads. On every system
the guardian process kills the whole groups when the platform is gone, which also covers what a container
has started itself.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_GUARDIAN = Path(__file__).with_name("guardian.py")


class LaunchError(Exception):
    """The program of a container cannot be started; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run: `argv[0]` is looked up on the PATH of `env`, which is the process's whole environment."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path


class ContainerProcess:
    """A started process, the leader of its group."""

    def __init__(self, process: asyncio.subprocess.Process, launcher: "Launcher") -> None:
        self._process = process
        self._launcher = launcher
        self.pid = process.pid

    async def wait(self) -> int:
        """Wait for its end, kill the rest of its group, and return the status; 128 + n for signal n."""
        try:
            code = await self._process.wait()
        finally:
            self._kill_group()
        self._launcher.forget(self.pid)
        return code if code >= 0 else 128 - code

    def terminate(self) -> None:
        """Send SIGTERM to the leader, as a container engine does to process 1."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL to the whole group; nothing happens once the leader has ended."""
        if self._process.returncode is None:
            self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def renice(self, nice: int) -> None:
        """Set the group's scheduling priority; right after the start this covers all that it will start."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PGRP, self.pid, nice)


class Launcher:
    """Starts processes; between `start` and `stop` a guardian watches over them."""

    def __init__(self) -> None:
        self._guardian: asyncio.subprocess.Process | None = None
        self._prefix: list[str] = []

    @property
    def tied(self) -> bool:
        """Whether the kernel, too, kills the processes with the platform."""
        return bool(self._prefix)

    async def start(self) -> None:
        """Start the guardian, and find out what the system offers."""
        self._prefix = await _tie()
        self._guardian = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(_GUARDIAN),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={},
        )

    async def stop(self) -> None:
        """Let the guardian end; whatever still runs is killed by it."""
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            await self._guardian.wait()
            self._guardian = None

    async def launch(self, command: Command, log: Path | None = None) -> ContainerProcess:
        """Start a process whose output is appended to `log`; raises LaunchError."""
        program = shutil.which(command.argv[0], path=command.env.get("PATH", os.defpath))
        if program is None:
            raise LaunchError(f'exec: "{command.argv[0]}": executable file not found in $PATH')
        output = os.open(log or os.devnull, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._prefix,
                program,
                *command.argv[1:],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=command.cwd,
                env=command.env,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise LaunchError(f'exec: "{command.argv[0]}": {error}') from error
        finally:
            os.close(output)
        self._tell(f"+{process.pid}\n")
        return ContainerProcess(process, self)

    def forget(self, pid: int) -> None:
        """Take a process that has ended off the guardian's list, before its number is used again."""
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.write(line.encode())


async def _tie() -> list[str]:
    """Return the command before a command that lets the kernel kill it with us; empty where there is none."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        return []
    options = [setpriv, "--pdeathsig", "KILL", "--no-new-privs"]
    # BusyBox and util-linux before 2.33 have a setpriv without these options.
    probe = await asyncio.create_subprocess_exec(
        *options, "--version", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return [*options, "--"] if await probe.wait() == 0 else []
