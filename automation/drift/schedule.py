"""Which stacks are due: round and round in the order of their names, at one rate for all replicas. Pure.

Where the round stands is one object that the API server versions. Whoever takes the next stacks writes
that down first, so that no two replicas take the same ones and the rate holds however many there are. Stacks
that a replica took and did not get to are looked at in the next round.
"""

import bisect
import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

MINUTE: Final = datetime.timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the round stands."""

    last: str = ""
    """The stack that was taken last."""
    at: datetime.datetime | None = None
    """Until when the rate is used up; None: nothing was ever taken."""
    version: str = ""
    """Of the object that says so; empty: there is none."""


def taken(
    place: Place, stacks: Sequence[str], per_minute: int, now: datetime.datetime
) -> tuple[Place, tuple[str, ...]]:
    """Return where the round stands once the stacks that are due are taken, and these; `stacks` are sorted.

    After a pause no more are due than in one minute, and never one twice.
    """
    pace = MINUTE / per_minute
    since = max(place.at, now - MINUTE) if place.at else now - MINUTE
    count = min(max(0, int((now - since) / pace)), len(stacks))
    if not count:
        return place, ()
    first = bisect.bisect_right(stacks, place.last)
    due = (*stacks[first:], *stacks[:first])[:count]
    return replace(place, last=due[-1], at=since + count * pace), due
