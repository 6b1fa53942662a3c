"""Whose build is next: the limits of an environment, and the order in which waiting builds begin. Pure.

Fair between third parties first: whoever has the fewest builds running is next, so that five hundred builds
of one never hold up another's. Among equals the one that has waited longest, where priorities count as a head
start of so much waiting: so nothing waits for ever, whatever keeps coming with a higher one.
"""

import datetime
from collections import Counter, deque
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from automation.events import FunctionId, Priority

_HEAD_START: Final[Mapping[str, datetime.timedelta]] = {
    Priority.LOW: datetime.timedelta(minutes=-15),
    Priority.NORMAL: datetime.timedelta(0),
    Priority.HIGH: datetime.timedelta(minutes=15),
    Priority.URGENT: datetime.timedelta(hours=1),
}
"""What a priority is worth, in waiting."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many builds an environment takes; 0 stands for no limit, everywhere."""

    running: int
    """Builds at one time."""
    third_party: int
    """Of them, builds of one third party."""
    waiting: int
    """Builds that wait; of one third party half as many."""

    @property
    def are_set(self) -> bool:
        """Whether a build may ever have to wait."""
        return bool(self.running or self.third_party)

    @property
    def third_party_waiting(self) -> int:
        """Builds of one third party that wait: the other half is left to the others."""
        return (self.waiting + 1) // 2


@dataclass(frozen=True, kw_only=True)
class BuildJob:
    """A build's Job that has not ended."""

    name: str
    function: FunctionId
    build_id: str = ""
    priority: str = Priority.NORMAL
    since: datetime.datetime
    """Since when it waits, or waited."""
    waits: bool

    @property
    def rank(self) -> tuple[datetime.datetime, str]:
        """What orders builds of equal claims: smaller goes first."""
        return self.since - _HEAD_START.get(self.priority, datetime.timedelta(0)), self.name


@dataclass(frozen=True, kw_only=True)
class Line:
    """All builds of an environment at one moment, and its limits."""

    jobs: tuple[BuildJob, ...] = ()
    limits: Limits

    @cached_property
    def running(self) -> Counter[str]:
        """How many builds run, by third party."""
        return Counter(job.function.third_party_id for job in self.jobs if not job.waits)

    @cached_property
    def waiting(self) -> Counter[str]:
        """How many builds wait, by third party."""
        return Counter(job.function.third_party_id for job in self.jobs if job.waits)

    @cached_property
    def order(self) -> tuple[BuildJob, ...]:
        """Builds that wait, in the order in which they would get their turn if nothing came or ended."""
        return tuple(_in_turn(self.jobs, self.running))

    def has_room(self, third_party_id: str) -> bool:
        """Whether a new build of a third party would begin at once: nobody waits whose turn comes first."""
        ahead = self.running[third_party_id] + self.waiting[third_party_id]
        everybody = self.running.total() + self.waiting.total()
        return _below(everybody, self.limits.running) and _below(ahead, self.limits.third_party)

    def place(self, job_name: str) -> Mapping[str, int] | None:
        """Return where a waiting build stands, from 1; None if it does not wait (any more)."""
        names = [job.name for job in self.order]
        if job_name not in names:
            return None
        return {
            "position": names.index(job_name) + 1,
            "waiting": len(names),
            "running": self.running.total(),
            "limit": self.limits.running,
        }

    def refusal(self, third_party_id: str) -> str | None:
        """Return why no further build of a third party may wait; None: it may."""
        own, everybody = self.waiting[third_party_id], self.waiting.total()
        counts = f"{self.running.total()} builds run, {self.limits.running} are allowed"
        if not _below(own, self.limits.third_party_waiting):
            whose = f"{own} builds of third party {third_party_id} wait, {self.limits.third_party_waiting}"
            return f"{whose} are allowed; {counts}; send the event again later"
        if not _below(everybody, self.limits.waiting):
            allowed = f"{everybody} builds wait, {self.limits.waiting} are allowed"
            return f"{allowed}; {counts}; send the event again later"
        return None

    def turns(self, passed_over: Container[str] = ()) -> tuple[BuildJob, ...]:
        """Return the waiting builds that may begin now, in order, without Jobs that are passed over."""
        running = Counter(self.running)
        begun: list[BuildJob] = []
        for job in self.order:
            third_party = job.function.third_party_id
            if not _below(running.total(), self.limits.running):
                break
            if job.name not in passed_over and _below(running[third_party], self.limits.third_party):
                running[third_party] += 1
                begun.append(job)
        return tuple(begun)


def _below(count: int, limit: int) -> bool:
    return not limit or count < limit


@dataclass
class _Claim:
    """A third party's waiting builds, best first, and how many of its run."""

    running: int
    waiting: deque[BuildJob] = field(default_factory=deque)


def _in_turn(jobs: Iterable[BuildJob], running: Mapping[str, int]) -> Iterator[BuildJob]:
    """Yield waiting builds, each time the best of whoever has the fewest; a yielded one counts as running."""
    claims: dict[str, _Claim] = {}
    for job in sorted((job for job in jobs if job.waits), key=lambda job: job.rank):
        third_party = job.function.third_party_id
        claims.setdefault(third_party, _Claim(running.get(third_party, 0))).waiting.append(job)
    while claims:
        third_party = min(claims, key=lambda one: (claims[one].running, claims[one].waiting[0].rank))
        claim = claims[third_party]
        yield claim.waiting.popleft()
        claim.running += 1
        if not claim.waiting:
            del claims[third_party]
