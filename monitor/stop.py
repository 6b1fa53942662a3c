"""SIGTERM as a condition that can be waited for."""

import os
import select
import signal
from types import FrameType


class Stop:
    """Set by SIGTERM or SIGINT.

    A pipe that the signal itself writes to: one that comes just before a wait begins ends that wait, too.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self.requested = False

    def install(self) -> None:
        """Take over SIGTERM and SIGINT of this process; only the main thread may."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._request)
        signal.signal(signal.SIGINT, self._request)

    def wait(self, seconds: float) -> bool:
        """Wait for the time given or until a stop is requested; say whether it was."""
        select.select([self._reader], [], [], max(0.0, seconds))
        return self.requested

    def _request(self, _signal: int, _frame: FrameType | None) -> None:
        self.requested = True
