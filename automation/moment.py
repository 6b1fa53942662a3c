"""A state, what happens to it, and when: what every transition of the decision core starts from. Pure."""

import datetime
from dataclasses import dataclass
from typing import Final, TypeVar

from automation import answers
from automation.answers import Decision
from automation.configuration import RolloutPolicy
from automation.errors import PlatformError
from automation.events import BuildComplete, EventMeta, FunctionEvent, Reply
from automation.model import (
    GIVEN_UP,
    ApplyStack,
    Command,
    ContextReady,
    FunctionState,
    RemoveContexts,
    Requested,
    RolloutObserved,
    Stimulus,
)
from automation.scans import OPEN, ScanPolicy

REASON_CHARACTERS: Final = 256
"""What is kept of a reason that a sender gives."""

_Event = TypeVar("_Event", bound=FunctionEvent)


class InvalidTransition(PlatformError):
    """A stimulus that cannot happen in this state: a defect. `story` tells what happened before."""

    def __init__(self, state: FunctionState, stimulus: Stimulus) -> None:
        self.story = tuple(
            f"{seen.at.isoformat()} {seen.type} -> {seen.status}" for seen in state.handled[-5:]
        )
        name = kind(stimulus).__name__
        super().__init__(f"{state.function} is {state.phase}: {name} has no meaning here", details=self.story)
        self.state = state
        self.stimulus = stimulus


def kind(stimulus: Stimulus) -> type:
    """Return what tells stimuli apart: the event's class, or the stimulus' own."""
    return type(stimulus.event) if isinstance(stimulus, Requested) else type(stimulus)


@dataclass(frozen=True)
class Moment:
    """A state, what happens to it, and when."""

    state: FunctionState
    stimulus: Stimulus
    now: datetime.datetime

    @property
    def time(self) -> datetime.datetime:
        """When the event happened; a clock that runs ahead of ours does not block what comes after it."""
        return min(self.meta.time or self.now, self.now)

    @property
    def meta(self) -> EventMeta:
        """The envelope of the event."""
        assert isinstance(self.stimulus, Requested | ContextReady)
        return self.stimulus.event.meta

    def event(self, kind: type[_Event]) -> _Event:
        """Return the event that has come; the table of transitions says of which class it is."""
        assert isinstance(self.stimulus, Requested)
        assert isinstance(self.stimulus.event, kind)
        return self.stimulus.event

    @property
    def cause(self) -> str:
        """What deployments and commands that follow from this are said to come from."""
        if isinstance(self.stimulus, RolloutObserved):
            return f"rollout-of-{self.stimulus.number}"
        return self.meta.id

    @property
    def policy(self) -> RolloutPolicy:
        """The environment's way to roll out."""
        if isinstance(self.stimulus, Requested | ContextReady):
            return self.stimulus.policy
        return self.state.rollout.policy if self.state.rollout else RolloutPolicy()

    @property
    def scan_policy(self) -> ScanPolicy:
        """Which images the environment rolls out."""
        return self.stimulus.scan_policy if isinstance(self.stimulus, Requested) else OPEN

    @property
    def outdated(self) -> bool:
        """Whether a later event has already decided what is wanted."""
        return self.state.desired_at is not None and self.time < self.state.desired_at

    def settle(self, state: FunctionState, answer: Reply, *first: Command) -> Decision:
        """Record the answer in the new state, apply it, then give the answer.

        The context of a build that is given up by that goes with it.
        """
        assert isinstance(self.stimulus, Requested | ContextReady)
        meta, superseded, reason = self.meta, self.stimulus.superseded, self.reason
        recorded = answers.remember(state, meta, answer, superseded, self.now, reason)
        because = f" ({reason})" if reason else ""
        apply = ApplyStack(cause=meta.id, message=f"{meta.type} {meta.id}: {answer.status}{because}")
        return recorded, (*first, apply, *self._leftovers(state), answers.give(meta, answer))

    @property
    def reason(self) -> str:
        """Why the sender wants it, as far as that is said; one line that is not too long for a history."""
        assert isinstance(self.stimulus, Requested | ContextReady)
        text = "" if isinstance(self.stimulus.event, BuildComplete) else self.stimulus.event.reason
        return " ".join(text.split())[:REASON_CHARACTERS]

    def _leftovers(self, state: FunctionState) -> tuple[Command, ...]:
        """Return what removes the context of a build that was live and is given up now.

        After the update: only who has brought it about may say that nobody needs the context any more.
        """
        before, after = self.state.build, state.build
        if before is None or not before.is_live or after is None:
            return ()
        if after.context_key == before.context_key and after.status not in GIVEN_UP:
            return ()
        return (RemoveContexts(cause=self.meta.id, key=before.context_key),)
