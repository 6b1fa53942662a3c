"""Where dead letters are kept: what is asked of it, and how it can fail.

DependencyUnavailable
LettersFull           503  no room: the sender keeps the letter and sends it again
LettersUnavailable    503  out of reach, or not set up: the same
DeskTaken             409  somebody else goes through the letters at the moment
TargetRefuses         503  nobody would take a replayed event; the letter stays
"""

import enum
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from automation.dead_letters.letter import Message
from automation.errors import DependencyUnavailable, StackBusy


class LettersFull(DependencyUnavailable):
    """The queue of dead letters has no room; nothing was kept."""


class LettersUnavailable(DependencyUnavailable):
    """The store cannot be reached, or refuses; whether the letter was kept is not known."""


class DeskTaken(StackBusy):
    """Somebody else goes through the letters: a letter is in one pair of hands at a time."""


class TargetRefuses(DependencyUnavailable):
    """Where replayed events go takes none, or not this one; the letter was not touched."""


class Letters(Protocol):
    """The store."""

    async def put(self, message: Message) -> None:
        """Return once the message is kept for certain. Repeating it keeps it twice.

        Raises LettersFull or LettersUnavailable.
        """

    async def depth(self) -> int:
        """Return how many letters are waiting. Raises LettersUnavailable."""

    async def poison(self) -> int:
        """Return how many letters were replayed too often and came back. Raises LettersUnavailable."""

    async def check(self) -> None:
        """Return if a letter could be put. Raises LettersUnavailable."""

    async def close(self) -> None:
        """Release connections."""


class Place(enum.StrEnum):
    """Where letters are."""

    WAITING = "waiting"
    """All of them, but for the next."""
    POISON = "poison"
    """Those that were replayed too often and came back."""


class Wish(enum.Enum):
    """What to do with a letter that goes by."""

    PASS = "pass"  # noqa: S105 - not a password
    """Let it go by."""
    HOLD = "hold"
    """Hold it, with its body."""
    STOP = "stop"
    """Let it go by, and look at no more."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A letter in hand."""

    message: Message
    receipt: Any
    """What the store knows it by."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where replayed events go, at this moment."""

    waiting: int
    """Events that wait there."""
    takers: int
    """Who takes them; with none they would only wait."""


class Desk(Protocol):
    """All letters of one place, in one pair of hands; what was not taken away is back when it is left."""

    async def look(self, wish: Callable[[Message], Wish]) -> tuple[list[Held], bool]:
        """Go through the letters once; return those to hold, and whether all of them were seen.

        Raises LettersUnavailable, as all methods here.
        """

    async def target(self) -> Target:
        """Return how those are doing who would take a replayed event."""

    async def send(self, held: Held, message: Message) -> None:
        """Publish an event, and take the letter away when it is kept for certain. Raises TargetRefuses.

        Broken off in between, the event is sent and the letter still there: its replay is a duplicate.
        """

    async def drop(self, held: Held) -> None:
        """Take the letter away for good."""


class Desks(Protocol):
    """Where letters can be gone through."""

    def sit_down(self, place: Place) -> AbstractAsyncContextManager[Desk]:
        """Take the letters of one place in hand. Raises DeskTaken or LettersUnavailable."""
