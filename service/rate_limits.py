"""How many builds may be asked for in a second, by all and by each third party; how many events of a source.

An event that was let in once is let in again: a batch or a delivery that is repeated asks for nothing new.
Each process counts for itself: with several replicas the limits are so many times as high.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from automation.errors import Saturated
from automation.event_fields import shown

MAX_KEYS: Final = 10_000
"""Third parties, or sources, told apart at one time; for a new one that is forgotten which asked longest ago.

As many events are known to have been let in.
"""

_ROUNDING: Final = 1e-9

TOTAL: Final = "total"
THIRD_PARTY: Final = "third_party"
SOURCE: Final = "source"
LIMITS: Final = (TOTAL, THIRD_PARTY, SOURCE)
"""What senders can exceed."""
READ: Final = "read"
"""What readers can exceed."""
_BUILDS: Final = ("ask for {:g} builds", "event")
_WORDS: Final = {
    TOTAL: _BUILDS,
    THIRD_PARTY: _BUILDS,
    SOURCE: ("send {:g} events", "event"),
    READ: ("ask for {:g} answers", "request"),
}
"""What a limit is about, and what is sent again."""


@dataclass(frozen=True)
class Rate:
    """So many in a second, and so many at once; a rate of 0 stands for no limit."""

    per_second: float
    burst: int


UNLIMITED: Final = Rate(0, 1)


class RateLimited(Saturated):
    """A rate is exceeded; `retry_after` is when the next one is taken, `limit` says which."""

    def __init__(self, limit: str, rate: Rate, wait_seconds: float, whose: str) -> None:
        what, again = _WORDS[limit]
        super().__init__(
            f"{whose} may {what.format(rate.per_second)} a second, {rate.burst} at once;"
            f" send the {again} again in {wait_seconds:.1f} s"
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


class ReadRate:
    """Admits or refuses requests over REST, all readers together; `clock` tells monotonic seconds."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._bucket = _Bucket()

    def admit(self) -> None:
        """Count one request. Raises RateLimited, and has counted nothing then."""
        if wait := self._bucket.wait(self._rate, self._clock()):
            raise RateLimited(READ, self._rate, wait, "all readers together")
        self._bucket.level += 1


class RateLimits:
    """Admits or refuses; `clock` tells monotonic seconds. For one thread."""

    def __init__(
        self, total: Rate, third_party: Rate, clock: Callable[[], float], source: Rate = UNLIMITED
    ) -> None:
        self._total = total
        self._third_party = third_party
        self._source = source
        self._clock = clock
        self._everybody = _Bucket()
        self._own = _Buckets()
        self._sources = _Buckets()
        self._admitted = _Admitted()
        self._received = _Admitted()

    def receive(self, source: str, event: Hashable = None) -> None:
        """Count one event of a source; one that was counted lately costs nothing.

        Raises RateLimited, and has counted nothing then.
        """
        if not self._source.per_second or (event is not None and event in self._received):
            return
        bucket = self._sources.of(source)
        if wait := bucket.wait(self._source, self._clock()):
            raise RateLimited(SOURCE, self._source, wait, f"source {shown(source)}")
        bucket.level += 1
        if event is not None:
            self._received.add(event)

    def admit(self, third_party_id: str, event: Hashable = None) -> None:
        """Count one build of a third party; one of an event that was counted lately costs nothing.

        Raises RateLimited, and has counted nothing then.
        """
        if event is not None and event in self._admitted:
            return
        now, own = self._clock(), self._own.of(third_party_id)
        if wait := own.wait(self._third_party, now):
            raise RateLimited(THIRD_PARTY, self._third_party, wait, f"third party {third_party_id}")
        if wait := self._everybody.wait(self._total, now):
            raise RateLimited(TOTAL, self._total, wait, "everybody together")
        own.level += 1
        self._everybody.level += 1
        if event is not None:
            self._admitted.add(event)


class _Buckets:
    """A bucket for each of the latest senders."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, sender: str) -> _Bucket:
        """Return the bucket of a sender."""
        bucket = self._buckets.setdefault(sender, _Bucket())
        self._buckets.move_to_end(sender)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        return bucket


class _Admitted:
    """The latest events that were let in."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[int, None] = OrderedDict()  # the names may be kilobytes each

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, event: Hashable) -> bool:
        return hash(event) in self._hashes

    def add(self, event: Hashable) -> None:
        """Remember one."""
        self._hashes[hash(event)] = None
        if len(self._hashes) > MAX_KEYS:
            self._hashes.popitem(last=False)
