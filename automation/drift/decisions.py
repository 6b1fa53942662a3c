"""What follows from a look at a function's objects. Pure."""

from dataclasses import replace
from typing import Final

from automation.answers import Decision
from automation.drift.found import Drift
from automation.model import ApplyStack, DriftHeal, DriftSeen
from automation.moment import Moment

_CAUSE: Final = "drift"


def see(moment: Moment) -> Decision:
    """Remember what has drifted, or that nothing has any more; the objects stay as they are."""
    state, seen = moment.state, moment.stimulus
    assert isinstance(seen, DriftSeen)
    known = state.drift
    if state.deployment is None or seen.resources == (known.resources if known else ()):
        return state, ()
    since = known.found_at if known else moment.now
    drift = Drift(found_at=since, resources=seen.resources) if seen.resources else None
    message = f"drift was found: {drift.names}" if drift else "what had drifted is in order again"
    return replace(state, drift=drift), (ApplyStack(cause=_CAUSE, message=message),)


def heal(moment: Moment) -> Decision:
    """Put back what has drifted."""
    state = moment.state
    assert isinstance(moment.stimulus, DriftHeal)
    if state.drift is None:
        return state, ()
    message = f"drift is healed: {state.drift.names}"
    healed = replace(state, drift=None, healed_at=moment.now)
    return healed, (ApplyStack(cause=_CAUSE, message=message, restore=True),)
