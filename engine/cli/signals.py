"""Interruptions: the first asks an operation to end in good order, the second to stop at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

from engine import Cancellation

FIRST: Final = (
    "^C received; cancelling. If you would like to terminate immediately, press ^C again.\n"
    "Note that terminating immediately may lead to orphaned resources and other inconsistencies."
)
SECOND: Final = "^C received; terminating"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interruptible(tell: Callable[[str], None]) -> Iterator[Cancellation]:
    """Give a cancellation that SIGINT and SIGTERM trigger; a third signal is an ordinary KeyboardInterrupt.

    `tell` gets what the user has to know; it is called in the signal handler. On another thread than the
    main one nothing is caught.
    """
    cancellation = Cancellation()
    if threading.current_thread() is not threading.main_thread():
        yield cancellation
        return

    def handle(number: int, _: FrameType | None) -> None:
        if not cancellation.cancelled:
            cancellation.cancel()
            tell(FIRST)
            return
        signal.signal(number, signal.default_int_handler)
        cancellation.terminate()
        tell(SECOND)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield cancellation
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tell_now(text: str) -> None:
    """Write to the standard error from a signal handler, past all buffers and locks."""
    with contextlib.suppress(OSError):
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{text}\n".encode())
