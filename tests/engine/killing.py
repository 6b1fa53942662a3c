"""Kills a process for real (SIGKILL) at the n-th moment of an operation: at every write, around every call.

The process is forked from the test, so that it starts at once; its world is a file, as its backend is a
folder or a bucket. What is killed leaves no chance to clean up: no `finally`, no released lock.
"""

import json
import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import Engine
from engine.backend import Backend
from engine.provider import CreateResult, Properties, ReadResult
from tests.engine.fake import FakeProvider, World

KILLED = -signal.SIGKILL


class Moments:
    """Counts the moments at which the process could end, and ends it at one; None lets it live."""

    def __init__(self, last: int | None) -> None:
        self._last = last
        self._passed = 0

    def passed(self) -> None:
        """Be at one more moment."""
        if self._passed == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        self._passed += 1


class FileWorld(World):
    """A world that survives its process: resources and the number of ids that were given are in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        if path.exists():
            self.resources = json.loads(path.read_text())

    def save(self) -> None:
        """Make what happened so far last."""
        temporary = self._path.with_suffix(".new")  # another thread may be what the kill finds
        temporary.write_text(json.dumps(self.resources))
        temporary.replace(self._path)

    def next_id(self, name: str) -> str:
        """Return an id that no other process gave either."""
        taken = {int(id_.rsplit("-", 1)[1]) for id_ in self.resources}
        return f"{name}-{max(taken, default=0) + 1}"


class MortalProvider(FakeProvider):
    """The package `fake`, with a moment before and after each call that counts."""

    def __init__(self, world: FileWorld, moments: Moments) -> None:
        super().__init__(world)
        self._file = world
        self._moments = moments

    def create(self, *, preview: bool = False, **arguments: Any) -> CreateResult:
        return self._around(lambda: FakeProvider.create(self, preview=preview, **arguments))

    def update(self, **arguments: Any) -> Properties:
        return self._around(lambda: FakeProvider.update(self, **arguments))

    def delete(self, **arguments: Any) -> None:
        self._around(lambda: FakeProvider.delete(self, **arguments))

    def read(self, **arguments: Any) -> ReadResult:
        return self._around(lambda: FakeProvider.read(self, **arguments))

    def _around(self, call: Callable[[], Any]) -> Any:
        self._moments.passed()
        answer = call()
        self._file.save()
        self._moments.passed()
        return answer


class FindingProvider(MortalProvider):
    """Finds what a creation made that was cut off: what exists by that name and is not recorded."""

    def __init__(self, world: FileWorld, moments: Moments, recorded: Callable[[], set[str]]) -> None:
        super().__init__(world, moments)
        self._recorded = recorded

    def find_created(self, *, urn: str, inputs: Properties) -> CreateResult | None:
        known, name = self._recorded(), urn.rsplit("::", 1)[-1]
        for id_, outputs in self._file.resources.items():
            if outputs["name"] == name and id_ not in known:
                return CreateResult(id=id_, outputs=outputs)
        return None


class MortalBackend:
    """A backend with a moment before each of its changes."""

    def __init__(self, backend: Backend, moments: Moments) -> None:
        self._backend = backend
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._backend, name)
        if name not in ("write", "create", "copy", "delete"):
            return found

        def change(*arguments: Any, **options: Any) -> None:
            self._moments.passed()
            found(*arguments, **options)

        return change


def in_a_process(work: Callable[[], object]) -> int:
    """Do some work in a forked process; return how it ended: 0, or the negative number of a signal.

    An exception of the work is an AssertionError here, with its traceback.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # whatever it is, it must not get into the test's own frames
            os.write(writer, traceback.format_exc()[-4000:].encode())
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        report = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended in (0, KILLED), report or f"ended with {ended}"
    return ended


def engine_on(backend: Any, world: FileWorld, moments: Moments, recorded: Callable[[], set[str]]) -> Engine:
    """Return an engine that does one thing at a time, so that the moments are the same in each run."""
    return Engine(backend, {"fake": lambda: FindingProvider(world, moments, recorded)}, parallel=1)
