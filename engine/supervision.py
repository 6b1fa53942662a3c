"""Carrying an operation out so that it can be stopped from outside, even if a call or the program hangs.

The work is done on another thread, while the caller's listens. What cannot be stopped there is given up: it
may go on, but whatever it comes to is neither recorded nor reported any more.
"""

import contextvars
import queue
import time
from collections.abc import Callable
from typing import Final

from engine.cancellation import Cancellation
from engine.run import Run
from engine.threads import Workers

PATIENCE_SECONDS: Final = 5.0
"""How long a cancelled program may go on by itself after the last provider call is over."""

_LOOK_SECONDS: Final = 0.05
"""How often a cancelled operation is looked at: nobody tells when its last call is over."""


class Supervision:
    """One piece of work under the eyes of a cancellation."""

    def __init__(self, run: Run, workers: Workers, cancellation: Cancellation) -> None:
        self._run = run
        self._workers = workers
        self._cancellation = cancellation
        self._inbox: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ended = False
        self._error: BaseException | None = None

    def carry_out(
        self, work: Callable[[], None], *, cancel: Callable[[], None], abandon: Callable[[], None]
    ) -> None:
        """Do the work, and raise what it raises.

        `cancel` is called once it is to take no new steps, `abandon` if it is given up.
        """
        context = contextvars.copy_context()
        try:
            with self._cancellation.heard_by(self._wake):
                self._workers.run(lambda: context.run(self._work, work))
                while not (self._ended or self._cancellation.cancelled):
                    self._inbox.get()
                if not self._ended:
                    cancel()
                    self._wait()
        finally:
            if not self._ended:
                abandon()
        if self._error is not None:
            raise self._error

    def _work(self, work: Callable[[], None]) -> None:
        try:
            work()
        # Whatever ends the work belongs to the caller.
        except BaseException as error:
            self._error = error
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        self._inbox.put(None)

    def _wait(self) -> None:
        """Return when the work has ended or there is nothing more to wait for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (self._ended or self._cancellation.terminated):
            if self._run.journal.calling:
                deadline = time.monotonic() + PATIENCE_SECONDS
            elif time.monotonic() > deadline:
                return
            try:
                self._inbox.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
