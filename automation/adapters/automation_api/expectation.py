"""The version that a caller decided on, checked where it counts: while the CLI holds the stack's lock.

The CLI knows no such check. But it runs the program under its lock and before any resource but the stack's
own is touched, so that the program's first deed can be to look.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from engine import ABSENT, StackMoved, StackRef, checkpoint, open_backend
from engine.protocol import Program
from engine.storage import Storage, version_of

_MOVED: Final = re.compile(r"at version (\S+), not at the expected (\S+);")
_NONE: Final = "(none)"


@dataclass(frozen=True)
class Expecting:
    """A program that raises StackMoved if the state is at another version than expected."""

    program: Program
    backend_url: str
    stack: StackRef
    expect: str

    def __call__(self) -> None:
        """Look, then run the program."""
        check(Storage(open_backend(self.backend_url)), self.stack, self.expect)
        self.program()


def check(storage: Storage, stack: StackRef, expect: str) -> None:
    """Raise StackMoved if the state is at another version than expected."""
    present = version_in(storage, stack)
    if present != expect:
        raise StackMoved(expected=expect, present=present)


def version_in(storage: Storage, stack: StackRef) -> str:
    """Return the version of the stack's state."""
    data = storage.load(stack)
    return ABSENT if data is None or not checkpoint.parse(data).deployed else version_of(data)


def moved(diagnostics: Iterable[str]) -> StackMoved | None:
    """Return the StackMoved that the program raised, as the CLI tells of it; None if it did not."""
    for text in diagnostics:
        found = _MOVED.search(text)
        if found:
            present, expected = ("" if part == _NONE else part for part in found.groups())
            return StackMoved(expected=expected, present=present)
    return None
