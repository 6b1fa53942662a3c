"""One reader's way through a build's log: while it runs from its pod, after that from where it is kept.

Synchronous and pulled: nothing is read that nobody has asked for, so a slow reader slows the reading down,
and holds one piece in memory.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from automation.builds.archive import Archive
from automation.builds.entry import Entry
from automation.builds.lines import Line, Lines
from automation.builds.ports import ByteStream, LiveLogs
from automation.errors import DependencyUnavailable, PlatformError

PAUSE_SECONDS: Final = 0.5
"""Between two looks at a build whose container has not begun, or whose end is not recorded yet."""
OUTCOME_SECONDS: Final = 150.0
"""How long the outcome may be waited for after the container ended: a lost report is made again by then."""
MAX_FAILURES: Final = 5
"""Failures in a row after which a reader is sent away, to come back with the last line's number."""


@dataclass(frozen=True)
class Piece:
    """The next part of a log."""

    lines: tuple[Line, ...] = ()
    """None: nothing new for a moment."""
    ended: Entry | None = None
    """The build at the log's end; one that is still running then has an end that nobody has reported yet."""


class Following:
    """Reads lines after a number. `read` and `close` may be called from different threads."""

    def __init__(
        self,
        entry: Entry,
        archive: Archive,
        live: LiveLogs,
        look: Callable[[], Entry | None],
        *,
        after: int = 0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._entry = entry
        self._archive = archive
        self._live = live
        self._look = look
        self._last = after
        self._sleep = sleep
        self._stream: ByteStream | None = None
        self._lines = Lines()
        self._complete = False
        """Whether all that the container will ever say was read."""
        self._ended_at: float | None = None
        self._failures = 0
        self._closed = False

    def read(self) -> Piece:
        """Return the next part, waiting for it. Raises DependencyUnavailable."""
        try:
            return self._read()
        except PlatformError as error:
            self._let_go()
            self._failures += 1
            if self._failures >= MAX_FAILURES or self._closed:
                raise DependencyUnavailable(f"the log cannot be read on: {error.message}") from error
            return self._nothing()

    def close(self) -> None:
        """End a `read` that waits."""
        self._closed = True
        stream = self._stream
        if stream:
            stream.close()

    def _read(self) -> Piece:
        if self._stream is None:
            return self._open()
        data = self._stream.read()
        if data:
            self._failures = 0
            return Piece(self._new(self._lines.feed(data)))
        # A live log may have broken off in the middle of a line, which is read again then.
        rest = self._new(self._lines.end()) if self._complete else ()
        self._let_go()
        return Piece(rest, ended=self._entry if self._entry.ended and self._complete else None)

    def _open(self) -> Piece:
        """Go to where the log is by now; there may be nowhere to go yet."""
        self._entry = self._look() or self._entry
        if self._entry.ended:
            self._complete = True
            return self._begin(self._archive.open_log(self._entry)) or Piece(ended=self._entry)
        if self._complete:
            return self._await_outcome()
        live = self._live.open(self._entry.job_name, follow=True)
        if live is None:
            return self._nothing()
        self._complete = live.ended
        return self._begin(live.stream) or Piece()

    def _begin(self, stream: ByteStream | None) -> Piece | None:
        if stream is None:
            return None
        self._stream, self._lines = stream, Lines()
        if self._closed:
            stream.close()
        return Piece()

    def _await_outcome(self) -> Piece:
        now = time.monotonic()
        self._ended_at = self._ended_at or now
        if now - self._ended_at > OUTCOME_SECONDS:
            return Piece(ended=self._entry)
        return self._nothing()

    def _nothing(self) -> Piece:
        self._sleep(PAUSE_SECONDS)
        return Piece()

    def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream:
            stream.close()

    def _new(self, lines: Iterable[Line]) -> tuple[Line, ...]:
        """Return the lines that the reader has not got."""
        new = tuple(line for line in lines if line.number > self._last)
        self._last = new[-1].number if new else self._last
        return new
