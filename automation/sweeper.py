"""Goes through all functions' stacks: forgets functions that were deleted long ago, reports lost builds.

A lost build is reported to the broker in the monitor's place, not ended here: so metrics and everybody who is
subscribed to failed builds hear of it as of any other.
"""

import datetime
import itertools
import logging
from collections.abc import Callable
from typing import Final

from automation import gates, machine, record
from automation.errors import PlatformError
from automation.model import FunctionState, Phase, TombstoneExpired
from automation.outbox.outbox import Outbox
from automation.ports import BuildObserver, DeploymentEngine
from automation.program import RECORD
from automation.reconciliation import lost
from automation.runner import Runner

_LOG: Final = logging.getLogger(__name__)


class Sweeper:
    """One round at a time, in one thread."""

    def __init__(
        self,
        engine: DeploymentEngine,
        observer: BuildObserver,
        runner: Runner,
        clock: Callable[[], datetime.datetime],
        outbox: Outbox | None = None,
    ) -> None:
        self._engine = engine
        self._observer = observer
        self._runner = runner
        self._clock = clock
        self._outbox = outbox

    def round(self, ended: Callable[[], bool] = lambda: False) -> int:
        """Remove stacks that nobody needs and report lost builds; return how many.

        A stack that cannot be changed waits for the next round, and so do all others once `ended` says so.
        Raises PlatformError if stacks or Jobs cannot be listed.
        """
        now = self._clock()
        jobs = self._observer.job_names()
        stacks = itertools.takewhile(lambda _: not ended(), self._engine.stacks())
        return sum(self._swept(stack, now, jobs) for stack in stacks)

    def _swept(self, stack: str, now: datetime.datetime, jobs: frozenset[str]) -> bool:
        try:
            return self._sweep(stack, now, jobs)
        except (PlatformError, record.UnreadableRecord) as error:
            _LOG.warning("stack not swept", extra={"kl_stack": stack, "kl_error": str(error)})
            return False

    def _sweep(self, stack: str, now: datetime.datetime, jobs: frozenset[str]) -> bool:
        snapshot = self._engine.outputs(stack)
        if RECORD not in snapshot.outputs:
            return False
        state = record.loads(snapshot.outputs[RECORD])
        unsent = self._outbox is not None and self._outbox.found(stack, state, now)
        if gates.lapsed(state, now) is not state and self._runner.expire(state.function):
            return True
        if report := lost(state, now, jobs):
            self._observer.report(report)
            _LOG.warning(
                "a build that nobody had reported is reported", extra={"kl_function": str(state.function)}
            )
            return True
        # A function is not forgotten before its last events are sent.
        return (
            not unsent and _is_forgotten(state, now) and self._runner.tell(state.function, TombstoneExpired())
        )


def _is_forgotten(state: FunctionState, now: datetime.datetime) -> bool:
    """Whether nothing is left but the memory of something long ago: a deletion, a cancelled build."""
    if state.parked is not None:
        return False
    if state.phase is Phase.ABSENT:
        return all(now - seen.at >= machine.TOMBSTONE for seen in state.handled)
    return state.deleted_at is not None and now - state.deleted_at >= machine.TOMBSTONE
