"""Which errors are worth another try within one event, and when. Pure.

Everything else goes back to the sender: the broker delivers again, with its own back-off.
"""

import random
from dataclasses import dataclass
from typing import Final

from automation.errors import PlatformError, StackBusy
from automation.ports import StackMoved


@dataclass(frozen=True)
class Outcome:
    """What to do after a failed try: give up with `error`, or try again after `delay_seconds`."""

    error: PlatformError
    final: bool
    delay_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How often one class of errors is tried, the first time included, and the wait before the second try."""

    tries: int
    base_seconds: float


_POLICIES: Final[tuple[tuple[type[PlatformError], Policy], ...]] = (
    # Someone else was faster and is done: deciding again at once is right.
    (StackMoved, Policy(tries=8, base_seconds=0.005)),
    # Someone else is at work, for as long as an update takes.
    (StackBusy, Policy(tries=4, base_seconds=0.1)),
)
_CAP_SECONDS: Final = 3.2


def after(error: PlatformError, tries: int, jitter: random.Random) -> Outcome:
    """Return what to do after this many tries; waits double, and up to half is added by chance."""
    policy = next((policy for kind, policy in _POLICIES if isinstance(error, kind)), None)
    if policy is None or tries >= policy.tries:
        return Outcome(error, final=True)
    wait = min(policy.base_seconds * 2 ** (tries - 1), _CAP_SECONDS)
    return Outcome(error, final=False, delay_seconds=wait * jitter.uniform(1.0, 1.5))
