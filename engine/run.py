"""What the parts of one operation share: where it runs, what it did so far, and whether it has to stop."""

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from engine.events import Events
from engine.journal import Journal
from engine.names import StackRef

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Stopped(Exception):
    """The operation takes no further step, because one failed. The reason is in the run's diagnostics."""


class Run:
    """One operation on one stack. Thread-safe."""

    def __init__(
        self, stack: StackRef, journal: Journal, events: Events, *, preview: bool, parallel: int
    ) -> None:
        self.stack = stack
        self.journal = journal
        self.events = events
        self.preview = preview
        self.parallel = parallel
        self.diagnostics: list[str] = []
        self.cause: BaseException | None = None
        """The first exception that failed the run, where there was one."""
        self._limit = threading.BoundedSemaphore(parallel)
        self._stopped = False

    @property
    def failed(self) -> bool:
        """Whether anything went wrong so far."""
        return bool(self.diagnostics)

    @property
    def stopped(self) -> bool:
        """Whether no new step may start."""
        return self._stopped

    def check(self) -> None:
        """Raise Stopped if no new step may start."""
        if self._stopped:
            raise Stopped

    def fail(
        self, message: str, *, urn: str = "", cause: BaseException | None = None, stop: bool = True
    ) -> None:
        """Note an error for the user; with `stop`, no new step starts from now on."""
        text = f"{urn}: {message}" if urn else message
        if text in self.diagnostics:
            return  # several requests can run into the same obstacle
        self.diagnostics.append(text)
        self.cause = self.cause or cause
        self._stopped = self._stopped or stop
        self.events.diagnostic(message, severity="error", urn=urn)

    def call(
        self,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Call a provider, no more calls at a time than the run's parallel limit."""
        with self._limit:
            return function(*args, **kwargs)
