"""The shells around a board: a live tree on a terminal, lines in a log, the events for other programs."""

import contextlib
import io
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from engine.cli.display import report, tree
from engine.cli.display.board import Board, Row
from engine.cli.display.tree import Choices
from engine.cli.terminal import Terminal
from engine.events import EventSink, Op
from engine.masking import masked

FRAMES_PER_SECOND = 10


class View(Protocol):
    """Shows one operation from its first event to its end; a context manager around it."""

    def __call__(self, event: dict[str, Any]) -> None:
        """Take the next event; called by one thread at a time."""

    def __enter__(self) -> "View":
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show how it ended."""


class _Reported:
    """What is for people: a title first, the report at the end."""

    def __init__(
        self, board: Board, terminal: Terminal, choices: Choices, title: str, *, outputs: bool
    ) -> None:
        self._board = board
        self._terminal = terminal
        self._choices = choices
        self._title = title
        self._outputs = outputs

    def _open(self) -> None:
        self._terminal.say(Text(f"{self._title}:", style="bold magenta"))

    def _close(self) -> None:
        for line in report.ending(self._board, self._choices, outputs=self._outputs):
            self._terminal.say(line)


class LineView(_Reported):
    """For a log: one line whenever something happens to a resource."""

    def __init__(
        self, board: Board, terminal: Terminal, choices: Choices, title: str, *, outputs: bool
    ) -> None:
        super().__init__(board, terminal, choices, title, outputs=outputs)
        self._said: dict[str, str] = {}

    def __enter__(self) -> "LineView":
        self._open()
        return self

    def __call__(self, event: dict[str, Any]) -> None:
        """Take the next event."""
        row = self._board.apply(event, time.monotonic())
        # Reading every resource is worth no line; what it finds is.
        if row is None or (row.op == Op.REFRESH and not row.failed):
            return
        if tree.visible(row, self._board, self._choices):
            self._line(row)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _line(self, row: Row) -> None:
        line = tree.line(row, self._board, time.monotonic(), self._choices)
        if self._said.get(row.urn) != line.plain:
            self._said[row.urn] = line.plain
            self._terminal.say(line)


class LiveView(_Reported):
    """For a terminal: the tree, drawn anew several times a second, and in full at the end."""

    def __init__(
        self, board: Board, terminal: Terminal, choices: Choices, title: str, *, outputs: bool
    ) -> None:
        super().__init__(board, terminal, choices, title, outputs=outputs)
        self._live = Live(
            self,
            console=terminal.out,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> "LiveView":
        self._open()
        self._live.start()
        return self

    def __call__(self, event: dict[str, Any]) -> None:
        """Take the next event."""
        self._board.apply(event, time.monotonic())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        for line in tree.lines(self._board, time.monotonic(), self._choices):
            self._terminal.say(line)
        self._terminal.say()
        self._close()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = max(console.size.height - 3, 4)
        for line in tree.lines(self._board, time.monotonic(), self._choices, height=height):
            line.truncate(options.max_width, overflow="ellipsis")
            yield line
        if self._board.notice:
            yield Text(self._board.notice, style="bold yellow")


class JsonView:
    """For other programs: every event on a line of its own.

    They are numbered anew, because what the project's program prints is among them.
    """

    def __init__(self, board: Board, terminal: Terminal) -> None:
        self._board = board
        self._terminal = terminal
        self._sequence = 0
        self._last: dict[str, Any] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "JsonView":
        return self

    def __call__(self, event: dict[str, Any]) -> None:
        """Take the next event."""
        with self._lock:
            self._board.apply(event, time.monotonic())
            if "cancelEvent" in event:
                self._last = event  # nothing may follow it, and the program may still print
            else:
                self._write(event)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last is not None:
            self._write(self._last)

    def _write(self, event: dict[str, Any]) -> None:
        body = {**event, "sequence": self._sequence}
        self._sequence += 1
        stream = self._terminal.out.file
        stream.write(json.dumps(body, separators=(",", ":"), ensure_ascii=False) + "\n")
        stream.flush()


@contextlib.contextmanager
def prints_as_messages(sink: EventSink, hidden: Collection[str] = ()) -> Iterator[None]:
    """Turn what the program prints into messages of the stack, as Pulumi's language host does.

    `hidden` are texts that they may not show.
    """
    streams = (_Lines(sink, "info", hidden), _Lines(sink, "info#err", hidden))
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            yield
        finally:
            for stream in streams:
                stream.end()


class _Lines(io.TextIOBase):
    """A stream that gives on whole lines as diagnostic events."""

    def __init__(
        self, sink: Callable[[dict[str, Any]], None], severity: str, hidden: Collection[str]
    ) -> None:
        self._sink = sink
        self._severity = severity
        self._hidden = hidden
        self._rest = ""
        self._lock = threading.RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """UTF-8, for programs that ask before they print."""
        return "utf-8"

    def writable(self) -> bool:
        """Say that this is a stream to write to."""
        return True

    def write(self, text: str) -> int:
        """Take text; every line that it completes is given on."""
        with self._lock:
            *whole, self._rest = (self._rest + text).split("\n")
            for line in whole:
                self._tell(line)
        return len(text)

    def end(self) -> None:
        """Give on what is left without a line's end."""
        with self._lock:
            rest, self._rest = self._rest, ""
            if rest:
                self._tell(rest)

    def _tell(self, line: str) -> None:
        line = masked(line, self._hidden)
        body = {"message": f"{line}\n", "prefix": "", "color": "never", "severity": self._severity}
        self._sink({"sequence": 0, "timestamp": int(time.time()), "diagnosticEvent": body})


def is_live(terminal: Terminal) -> bool:
    """Say whether a tree can be drawn: on a terminal that moves its cursor."""
    return terminal.interactive and terminal.out.is_terminal and not terminal.out.is_dumb_terminal
