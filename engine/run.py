"""What the parts of one operation share: where it runs, what it did so far, and whether it has to stop."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from engine.events import Events
from engine.journal import Journal
from engine.masking import masking
from engine.names import StackRef
from engine.options import DEFAULTS, Options

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Stopped(Exception):
    """The operation takes no further step, because one failed. The reason is in the run's diagnostics."""


class StepFailed(Stopped):
    """One step failed. Whether the operation goes on without it is the run's to say."""


class Run:
    """One operation on one stack. Thread-safe."""

    def __init__(
        self,
        stack: StackRef,
        journal: Journal,
        events: Events,
        *,
        preview: bool,
        parallel: int,
        options: Options = DEFAULTS,
    ) -> None:
        self.stack = stack
        self.journal = journal
        self.events = events
        self.preview = preview
        self.parallel = parallel
        self.options = options
        self.canceled = False
        """Whether somebody outside stopped the operation before it was done."""
        self.diagnostics: list[str] = []
        self.cause: BaseException | None = None
        """The first exception that failed the run, where there was one."""
        self._limit = threading.BoundedSemaphore(parallel)
        self._stopped = False
        self._interrupts: list[Callable[[], None]] = []

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
        cancellation = self.options.cancellation
        if cancellation is not None and cancellation.cancelled:
            self.cancel()
        if self._stopped:
            raise Stopped

    def fail(
        self, message: str, *, urn: str = "", cause: BaseException | None = None, stop: bool = True
    ) -> None:
        """Note an error for the user; with `stop`, no new step starts from now on."""
        self._stopped = self._stopped or stop
        message = self.events.clean(message)
        text = f"{urn}: {message}" if urn else message
        if text in self.diagnostics:
            return  # several requests can run into the same obstacle
        self.diagnostics.append(text)
        self.cause = self.cause or cause
        self.events.diagnostic(message, severity="error", urn=urn)

    def halt(self) -> None:
        """Let no new step start: the reason is among the diagnostics already."""
        self._stopped = True

    def cancel(self) -> None:
        """Let no new step start, because somebody outside said so, and end what only waits."""
        if self.canceled:
            return
        self.canceled = True
        self.fail(f"{'preview' if self.preview else 'update'} canceled")
        for interrupt in tuple(self._interrupts):
            interrupt()

    @contextlib.contextmanager
    def interrupted_by(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Have a function called when the operation is cancelled meanwhile; it must not wait."""
        self._interrupts.append(interrupt)
        try:
            if self.canceled:
                interrupt()
            yield
        finally:
            self._interrupts.remove(interrupt)

    def call(
        self,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Call a provider, no more calls at a time than the run's parallel limit.

        Its errors quote none of the secrets that it was given.
        """
        with self._limit, masking((args, kwargs)):
            return function(*args, **kwargs)
