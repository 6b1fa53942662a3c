"""A circuit breaker: after failures in a row a sink is left alone for a while, then tried by one call."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When to stop trying and when to begin again."""

    failures: int = 5
    """Failures in a row after which the sink is left alone."""
    open_seconds: float = 60.0
    """How long it is left alone, and then again after each single try that fails."""


class Breaker:
    """The state of one sink, for several threads. What is lost with the process costs some vain tries."""

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._tried_again_at = 0.0

    def allows(self) -> bool:
        """Say whether a call may be made; while the sink is left alone, one in each period may."""
        with self._lock:
            if self._failures < self._patience.failures:
                return True
            now = self._clock()
            if now < self._tried_again_at:
                return False
            self._tried_again_at = now + self._patience.open_seconds
            return True

    def succeeded(self) -> None:
        """Note a call that the sink took: it is well."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """Note a call that the sink did not take."""
        with self._lock:
            self._failures += 1
            self._tried_again_at = self._clock() + self._patience.open_seconds

    @property
    def is_open(self) -> bool:
        """Whether the sink is being left alone."""
        with self._lock:
            return self._failures >= self._patience.failures
