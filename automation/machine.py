"""The decision core: `decide(state, stimulus, now) -> (state, commands)`. Pure, the clock is passed in.

Events repeat, overtake each other and get lost, so an event is taken as "look at this function": what follows
depends on what is recorded. Three rules make any order and any repetition end in the same place:

- an event that was answered is recognised by (source, id) and answered again, without effect;
- what is wanted was decided by the latest event by time; an earlier one that arrives later changes nothing;
- a build's result counts only for the build that is the current one.

Commands are carried out in order; the first that fails ends the list, and the old state stays. `Answer` comes
last.
"""

import datetime
from collections.abc import Callable
from typing import Final

from automation import answers, building, deploying, rollout, traffic
from automation.answers import Decision
from automation.drift import decisions as drift
from automation.events import (
    BuildCancel,
    BuildComplete,
    BuildFailed,
    BuildStart,
    FunctionDeploy,
    FunctionPromote,
    FunctionRollback,
    ServiceDelete,
)
from automation.model import (
    BuildTurn,
    ContextReady,
    DriftHeal,
    DriftSeen,
    FunctionState,
    Phase,
    RemoveContexts,
    RemoveStack,
    Requested,
    RolloutObserved,
    Stimulus,
    TombstoneExpired,
)
from automation.moment import InvalidTransition, Moment, kind

TOMBSTONE: Final = datetime.timedelta(hours=24)
"""How long a deleted function is remembered."""


def decide(state: FunctionState, stimulus: Stimulus, now: datetime.datetime) -> Decision:
    """Return the next state and the commands that lead to it. Raises InvalidTransition."""
    if isinstance(stimulus, Requested):
        seen = state.find(stimulus.event.meta)
        if seen is not None:
            return answers.repeated(state, stimulus.event.meta, seen)
    transition = TRANSITIONS.get((state.phase, kind(stimulus)))
    if transition is None:
        raise InvalidTransition(state, stimulus)
    return transition(Moment(state, stimulus, now))


def _delete(moment: Moment) -> Decision:
    """Take the function away and remember that, even if it was never there: a late build.start may follow."""
    state, meta = moment.state, moment.meta
    if moment.outdated:
        return answers.outdated(state, meta)
    gone = FunctionState(
        function=state.function, desired_at=moment.time, deleted_at=moment.now, handled=state.handled
    )
    if state.phase in {Phase.ABSENT, Phase.DELETED}:
        return moment.settle(gone, answers.deleted(state.function, present=False))
    return moment.settle(gone, answers.deleted(state.function, present=True), RemoveContexts(cause=meta.id))


def _forget(moment: Moment) -> Decision:
    """A tombstone has done its work."""
    deleted_at = moment.state.deleted_at
    assert deleted_at is not None
    if moment.now - deleted_at < TOMBSTONE:
        raise InvalidTransition(moment.state, moment.stimulus)
    return FunctionState(function=moment.state.function), (RemoveStack(cause="sweep"),)


def _forget_nothing(moment: Moment) -> Decision:
    """All that is known is that a build was cancelled which never came: nothing needs that any more."""
    if any(moment.now - seen.at < TOMBSTONE for seen in moment.state.handled):
        raise InvalidTransition(moment.state, moment.stimulus)
    return FunctionState(function=moment.state.function), (RemoveStack(cause="sweep"),)


_Transition = Callable[[Moment], Decision]

_RUNS: Final = (Phase.READY, Phase.UPDATING)

TRANSITIONS: Final[dict[tuple[Phase, type], _Transition]] = {
    **{(phase, BuildStart): building.prepare for phase in Phase},
    **{(phase, ContextReady): building.want for phase in Phase},
    **{(phase, BuildCancel): building.cancel for phase in Phase},
    **{(phase, ServiceDelete): _delete for phase in Phase},
    **{(phase, FunctionDeploy): deploying.deploy for phase in Phase},
    **{
        (phase, FunctionPromote): traffic.promote if phase in _RUNS else traffic.refuse_promotion
        for phase in Phase
    },
    **{(phase, RolloutObserved): traffic.observe for phase in Phase},
    **{(phase, DriftSeen): drift.see for phase in Phase},
    **{(phase, DriftHeal): drift.heal for phase in Phase},
    **{
        (phase, FunctionRollback): rollout.rollback if phase in _RUNS else rollout.refuse_rollback
        for phase in Phase
    },
    **{(phase, BuildComplete): rollout.succeed for phase in Phase if phase is not Phase.DELETED},
    (Phase.DELETED, BuildComplete): rollout.late,
    **{(phase, BuildFailed): rollout.late for phase in Phase},
    (Phase.BUILDING, BuildFailed): building.fail,
    (Phase.UPDATING, BuildFailed): building.fail,
    **{(phase, BuildTurn): building.begin for phase in Phase},
    (Phase.DELETED, TombstoneExpired): _forget,
    (Phase.ABSENT, TombstoneExpired): _forget_nothing,
}
"""What happens where; a pair that is not here cannot happen."""
