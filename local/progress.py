"""What the command line shows while a deployment runs: phases of functions, as data and as text.

Pure but for the two renderers at the end: a live table on a terminal, plain lines otherwise.
"""

import enum
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


class Phase(enum.StrEnum):
    """The steps on the way from code to answer, in order."""

    UPLOAD = "upload"
    START = "start"
    BUILD = "build"
    ROLLOUT = "rollout"
    ANSWER = "answer"
    WARM = "warm answer"
    DELETE = "delete"

    @property
    def meaning(self) -> str:
        """One line for a person who sees the phase for the first time."""
        return _MEANINGS[self]


_MEANINGS = {
    Phase.UPLOAD: "code into the bucket",
    Phase.START: "build.start to Job",
    Phase.BUILD: "Job to image",
    Phase.ROLLOUT: "build.complete to ready",
    Phase.ANSWER: "parser.start to first answer",
    Phase.WARM: "parser.start to answer",
    Phase.DELETE: "service.delete to nothing left",
}


@dataclass
class Timeline:
    """How long each phase of one function took; phases run one after the other."""

    name: str
    clock: Callable[[], float] = time.monotonic
    seconds: dict[Phase, float] = field(default_factory=dict)
    notes: dict[Phase, str] = field(default_factory=dict)
    running: Phase | None = None
    failure: str | None = None
    _since: float = 0.0

    def begin(self, phase: Phase) -> None:
        """Start the clock of a phase."""
        self.running, self._since = phase, self.clock()

    def end(self, note: str = "") -> None:
        """Stop the clock of the running phase and keep what there is to say about it."""
        if self.running is None:
            raise RuntimeError(f"no phase of {self.name} is running: begin one first")
        self.seconds[self.running] = self.clock() - self._since
        if note:
            self.notes[self.running] = note
        self.running = None

    def fail(self, reason: str) -> None:
        """Record that the running phase did not end well."""
        self.failure = reason

    @property
    def elapsed(self) -> float:
        """Seconds that the running phase has taken so far, 0 when none runs."""
        return self.clock() - self._since if self.running else 0.0


def duration(seconds: float) -> str:
    """A duration as a person reads it: milliseconds below a second, else seconds with two digits."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def phase_table(timelines: Iterable[Timeline]) -> Group:
    """A table of functions by phase, with what each phase means below it."""
    rows = list(timelines)
    phases = [phase for phase in Phase if any(phase in timeline.seconds for timeline in rows)]
    table = Table(title="how long each phase took", title_justify="left", pad_edge=False, box=None)
    table.add_column("function", style="bold", no_wrap=True)
    for phase in phases:
        table.add_column(phase.value, justify="right")
    for timeline in rows:
        cells = [duration(timeline.seconds[phase]) if phase in timeline.seconds else "-" for phase in phases]
        table.add_row(timeline.name, *cells)
    return Group(table, *(Text(f"{phase.value}: {phase.meaning}", style="dim") for phase in phases))


class Renderer(Protocol):
    """Shows timelines while they change; a context manager around the work."""

    def update(self, timeline: Timeline) -> None:
        """Show that this timeline has changed."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing; what was shown stays on the screen."""


class PlainRenderer:
    """One line for each phase that ends: for logs, pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: set[tuple[str, Phase | None]] = set()

    def update(self, timeline: Timeline) -> None:
        """Print the phases that ended since the last call, and a failure once."""
        for phase, seconds in timeline.seconds.items():
            if (timeline.name, phase) not in self._shown:
                self._shown.add((timeline.name, phase))
                note = timeline.notes.get(phase, "")
                self._line(f"{timeline.name:<16} {phase.value:<12} {duration(seconds):>9}  {note}")
        if timeline.failure and (timeline.name, None) not in self._shown:
            self._shown.add((timeline.name, None))
            self._line(f"{timeline.name:<16} failed: {timeline.failure}")

    def _line(self, text: str) -> None:
        self._console.print(text.rstrip(), markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to clean up."""


class LiveRenderer:
    """A table that moves: one row for each function, one column for each phase."""

    def __init__(self, console: Console) -> None:
        self._timelines: dict[str, Timeline] = {}
        self._spinner = Spinner("dots")
        self._live = Live(console=console, refresh_per_second=12, get_renderable=self._table)

    def update(self, timeline: Timeline) -> None:
        """Take a timeline into the table; the display refreshes by itself."""
        self._timelines[timeline.name] = timeline

    def _table(self) -> Table:
        table = Table(pad_edge=False, box=None)
        table.add_column("function", style="bold", no_wrap=True)
        shown = [phase for phase in Phase if any(self._reached(t, phase) for t in self._timelines.values())]
        for phase in shown:
            table.add_column(phase.value, justify="right", no_wrap=True)
        table.add_column("")
        for timeline in self._timelines.values():
            table.add_row(
                timeline.name, *(self._cell(timeline, phase) for phase in shown), self._note(timeline)
            )
        return table

    @staticmethod
    def _reached(timeline: Timeline, phase: Phase) -> bool:
        return phase in timeline.seconds or timeline.running is phase

    @staticmethod
    def _cell(timeline: Timeline, phase: Phase) -> str:
        if phase in timeline.seconds:
            return f"[green]{duration(timeline.seconds[phase])}[/green]"
        if timeline.running is phase:
            return (
                f"[yellow]{timeline.elapsed:.1f} s …[/yellow]"
                if not timeline.failure
                else "[red]failed[/red]"
            )
        return ""

    def _note(self, timeline: Timeline) -> str | Spinner:
        if timeline.failure:
            return f"[red]{timeline.failure.splitlines()[0]}[/red]"
        return self._spinner if timeline.running else "[green]ok[/green]"

    def __enter__(self) -> Self:
        """Begin the live display."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw the last state and stop."""
        self._live.refresh()
        self._live.stop()


def renderer(console: Console | None = None) -> Renderer:
    """The renderer that fits where the output goes."""
    console = console or Console(file=sys.stdout)
    return LiveRenderer(console) if console.is_terminal else PlainRenderer(console)
