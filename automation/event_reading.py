"""What an event's type says about how it is read: a rule of which function it names, and of what it becomes.

Pure. The rules of related types live together in a module (`event_parser` has those of builds); the table in
`event_parser` gathers them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from automation.errors import InvalidEvent
from automation.event_fields import Fields
from automation.events import Event, EventMeta, FunctionId


@dataclass(frozen=True)
class Reading:
    """An event half read: its envelope, its function (None only for notices), its data."""

    meta: EventMeta
    function: FunctionId | None
    fields: Fields
    version: str
    """Of its data, see `event_versions`."""

    @property
    def required_function(self) -> FunctionId:
        """The function of an event that cannot be without one."""
        assert self.function is not None, "only notices are identified by `if_named`"
        return self.function


@dataclass(frozen=True)
class Rule:
    """How events of one type are read: which function they are about, and what they become.

    Both note problems in the fields and go on; an event with problems is thrown away after that.
    """

    identify: Callable[[EventMeta, Fields], FunctionId | None]
    build: Callable[[Reading], Event]


def refusal(problems: list[str]) -> InvalidEvent:
    """Return the error for an event with these problems, at least one."""
    unique = tuple(dict.fromkeys(problems))
    message = unique[0] if len(unique) == 1 else f"the event has {len(unique)} problems; see details"
    return InvalidEvent(message, details=unique)
