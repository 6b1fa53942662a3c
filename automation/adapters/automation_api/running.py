"""What an engine has under way, so that all of it can be stopped in the end."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from engine.cancellation import Cancellation
from engine.errors import EngineError, UpdateCanceled

LAST_SECONDS: Final = 15.0
"""How long operations that are made to stop at once may take for it."""


class Running:
    """Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._cancellations: set[Cancellation] = set()
        self._closed = False

    @contextmanager
    def stoppable(self, by: Cancellation | None) -> Iterator[Cancellation]:
        """Give an operation what stops it: the caller's request, or the engine's end."""
        ours, theirs = Cancellation(), by or Cancellation()

        def pass_on() -> None:
            (ours.terminate if theirs.terminated else ours.cancel)()

        with self._changed:
            if self._closed:
                raise EngineError("the engine is closed; make a new one")
            self._cancellations.add(ours)
        try:
            with theirs.heard_by(pass_on):
                if ours.cancelled:
                    raise UpdateCanceled(
                        "the operation was canceled before it began", terminated=ours.terminated
                    )
                yield ours
        finally:
            with self._changed:
                self._cancellations.discard(ours)
                self._changed.notify_all()

    def close(self, grace_seconds: float) -> None:
        """Have everything stop: gracefully, after the grace at once. Later operations are refused."""
        with self._changed:
            self._closed = True
        for stop, seconds in ((Cancellation.cancel, grace_seconds), (Cancellation.terminate, LAST_SECONDS)):
            with self._changed:
                under_way = tuple(self._cancellations)
            for cancellation in under_way:
                stop(cancellation)
            if self._ended(time.monotonic() + seconds):
                return

    def _ended(self, deadline: float) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._cancellations, timeout=max(0.0, deadline - time.monotonic())
            )
