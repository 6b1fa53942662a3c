"""How many builds may be asked for in a second: by everybody together, and by each third party.

An event that was let in once is let in again: a batch or a delivery that is repeated asks for nothing new.
Each process counts for itself: with several replicas the limits are so many times as high.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from automation.errors import Saturated

MAX_KEYS: Final = 10_000
"""Third parties that are told apart at one time; for a new one that is forgotten which asked longest ago.

As many events are known to have been let in.
"""

_ROUNDING: Final = 1e-9

TOTAL: Final = "total"
THIRD_PARTY: Final = "third_party"
LIMITS: Final = (TOTAL, THIRD_PARTY)
"""What can be exceeded."""


@dataclass(frozen=True)
class Rate:
    """So many in a second, and so many at once; a rate of 0 stands for no limit."""

    per_second: float
    burst: int


class RateLimited(Saturated):
    """A rate is exceeded; `retry_after` is when the next one is taken, `limit` is one of LIMITS."""

    def __init__(self, limit: str, rate: Rate, wait_seconds: float, whose: str) -> None:
        super().__init__(
            f"{whose} may ask for {rate.per_second:g} builds a second, {rate.burst} at once;"
            f" send the event again in {wait_seconds:.1f} s"
        )
        self.limit = limit
        self.rate = rate
        self.retry_after = wait_seconds  # type: ignore[misc] # of this one, not of its class


@dataclass
class _Bucket:
    """A leaky bucket: every build pours one in, `per_second` leak out, `burst` fit."""

    level: float = 0.0
    at: float = 0.0

    def wait(self, rate: Rate, now: float) -> float:
        """Let leak what has leaked by now; return after how many seconds one more fits."""
        self.level = max(0.0, self.level - (now - self.at) * rate.per_second)
        self.at = now
        excess = self.level + 1 - rate.burst
        return excess / rate.per_second if rate.per_second and excess > _ROUNDING else 0.0


class RateLimits:
    """Admits or refuses; `clock` tells monotonic seconds. For one thread."""

    def __init__(self, total: Rate, third_party: Rate, clock: Callable[[], float]) -> None:
        self._total = total
        self._third_party = third_party
        self._clock = clock
        self._everybody = _Bucket()
        self._own: OrderedDict[str, _Bucket] = OrderedDict()
        self._admitted: OrderedDict[int, None] = OrderedDict()

    def admit(self, third_party_id: str, event: Hashable = None) -> None:
        """Count one build of a third party; one of an event that was counted lately costs nothing.

        Raises RateLimited, and has counted nothing then.
        """
        key = hash(event)  # the names themselves may be kilobytes each
        if event is not None and key in self._admitted:
            return
        now, own = self._clock(), self._bucket(third_party_id)
        if wait := own.wait(self._third_party, now):
            raise RateLimited(THIRD_PARTY, self._third_party, wait, f"third party {third_party_id}")
        if wait := self._everybody.wait(self._total, now):
            raise RateLimited(TOTAL, self._total, wait, "everybody together")
        own.level += 1
        self._everybody.level += 1
        if event is not None:
            self._admitted[key] = None
            if len(self._admitted) > MAX_KEYS:
                self._admitted.popitem(last=False)

    def _bucket(self, third_party_id: str) -> _Bucket:
        bucket = self._own.setdefault(third_party_id, _Bucket())
        self._own.move_to_end(third_party_id)
        if len(self._own) > MAX_KEYS:
            self._own.popitem(last=False)
        return bucket
