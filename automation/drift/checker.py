"""Looks at functions' objects for drift, at a rate for the whole environment, and heals by policy.

A look changes nothing: it is the preview of a refresh. What it finds is recorded by an update of the
function's stack, bound to the version that the look began from, so that an update that was under way
meanwhile is never taken for drift.
"""

import datetime
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from automation import record
from automation.attempt import stack_of
from automation.drift.found import Drifted, drifted
from automation.drift.schedule import Place, taken
from automation.errors import PlatformError
from automation.events import FunctionId
from automation.model import DriftHeal, DriftSeen
from automation.ports import DeploymentEngine
from automation.program import RECORD
from components.drift import ALL

OUTCOMES: Final = ("clean", "drifted", "healed", "failed")
_LOG: Final = logging.getLogger(__name__)


class Ledger(Protocol):
    """Knows where the round stands, for all replicas.

    Every method but `close` raises DependencyUnavailable.
    """

    def place(self) -> Place:
        """Return where the round stands."""

    def move(self, place: Place) -> bool:
        """Write it down; False, and nothing is written, if somebody else did since."""

    def close(self) -> None:
        """Release connections; the ledger cannot be used any more."""


Tell = Callable[[FunctionId, DriftSeen | DriftHeal, str], bool]
"""Feeds what was seen at a version to the decision core; says if that changed anything.

Raises PlatformError.
"""


class DriftCheck:
    """One round at a time, in one thread; `check` may be called by any.

    `heals` are the kinds of objects that are put back, or ALL: a function is healed if all that has drifted
    of it is of these. `per_minute` 0: there are no rounds.
    """

    def __init__(
        self,
        engine: DeploymentEngine,
        tell: Tell,
        ledger: Ledger,
        clock: Callable[[], datetime.datetime],
        *,
        per_minute: int,
        heals: frozenset[str],
    ) -> None:
        self._engine = engine
        self._tell = tell
        self._ledger = ledger
        self._clock = clock
        self._per_minute = per_minute
        self._heals = heals
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many looks of this process had which of OUTCOMES."""
        with self._lock:
            return {outcome: self._counts[outcome] for outcome in OUTCOMES}

    def round(self, ended: Callable[[], bool] = lambda: False) -> int:
        """Look at the stacks that are due; return how many had drifted.

        One that cannot be looked at waits for its next turn, and so do all others once `ended` says so.
        Raises DependencyUnavailable if it cannot be known which are due.
        """
        if not self._per_minute:
            return 0
        place = self._ledger.place()
        after, due = taken(place, self._engine.stacks(), self._per_minute, self._clock())
        if not due or not self._ledger.move(after):
            return 0
        return sum(self._looked_at(stack) for stack in due if not ended())

    def check(self, function: FunctionId) -> None:
        """Look at one function now, and heal by policy; one that runs nothing is in order.

        Raises PlatformError.
        """
        self._look(stack_of(function))

    def _looked_at(self, stack: str) -> bool:
        try:
            return self._look(stack)
        except (PlatformError, record.UnreadableRecord) as error:
            self._count("failed")
            _LOG.warning(
                "drift cannot be looked for or healed", extra={"kl_stack": stack, "kl_error": str(error)}
            )
            return False

    def _look(self, stack: str) -> bool:
        """Look at one stack; say whether something has drifted."""
        snapshot = self._engine.outputs(stack)
        state = record.loads(snapshot.outputs[RECORD]) if RECORD in snapshot.outputs else None
        if state is None or state.deployment is None:
            return False
        found = drifted(self._engine.drift(stack))
        if not found and state.drift and self._may_heal(state.drift.resources):
            # Healing ended half-way: the stack knows already what it had found, and not all is put back.
            self._heal(state.function)
            return True
        news = self._tell(state.function, DriftSeen(resources=found), snapshot.version)
        self._count("drifted" if found else "clean")
        if found and news:
            names = ", ".join(f"{one.kind} {one.name} {one.change}" for one in found)
            extra = {"kl_function": str(state.function), "kl_drift": names}
            _LOG.warning("a function has drifted", extra=extra)
        if found and self._may_heal(found):
            self._heal(state.function)
        return bool(found)

    def _may_heal(self, found: tuple[Drifted, ...]) -> bool:
        return ALL in self._heals or {one.kind for one in found} <= self._heals

    def _heal(self, function: FunctionId) -> None:
        if self._tell(function, DriftHeal(), ""):
            self._count("healed")
            _LOG.info("a function's drift is healed", extra={"kl_function": str(function)})

    def _count(self, outcome: str) -> None:
        with self._lock:
            self._counts[outcome] += 1
