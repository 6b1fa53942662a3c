"""Where dead letters are kept: what is asked of it, and how it can fail.

DependencyUnavailable
LettersFull           503  no room: the sender keeps the letter and sends it again
LettersUnavailable    503  out of reach, or not set up: the same
"""

from typing import Protocol

from automation.dead_letters.letter import Message
from automation.errors import DependencyUnavailable


class LettersFull(DependencyUnavailable):
    """The queue of dead letters has no room; nothing was kept."""


class LettersUnavailable(DependencyUnavailable):
    """The store cannot be reached, or refuses; whether the letter was kept is not known."""


class Letters(Protocol):
    """The store."""

    async def put(self, message: Message) -> None:
        """Return once the message is kept for certain. Repeating it keeps it twice.

        Raises LettersFull or LettersUnavailable.
        """

    async def depth(self) -> int:
        """Return how many letters are waiting. Raises LettersUnavailable."""

    async def check(self) -> None:
        """Return if a letter could be put. Raises LettersUnavailable."""

    async def close(self) -> None:
        """Release connections."""
