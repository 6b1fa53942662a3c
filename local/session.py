"""Starts and stops what `run` and `demo` need: platform process, environment stack, automation service.

Three steps, each over the same doors that a cloud environment has: the platform process emulates the cloud,
the environment is an ordinary stack brought up by the embedded engine from `__main__.py` and `stacks/`, and
the service gets its settings from environment variables.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

import aiohttp

from local import environment, toolchains
from local.addresses import (
    ACCESS_KEY,
    CONTEXT_BUCKET,
    KANIKO_IMAGE,
    MONITOR_IMAGE,
    NAMESPACE,
    PYTHON_IMAGE,
    REGISTRY,
    SECRET_KEY,
    SOURCE_BUCKET,
    Addresses,
)
from local.ports import Ports, free_port

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 60
_STOP_SECONDS = 15

_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a signal when our parent dies
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.executable, [sys.executable, "-m", *sys.argv[2:]])
"""
# A program of its own, run before the child's: code between fork and exec (preexec_fn) can deadlock when
# another thread of the parent holds a lock, and here one imports modules at that moment.


class StartFailed(Exception):
    """A part did not come up; the text names its log."""


@dataclass
class Session:
    """One platform with its service; `start` then `stop`."""

    data: Path
    cache: Path
    ports: Ports = field(default_factory=Ports)
    service_environment: Mapping[str, str] = field(default_factory=dict)
    """Settings of the service beyond those that make it run here."""
    platform_arguments: tuple[str, ...] = ()
    desk: bool = False
    """Whether somebody may want to go through the dead letters."""
    addresses: Addresses | None = None
    token: str = ""
    _children: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _held: TextIO | None = None

    async def start(self, report: Callable[[str], None] = lambda text: None) -> Addresses:
        """Bring everything up and return where it is. Raises StartFailed; call `stop` in any case."""
        self._claim()
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True)
        self.cache.mkdir(parents=True, exist_ok=True)
        report("local platform")
        # Importing the components takes a second of CPU: it runs while the platform process starts.
        prepared = asyncio.get_running_loop().run_in_executor(None, environment.prepare)
        self.addresses = await self._start_platform()
        self.token = admin_token(self.addresses)
        report("environment stack")
        port = free_port(self.ports.service)
        self.addresses = replace(self.addresses, service=f"http://127.0.0.1:{port}")
        self.addresses.save()
        await prepared
        await asyncio.to_thread(environment.up, self.addresses)
        report("automation service")
        await self._start_service(port)
        if self.desk:
            await self._start_desk()
        return self.addresses

    def _claim(self) -> None:
        """Keep the folder for this process; the kernel frees it when the process ends, however it ends."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        claim = self.data.with_name(f"{self.data.name}.lock").open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
            raise StartFailed(
                f"another platform runs in {self.data}: stop it first, or name another folder with --work"
            ) from None
        self._held = claim

    async def _start_platform(self) -> Addresses:
        ports = [
            f"--{name}-port={getattr(self.ports, name)}" for name in ("api", "storage", "eventing", "gateway")
        ]
        await self._spawn(
            "platform",
            [
                "local.platform",
                f"--data={self.data}",
                f"--cache={self.cache}",
                *ports,
                *self.platform_arguments,
            ],
            dict(os.environ),
        )
        await self._wait_for("platform", lambda: _exists(self.data / "addresses.json"))
        return Addresses.load(self.data)

    async def _start_service(
        self, port: int, name: str = "service", settings: Mapping[str, str] | None = None
    ) -> None:
        assert self.addresses is not None
        variables = service_environment(self.addresses, port) | dict(self.service_environment)
        await self._spawn(name, ["service"], variables | dict(settings or {}))
        await self._wait_for(name, lambda: _answers(f"http://127.0.0.1:{port}/readyz"))

    async def start_replica(self, name: str, settings: Mapping[str, str] | None = None) -> Addresses:
        """Start one more automation service over the same state, with further settings; return its address.

        It is a child by this name, is told of by nobody but the caller, and ends with the session.
        """
        assert self.addresses is not None
        port = free_port(0)
        await self._start_service(port, name, settings)
        return replace(self.addresses, service=f"http://127.0.0.1:{port}")

    async def stop_replica(self, name: str) -> None:
        """Stop a service that `start_replica` started."""
        await self._end(self._children.pop(name))

    async def _start_desk(self) -> None:
        """Start what dead letters are gone through with; nothing waits for it."""
        assert self.addresses is not None
        self.addresses = replace(self.addresses, desk=f"http://127.0.0.1:{free_port(self.ports.desk)}")
        self.addresses.save()
        await self._spawn("desk", ["service.dead_letters"], desk_environment(self.addresses))

    async def restart_service(self, *, kill: bool = False) -> None:
        """Stop the automation service, by SIGKILL if asked, and start it again on the same port."""
        assert self.addresses is not None
        await self._end(self._children.pop("service"), kill=kill)
        await self._start_service(int(self.addresses.service.rsplit(":", 1)[1]))

    async def _spawn(self, name: str, module: list[str], variables: Mapping[str, str]) -> None:
        with (self.data / f"{name}.log").open("ab") as log:
            self._children[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-S", "-E", "-c", _DIE_WITH_PARENT, str(os.getpid())),
                *module,
                cwd=ROOT,
                env=variables,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C on the terminal is for the command line, which then stops its children in order.
                start_new_session=True,
            )

    async def _wait_for(self, name: str, ready: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await ready():
                    if self._children[name].returncode is not None:
                        raise StartFailed(f"the {name} ended at its start:\n{self.log_tail(name)}")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            text = f"the {name} was not ready within {_START_SECONDS} s:\n{self.log_tail(name)}"
            raise StartFailed(text) from None

    def log_tail(self, name: str, lines: int = 20) -> str:
        """The last lines of a child's log, for an error's text."""
        path = self.data / f"{name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    async def stop(self) -> None:
        """Stop every process that was started, the service first so that it can finish what it holds."""
        while self._children:
            _, child = self._children.popitem()
            await self._end(child)
        if self._held is not None:
            self._held.close()

    @staticmethod
    async def _end(child: asyncio.subprocess.Process, *, kill: bool = False) -> None:
        """Ask a child to end, and make it end if it does not."""
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill() if kill else child.terminate()
        try:
            await asyncio.wait_for(child.wait(), _STOP_SECONDS)
        except TimeoutError:
            child.kill()
            await child.wait()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the children by name."""
        return {name: child.pid for name, child in self._children.items()}


