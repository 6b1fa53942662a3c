"""The processes that carry orders out: as many as there are orders at a time, used again while whole."""

import os
import subprocess
import sys
import threading
from multiprocessing import Pipe
from typing import Any, Final

from pulumi.automation import PulumiCommand

from automation.adapters.automation_api import parcel, worker
from automation.adapters.automation_api.cli import end_session, inherited_environment
from automation.adapters.automation_api.operation import CarrierLost, Order
from engine.cancellation import Cancellation
from engine.errors import EngineError
from engine.events import EventSink

MAX_IDLE: Final = 8
"""So many workers wait for the next order; each holds the SDKs that its programs imported (some 100 MB)."""
_END_SECONDS: Final = 10.0


class Workers:
    """A Carrier. Thread-safe; starting a worker takes some 0.5 s of CPU, its first order imports SDKs."""

    def __init__(self, command: PulumiCommand) -> None:
        self.command = command
        self._idle: list[_Process] = []
        self._lock = threading.Lock()

    def __call__(self, order: Order, on_event: EventSink, cancellation: Cancellation) -> None:
        """Have a worker carry the order out. Raises CommandError, EngineError if the worker broke.

        A worker that has seen a failure is not used again: the SDK leaves threads and loops behind there.
        """
        packed = parcel.pack(order)
        process = self._taken()
        try:
            process.carry_out((packed, self.command), on_event, cancellation)
        except BaseException:
            process.end()
            raise
        self._give_back(process)

    def close(self) -> None:
        """End the workers that have nothing to do."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _taken(self) -> "_Process":
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Process()

    def _give_back(self, process: "_Process") -> None:
        with self._lock:
            if len(self._idle) < MAX_IDLE:
                self._idle.append(process)
                return
        process.end()


class _Process:
    """One worker and the connection to it."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", worker.__package__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**inherited_environment(), "PYTHONPATH": _import_path()},
                start_new_session=True,
            )

    def carry_out(self, order: tuple[Any, ...], on_event: EventSink, cancellation: Cancellation) -> None:
        """Send the order, give its events on, return or raise as it ends."""
        self._send(order)

        def stop() -> None:
            self._send(worker.TERMINATE if cancellation.terminated else worker.CANCEL)

        with cancellation.heard_by(stop):
            while True:
                kind, *content = self._answer()
                if kind == worker.EVENT:
                    on_event(*content)
                elif kind == worker.FAILED:
                    error, text = content
                    raise error(text)
                elif kind == worker.BROKEN:
                    raise EngineError(f"the worker process cannot carry the operation out: {content[0]}")
                else:
                    return

    def end(self) -> None:
        """Let the worker end; make it, if it has not after a while."""
        self._connection.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            return  # it has ended; that is told where its answers are waited for

    def _answer(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError) as error:
            status = self._process.wait()
            end_session(self._process.pid)
            raise CarrierLost(
                f"the worker process ended with status {status} before the operation did; what the CLI did "
                "is recorded in the state. Does the program end the process?"
            ) from error


def _import_path() -> str:
    """Return where this process imports from, for a child that must find the same modules."""
    return os.pathsep.join(path or os.getcwd() for path in sys.path)
