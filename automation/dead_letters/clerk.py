"""Who goes through dead letters: lists, shows, replays and purges them, by request and by schedule.

It knows nothing between two calls: what was replayed how often is in each letter, and when it came as well.
"""

import asyncio
import builtins
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from automation.dead_letters.kept import CATEGORIES, TRANSIENT, Kept, NotReplayable, describe, detail, replay
from automation.dead_letters.letter import Message
from automation.dead_letters.query import Query
from automation.dead_letters.store import Desk, Desks, Held, Place, TargetRefuses, Wish

MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""Bodies in memory at one time; letters beyond wait for the next call."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How replays go."""

    most_replays: int = 3
    """What was replayed so often and comes back is poison."""
    first_wait_seconds: float = 300.0
    """How long a letter rests before the schedule replays it; twice as long after each replay."""
    longest_wait_seconds: float = 6 * 3600.0
    most_waiting: int = 100
    """Events that may wait at the target; beyond, nothing is replayed."""
    gap_seconds: float = 0.1
    """Between two events, so that their receivers keep up."""
    batch: int = 10
    """Letters that one pass of the schedule replays."""

    def wait_seconds(self, replays: int) -> float:
        """Return how long a letter rests that was replayed so often."""
        return float(min(self.longest_wait_seconds, self.first_wait_seconds * 2 ** min(replays, 32)))


class Counts(Protocol):
    """Who is told what was replayed and purged."""

    def count_replay(self, category: str, outcome: str) -> None:
        """Count a letter: `success` or `failure`."""

    def count_purge(self, count: int) -> None:
        """Count letters that were thrown away."""


@dataclass
class Report:
    """What became of the letters of one call."""

    replayed: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    stopped: str | None = None
    """Why it ended before its time."""
    complete: bool = True
    """Whether all letters were seen; if not, there may be more that match."""

    @property
    def is_empty(self) -> bool:
        """Whether no letter was meant."""
        return not (self.replayed or self.failed or self.stopped)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "replayed": len(self.replayed),
            "failed": len(self.failed),
            "letters": self.replayed,
            "failures": self.failed,
            "stopped": self.stopped,
            "complete": self.complete,
        }


