"""A state, what happens to it, and when: what every transition of the decision core starts from. Pure."""

import datetime
from dataclasses import dataclass
from typing import TypeVar

from automation import answers
from automation.answers import Decision
from automation.errors import PlatformError
from automation.events import EventMeta, FunctionEvent, Reply
from automation.model import ApplyStack, Command, FunctionState, Requested, Stimulus, TombstoneExpired

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
        assert not isinstance(self.stimulus, TombstoneExpired)
        return self.stimulus.event.meta

    def event(self, kind: type[_Event]) -> _Event:
        """Return the event that has come; the table of transitions says of which class it is."""
        assert isinstance(self.stimulus, Requested)
        assert isinstance(self.stimulus.event, kind)
        return self.stimulus.event

    @property
    def outdated(self) -> bool:
        """Whether a later event has already decided what is wanted."""
        return self.state.desired_at is not None and self.time < self.state.desired_at

    def settle(self, state: FunctionState, answer: Reply, *first: Command) -> Decision:
        """Record the answer in the new state, apply it, then give the answer."""
        assert not isinstance(self.stimulus, TombstoneExpired)
        meta = self.meta
        superseded = self.stimulus.superseded
        recorded = answers.remember(state, meta, answer, superseded, self.now)
        apply = ApplyStack(cause=meta.id, message=f"{meta.type} {meta.id}: {answer.status}")
        return recorded, (*first, apply, answers.give(meta, answer))
