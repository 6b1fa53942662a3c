"""One thread that sends, in the order in which it is told to, and comes back to what is left.

A stack is in one lane only, so that its events keep their order. What a lane remembers is a hint: the record
in the stack is what counts, and the sweep finds what a lane has lost.
"""

import heapq
import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from automation.errors import PlatformError

_LOG: Final = logging.getLogger(__name__)

FIRST_DELAY_SECONDS: Final = 0.25
MAX_DELAY_SECONDS: Final = 60.0
"""Pauses before what could not be done is tried again: doubling."""

LONGEST_LIST: Final = 10_000
"""Stacks that a lane remembers; further ones are left to the sweep."""

Attend = Callable[[str], float | None]
"""Does what is to be done for a stack; returns after how many seconds to come back, None: not at all.

Raises PlatformError for what is to be tried again.
"""


class Lane:
    """Attends to stacks at their times, one after the other; its thread begins with the first."""

    def __init__(self, name: str, attend: Attend, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._attend = attend
        self._clock = clock
        self._changed = threading.Condition()
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._tries: dict[str, int] = {}
        self._closing = False
        self._thread: threading.Thread | None = None

    def come(self, stack: str, seconds: float) -> None:
        """Attend to a stack in so many seconds, or earlier if that was to be done anyway."""
        with self._changed:
            if self._closing or (stack not in self._due and len(self._due) >= LONGEST_LIST):
                return
            self._begin()
            due = min(self._clock() + seconds, self._due.get(stack, float("inf")))
            self._due[stack] = due
            heapq.heappush(self._heap, (due, stack))
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Attend to what is due by now, for at most so many seconds, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(seconds)

    def _begin(self) -> None:
        if self._thread is None:
            # A daemon: a sink that does not answer must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (stack := self._next()) is not None:
            self._attend_to(stack)

    def _next(self) -> str | None:
        """Wait for the next stack that is due; None: nothing is, and the lane closes."""
        with self._changed:
            while True:
                wait = self._drop_outdated()
                if wait is not None and wait <= 0:
                    _, stack = heapq.heappop(self._heap)
                    del self._due[stack]
                    return stack
                if self._closing:
                    return None
                self._changed.wait(wait)

    def _drop_outdated(self) -> float | None:
        """Drop entries that others took the place of; return the seconds until the first, if any."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] - self._clock() if self._heap else None

    def _attend_to(self, stack: str) -> None:
        delay: float | None = None
        try:
            delay = self._attend(stack)
            self._tries.pop(stack, None)
        except PlatformError as error:
            delay = self._next_delay(stack)
            _LOG.debug("to be tried again", extra={"kl_stack": stack, "kl_error": error.message})
        except Exception:
            # A defect that one stack brings out must not keep the events of all others back.
            _LOG.exception("events of a stack are not sent", extra={"kl_stack_name": stack})
            delay = MAX_DELAY_SECONDS
        if delay is not None:
            self.come(stack, delay)

    def _next_delay(self, stack: str) -> float:
        tries = self._tries[stack] = self._tries.get(stack, 0) + 1
        return min(FIRST_DELAY_SECONDS * 2.0 ** min(tries - 1, 10), MAX_DELAY_SECONDS)