class Clerk:
    """Goes through letters; at most one call at a time has them in hand, also of several processes."""

    def __init__(self, desks: Desks, rules: Rules, counts: Counts) -> None:
        self._desks = desks
        self._rules = rules
        self._counts = counts

    async def status(self) -> dict[str, Any]:
        """Return how many letters there are, by category, and how those are who take replays, as JSON."""
        found: dict[str, int] = dict.fromkeys(CATEGORIES, 0)

        def count(message: Message) -> Wish:
            found[self._describe(message).category] += 1
            return Wish.PASS

        async with self._desks.sit_down(Place.WAITING) as desk:
            _, complete = await desk.look(count)
            target = await desk.target()
        pressure = self._pressure(target.waiting, target.waiting, target.takers)
        return {
            "waiting": sum(found.values()),
            "categories": found,
            "complete": complete,
            "target": {"waiting": target.waiting, "takers": target.takers, "pressure": pressure},
        }

    async def list(self, place: Place, query: Query, *, after: str = "") -> dict[str, Any]:
        """Return letters as JSON, the oldest first; `after` is `next` of the page before."""
        now = _now()
        found: builtins.list[Kept] = []

        def note(message: Message) -> Wish:
            kept = self._describe(message)
            if query.matches(kept, now):
                found.append(kept)
            return Wish.PASS

        async with self._desks.sit_down(place) as desk:
            _, complete = await desk.look(note)
        found.sort(key=_position)
        rest = [kept for kept in found if _position(kept) > after]
        page = rest[: query.count]
        return {
            "letters": [kept.document(now) for kept in page],
            "count": len(page),
            "total": len(found),
            "next": _position(page[-1]) if len(rest) > len(page) else None,
            "complete": complete,
        }

    async def show(self, place: Place, letter: str) -> dict[str, Any] | None:
        """Return one letter with its body as JSON, None if it is not there."""
        async with self._desks.sit_down(place) as desk:
            held, _ = await desk.look(self._picking(Query(wanted={"letter": letter}, count=1)))
        if not held:
            return None
        return detail(held[0].message, self._describe(held[0].message), _now())

    async def replay(self, place: Place, query: Query, *, force: bool = False) -> Report:
        """Replay letters one by one, as many as are asked for; `force` asks nobody whether it keeps up."""
        return await self._replay(place, self._picking(query), force=force)

    async def purge(self, place: Place, query: Query) -> dict[str, Any]:
        """Throw letters away for good; return how many."""
        async with self._desks.sit_down(place) as desk:
            held, complete = await desk.look(self._picking(query))
            for one in held:
                await desk.drop(one)
                self._counts.count_purge(1)
        return {"purged": len(held), "complete": complete}

    async def pass_schedule(self) -> Report:
        """Replay what is due: transient, rested long enough."""
        now = _now()

        def is_due(kept: Kept) -> bool:
            rested = kept.age_seconds(now) >= self._rules.wait_seconds(kept.replays)
            return kept.category == TRANSIENT and rested

        return await self._replay(Place.WAITING, self._holding(is_due, self._rules.batch), force=False)

    async def _replay(self, place: Place, wish: Callable[[Message], Wish], *, force: bool) -> Report:
        report = Report([], [])
        async with self._desks.sit_down(place) as desk:
            held, report.complete = await desk.look(wish)
            before = await desk.target()
            for number, one in enumerate(held):
                if number:
                    await asyncio.sleep(self._rules.gap_seconds)
                now = await desk.target()
                report.stopped = None if force else self._pressure(now.waiting, before.waiting, now.takers)
                if report.stopped is not None:
                    break
                await self._send(desk, one, report)
        return report

    async def _send(self, desk: Desk, held: Held, report: Report) -> None:
        kept = self._describe(held.message)
        try:
            await desk.send(held, replay(held.message, kept))
        except (NotReplayable, TargetRefuses) as error:
            self._counts.count_replay(kept.category, "failure")
            report.failed.append({"id": kept.id, "event_id": kept.attributes.get("id"), "error": str(error)})
        else:
            self._counts.count_replay(kept.category, "success")
            report.replayed.append({"id": kept.id, "event_id": kept.attributes.get("id")})

    def _pressure(self, waiting: int, before: int, takers: int) -> str | None:
        """Return why nothing should be sent now, None if nothing speaks against it."""
        if takers == 0:
            return "nobody takes events from the target's queue"
        if waiting > self._rules.most_waiting:
            return f"{waiting} events wait at the target; {self._rules.most_waiting} are allowed"
        if waiting > before + self._rules.batch:
            return f"the target's queue grew from {before} to {waiting} events meanwhile"
        return None

    def _picking(self, query: Query) -> Callable[[Message], Wish]:
        now = _now()
        return self._holding(lambda kept: query.matches(kept, now), query.count)

    def _holding(self, wanted: Callable[[Kept], bool], count: int) -> Callable[[Message], Wish]:
        """Return what holds so many letters that are wanted, as far as memory allows."""
        number = size = 0

        def wish(message: Message) -> Wish:
            nonlocal number, size
            if number >= count or (number and size + len(message.body) > MAX_HELD_BYTES):
                return Wish.STOP
            if not wanted(self._describe(message)):
                return Wish.PASS
            number, size = number + 1, size + len(message.body)
            return Wish.HOLD

        return wish

    def _describe(self, message: Message) -> Kept:
        return describe(message, most_replays=self._rules.most_replays)


def _position(kept: Kept) -> str:
    """Return where a letter is among all: a queue that was gone through has another order than before."""
    return f"{kept.kept_at.astimezone(datetime.UTC).isoformat() if kept.kept_at else ''}_{kept.id}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
