"""What the runner uses: notes what a decision emits, has it sent once recorded, and knows what is sent."""

import datetime
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from automation.errors import DependencyUnavailable
from automation.events import FunctionEvent
from automation.model import FunctionState
from automation.outbox.derivation import Change, Telling, emissions
from automation.outbox.emission import Emission
from automation.outbox.lane import Lane
from automation.outbox.sinks import Sinks

LONGEST: Final = 256
"""Events of one function that may wait; while so many do, the function takes no further commands."""

CONFIRM: Final = datetime.timedelta(minutes=5)
"""After how long what was sent is taken out of a record that nothing else has changed meanwhile."""

LEFT: Final = CONFIRM + datetime.timedelta(minutes=1)
"""From which age on events in a record count as left behind by a process that is gone."""

PACE_SECONDS: Final = 0.2
"""Between two records that are settled: each costs an update of a stack."""

_LANES: Final = 4
_REMEMBERED: Final = 20_000
"""Ids of sent events that a process knows; one that it forgot may be sent twice."""

Settle = Callable[[str], None]
"""Sends what a stack's record holds and takes it out. Raises PlatformError for what is to be tried again."""


@dataclass(frozen=True)
class Numbers:
    """What the outbox of a process has done and has to do."""

    counts: Mapping[tuple[str, str], int]
    """Events by kind and outcome."""
    waiting: int
    """Stacks with events that could not be sent, as far as this process knows."""
    oldest: datetime.datetime | None
    """Time of the oldest of these events."""


class Outbox:
    """The events of all functions that this process changes; for several threads.

    What it remembers only saves work: all that matters is in the functions' records.
    """

    def __init__(self, telling: Telling, sinks: Sinks) -> None:
        self._telling = telling
        self._sinks = sinks
        self._settle: Settle = lambda stack: None
        self._lock = threading.Lock()
        self._sent: OrderedDict[str, None] = OrderedDict()
        self._handed: dict[str, FunctionState] = {}
        self._waiting: dict[str, datetime.datetime] = {}
        self._slots: dict[str, float] = {}
        self._next_slot = 0.0
        self._lanes = [Lane(f"outbox-{number}", self._attend) for number in range(_LANES)]

    def settle_with(self, settle: Settle) -> None:
        """Say how a stack's record is settled; to be called once, before anything is sent."""
        self._settle = settle

    def note(
        self,
        before: FunctionState,
        decided: FunctionState,
        event: FunctionEvent | None,
        now: datetime.datetime,
    ) -> FunctionState:
        """Return the decided state with what it emits, and without what is known to be sent.

        Raises DependencyUnavailable if the events of this function have been waiting for too long.
        """
        made = emissions(Change(before=before, after=decided, event=event, now=now), self._telling)
        waiting = self._unsent(before)  # whatever a transition makes of the rest, these stay
        if made and len(waiting) >= LONGEST:
            raise DependencyUnavailable(
                f"{len(waiting)} events of {decided.function} wait for the broker to take them, which is the "
                "limit; send the event again when the broker is back"
            )
        return replace(decided, outbox=(*waiting, *made))

    def recorded(self, stack: str, state: FunctionState) -> None:
        """Have the events of a state sent that is recorded by now; returns at once."""
        if state.outbox:
            with self._lock:
                self._handed[stack] = state
            self._lane(stack).come(stack, 0)

    def found(self, stack: str, state: FunctionState, now: datetime.datetime) -> bool:
        """Look after events that are in a record, once they are old enough; say whether there are any."""
        if not state.outbox:
            return False
        age = now - state.outbox[-1].at
        self._lane(stack).come(stack, max(0.0, (LEFT - age).total_seconds()))
        return True

    def send(self, stack: str, state: FunctionState) -> None:
        """Send what of a state is not known to be sent, as long as that goes on.

        Raises DependencyUnavailable if something is left.
        """
        left = self._unsent(state)
        progress = True
        while left and progress:
            done = self._sinks.send(state.function, left)
            self._remember(done)
            left, progress = self._unsent(state), bool(done)
        with self._lock:
            self._waiting.pop(stack, None)
            if left:
                self._waiting[stack] = left[0].at
        if left:
            raise DependencyUnavailable(f"{len(left)} events of {state.function} are not sent yet")

    def _remember(self, sent: Iterable[Emission]) -> None:
        with self._lock:
            self._sent.update(dict.fromkeys(one.id for one in sent))
            while len(self._sent) > _REMEMBERED:
                self._sent.popitem(last=False)

    def numbers(self) -> Numbers:
        """Return current numbers; cheap."""
        with self._lock:
            oldest = min(self._waiting.values(), default=None)
            return Numbers(self._sinks.counts, len(self._waiting), oldest)

    def close(self, seconds: float) -> None:
        """Send what is to be sent now, for at most so many seconds for each lane, and end."""
        for lane in self._lanes:
            lane.close(seconds)
        self._sinks.close()

    def _unsent(self, state: FunctionState) -> tuple[Emission, ...]:
        with self._lock:
            return tuple(one for one in state.outbox if one.id not in self._sent)

    def _attend(self, stack: str) -> float | None:
        """Send what was just recorded, else settle what is left in the record."""
        with self._lock:
            state = self._handed.pop(stack, None)
        if state is not None:
            self.send(stack, state)
            return CONFIRM.total_seconds()
        wait = self._seconds_until_slot(stack)
        if not wait:
            self._settle(stack)
        return wait

    def _seconds_until_slot(self, stack: str) -> float | None:
        """Return how long a stack has to wait until its record may be settled; None: it may be now."""
        with self._lock:
            if self._slots.pop(stack, None) is not None:
                return None
            now = time.monotonic()
            slot = max(now, self._next_slot)
            self._next_slot = slot + PACE_SECONDS
            if slot <= now:
                return None
            self._slots[stack] = slot
            return slot - now

    def _lane(self, stack: str) -> Lane:
        return self._lanes[zlib.crc32(stack.encode()) % _LANES]
