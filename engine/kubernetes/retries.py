"""When a request is sent again, and how long it may take. Pure, but for the random spread of pauses.

- 429 (and 503 with Retry-After) means that the server did nothing: every request may be sent again.
- Other server errors, and broken connections, leave that open: reads are sent again, and writes only where
  the server asks for it and a second time does no harm, which is everything but a create.
"""

import random
import time
from collections.abc import Mapping

THROTTLED_SECONDS = 60.0
"""How long in all one call keeps trying while the server answers 'too many requests'."""

READ_RETRIES = 3
_SERVER_ERRORS = frozenset((500, 502, 503, 504))
_LONGEST_PAUSE = 10.0


def pause(method: str, status: int, headers: Mapping[str, str], attempt: int) -> float | None:
    """Return the seconds to wait before a request is repeated; None if it is not to be.

    `status` is the answer's, `attempt` counts from 0.
    """
    told = headers.get("Retry-After", "")
    backoff = min(0.1 * 2**attempt, _LONGEST_PAUSE)
    if status == 429 or (status == 503 and told):
        return _spread(told, backoff)
    if status not in _SERVER_ERRORS or method == "POST":
        return None
    if told or (method == "GET" and attempt < READ_RETRIES):
        return _spread(told, backoff)
    return None


def _spread(told: str, backoff: float) -> float:
    """Return the time told, else the backoff, with up to a quarter of the backoff on top."""
    base = float(told) if told.isdigit() else backoff
    return base + random.uniform(0, 0.25 * backoff)  # noqa: S311 (spreads retries, guards nothing)


class Patience:
    """How long to wait for an answer: less while the server has just left another request without one.

    So a server that hangs costs one long wait for each thread, and not one for each request. Thread-safe, as
    its one field is read and written whole.
    """

    def __init__(self, seconds: float, doubtful_seconds: float, memory_seconds: float) -> None:
        self._seconds = seconds
        self._doubtful = min(doubtful_seconds, seconds)
        self._memory = memory_seconds
        self._doubted_at = float("-inf")

    def seconds(self) -> float:
        """Return the seconds to wait for the next answer."""
        doubted = time.monotonic() - self._doubted_at < self._memory
        return self._doubtful if doubted else self._seconds

    def answered(self) -> None:
        """Take note of an answer."""
        self._doubted_at = float("-inf")

    def timed_out(self) -> None:
        """Take note that an answer did not come in time."""
        self._doubted_at = time.monotonic()
