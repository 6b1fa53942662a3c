"""What a provider's call is waiting for, told to the user while it waits.

A provider tells; the step that called it listens. Kept in a context variable, so that calls on other threads
and in other runs are not mixed up, and a provider needs no handle of the engine.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def tell(text: str) -> None:
    """Say what the call under way waits for, in a few words; nothing happens where nobody listens."""
    listener = _listener.get()
    if listener is not None:
        listener(text)


@contextmanager
def told_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Listen to what is told inside, on this thread; the same text twice in a row is told once."""
    last = ""

    def once(text: str) -> None:
        nonlocal last
        if text and text != last:
            last = text
            listener(text)

    token = _listener.set(once)
    try:
        yield
    finally:
        _listener.reset(token)