def service_environment(addresses: Addresses, port: int) -> dict[str, str]:
    """The automation service's settings here; nothing of the developer's own environment leaks in."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    return kept | {
        "ENVIRONMENT": "local",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "NAMESPACE": NAMESPACE,
        "S3_SOURCE_BUCKET": SOURCE_BUCKET,
        "S3_TMP_BUCKET": CONTEXT_BUCKET,
        "S3_ENDPOINT": addresses.storage,
        "STORAGE_ACCESS_KEY_ID": ACCESS_KEY,
        "STORAGE_SECRET_ACCESS_KEY": SECRET_KEY,
        "STORAGE_USE_IAM": "false",
        "ECR_REGISTRY": REGISTRY,
        "KANIKO_IMAGE": KANIKO_IMAGE,
        "MONITOR_IMAGE": MONITOR_IMAGE,
        "PYTHON_BASE_IMAGE": PYTHON_IMAGE,
        **toolchains.service_environment(),
        "REGISTRY_INSECURE": "true",
        "BROKER_URL": addresses.broker,
        "EMIT_EVENTS": "lifecycle,alerts,audit",
        "FUNCTION_URL": f"http://{{name}}.{{namespace}}.localhost:{addresses.gateway.rsplit(':', 1)[1]}",
        "KUBECONFIG": str(Path(addresses.data) / "service-kubeconfig"),
        "PULUMI_BACKEND_URL": f"file://{addresses.data}/state",
        "PULUMI_CONFIG_PASSPHRASE": environment.PASSPHRASE,
        "PULUMI_ENGINE": environment.engine_name(),
        "DEAD_LETTER_SINK_URI": f"{addresses.eventing}/dead-letters",
        "API_TOKENS_FILE": str(tokens_file(addresses)),
    }


def desk_environment(addresses: Addresses) -> dict[str, str]:
    """The settings of the dead letters' program here: over the emulated broker's own folder."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    return kept | {
        "ENVIRONMENT": "local",
        "PORT": addresses.desk.rsplit(":", 1)[1],
        "DLQ_FOLDER": str(Path(addresses.data) / "eventing" / "dead-letters"),
        "TARGET_URL": addresses.broker,
        "API_TOKENS_FILE": str(tokens_file(addresses)),
    }


def tokens_file(addresses: Addresses) -> Path:
    """Return the file with the token of who may read over REST; it is made with the first call."""
    path = Path(addresses.data) / "api-token"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"{secrets.token_urlsafe(24)}\n")
    return path


def admin_token(addresses: Addresses) -> str:
    """The bearer token of the platform's administrator."""
    user = json.loads(addresses.kubeconfig.read_text())["users"][0]["user"]
    return str(user["token"])


async def _exists(path: Path) -> bool:
    return path.exists()


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
