"""A build's log as numbered lines, without secrets. Pure.

A line has the same number and the same text whether it is read while the build runs or after: so a reader who
comes back goes on where it was.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from monitor.logtail import MASK, clean

MAX_LINE_BYTES: Final = 16 * 1024
"""Longer lines are several."""
MAX_LOG_BYTES: Final = 2 * 1024 * 1024
"""Of a longer log the end is kept."""

_BREAK: Final = re.compile(rb"\r\n|\r|\n")
_OPENS: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?!.*-----END [A-Z ]*PRIVATE KEY-----)")
_CLOSES: Final = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")
_OMITTED: Final = re.compile(r"\[(\d{1,12}) earlier lines are left out\]")


class Line(NamedTuple):
    """One line of a log."""

    number: int
    """From 1."""
    text: str
    """Without a line break, control characters and obvious secrets."""


@dataclass
class Lines:
    """Makes lines of bytes that arrive in pieces."""

    _rest: bytes = b""
    _count: int = 0
    _in_key: bool = False

    def feed(self, piece: bytes) -> Iterator[Line]:
        """Yield the lines that are complete by now."""
        data = self._rest + piece
        # What follows a carriage return at the very end may belong to it.
        held = data[-1:] if data.endswith(b"\r") else b""
        *whole, rest = _BREAK.split(data[: len(data) - len(held)])
        while len(rest) > MAX_LINE_BYTES:
            whole, rest = [*whole, rest[:MAX_LINE_BYTES]], rest[MAX_LINE_BYTES:]
        self._rest = rest + held
        for raw in whole:
            yield from self._lines(raw)

    def end(self) -> Iterator[Line]:
        """Yield the last line, if no line break ended it."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        if rest:
            yield from self._lines(rest)

    def _lines(self, raw: bytes) -> Iterator[Line]:
        for start in range(0, max(1, len(raw)), MAX_LINE_BYTES):
            text = self._cleaned(raw[start : start + MAX_LINE_BYTES].decode("utf-8", "replace"))
            omitted = _OMITTED.fullmatch(text) if self._count == 0 else None
            self._count = int(omitted[1]) if omitted else self._count + 1
            yield Line(self._count, text)

    def _cleaned(self, text: str) -> str:
        """Return what may be shown of a line; a private key has several."""
        if self._in_key:
            self._in_key = _CLOSES.search(text) is None
            return MASK
        self._in_key = _OPENS.search(text) is not None
        return clean(text)


@dataclass
class Tail:
    """The end of a log, of bounded size."""

    limit: int = MAX_LOG_BYTES
    _kept: deque[Line] = field(default_factory=deque)
    _bytes: int = 0

    def add(self, lines: Iterable[Line]) -> None:
        """Add lines, and forget the first ones beyond the limit."""
        for line in lines:
            self._kept.append(line)
            self._bytes += _size(line)
        while self._bytes > self.limit and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popleft())

    def body(self) -> bytes:
        """Return the lines as UTF-8, after a line that says how many are left out."""
        first = self._kept[0].number if self._kept else 1
        note = f"[{first - 1} earlier lines are left out]\n" if first > 1 else ""
        return f"{note}{self.text()}".encode()

    def text(self) -> str:
        """Return the lines alone."""
        return "".join(f"{line.text}\n" for line in self._kept)


def _size(line: Line) -> int:
    return len(line.text.encode()) + 1
