"""The model of an operation in progress, made of engine events; no text, no clock, no streams."""

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine import urns
from engine.cli.display.words import REPLACEMENT_PARTS
from engine.events import Op

_HARMLESS: Final = frozenset({Op.SAME.value, Op.READ.value, Op.REFRESH.value})
"""Steps that change nothing, so that nobody has to agree to them."""

_CONTROL: Final = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)|[\x00-\x08\x0b-\x1f\x7f]"
)
"""What a program prints to colour its text or to move the cursor; the display is not for it to change."""

Event = Mapping[str, Any]
Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class Message:
    """Something said about a resource; `severity` is info, info#err, warning, error or debug."""

    text: str
    severity: str
    ephemeral: bool = False


@dataclass
class Row:
    """One resource and what happens to it. Times are in seconds on the caller's clock."""

    urn: str
    type: str
    name: str
    parent: str = ""
    op: str = Op.SAME.value
    metadata: Metadata | None = None
    """Of the last step; None as long as only messages came."""
    why: Metadata | None = None
    """Of the step that tells what changes and why: for a replacement not its parts."""
    began: float | None = None
    ended: float | None = None
    failed: bool = False
    messages: list[Message] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether a step has begun and not ended."""
        return self.began is not None and self.ended is None

    @property
    def lasting(self) -> list[Message]:
        """The messages that are still worth showing at the end."""
        return [message for message in self.messages if not message.ephemeral]

    def count(self, severity: str) -> int:
        """Return how many lasting messages of a severity there are."""
        return sum(message.severity == severity for message in self.lasting)


@dataclass
class Summary:
    """How an operation ended; `changes` counts steps by kind."""

    changes: dict[str, int]
    seconds: float
    result: str


class Board:
    """All rows of one operation, in the order in which they were heard of. Thread-safe.

    `planned` are the steps of the preview that the user agreed to, as (URN, kind of step); a step that is not
    among them is told as a warning when it begins.
    """

    def __init__(
        self, project: str, stack: str, *, preview: bool, planned: frozenset[tuple[str, str]] | None = None
    ) -> None:
        self.preview = preview
        self.stack = stack
        self.stack_urn = urns.make(stack, project, "", urns.STACK_TYPE, f"{project}-{stack}")
        self.rows: dict[str, Row] = {}
        self.steps: list[Metadata] = []
        """What was or would be done, in order, with the last word on each step."""
        self.summary: Summary | None = None
        self.notice = ""
        """What the user has to know at once, such as that an interruption was heard."""
        self._planned = planned
        self._lock = threading.RLock()
        self._row(self.stack_urn, {})

    def __iter__(self) -> Iterator[Row]:
        with self._lock:
            return iter(list(self.rows.values()))

    @property
    def done(self) -> bool:
        """Whether the operation has ended."""
        return self.summary is not None

    @property
    def errors(self) -> int:
        """How many resources failed."""
        return sum(row.failed or row.count("error") > 0 for row in self)

    @property
    def outputs(self) -> dict[str, Any] | None:
        """What the stack exports as events show it; None if the operation did not get there."""
        metadata = self.rows[self.stack_urn].metadata or {}
        new = metadata.get("new")
        return dict(new.get("outputs") or {}) if new else None

    @property
    def old_outputs(self) -> dict[str, Any]:
        """What the stack exported before."""
        metadata = self.rows[self.stack_urn].metadata or {}
        return dict((metadata.get("old") or {}).get("outputs") or {})

    @property
    def changed(self) -> bool:
        """Whether anything was or would be changed."""
        counts = self.summary.changes if self.summary else {}
        return any(count and op not in (Op.SAME, Op.READ) for op, count in counts.items())

    def plan(self) -> frozenset[tuple[str, str]]:
        """Return the steps, for the board of the operation that carries them out."""
        return frozenset((step["urn"], step["op"]) for step in self.steps)

    def apply(self, event: Event, now: float) -> Row | None:
        """Take one event in; return the row that it is about, None if it is about none that is shown."""
        with self._lock:
            if "diagnosticEvent" in event:
                return self._diagnostic(event["diagnosticEvent"])
            if "summaryEvent" in event:
                body = event["summaryEvent"]
                self.summary = Summary(
                    dict(body["resourceChanges"]), float(body["durationSeconds"]), body["result"]
                )
            for kind, take in (
                ("resourcePreEvent", self._begun),
                ("resOutputsEvent", self._ended),
                ("resOpFailedEvent", self._failed),
            ):
                if kind in event and not _hidden(event[kind]["metadata"]):
                    return take(event[kind]["metadata"], now)
            return None

    def _begun(self, metadata: Metadata, now: float) -> Row:
        row = self._row(metadata["urn"], metadata)
        if not (metadata["op"] in REPLACEMENT_PARTS and row.op in REPLACEMENT_PARTS | {Op.REPLACE}):
            row.began = now
        row.ended = None
        self._step(row, metadata)
        self.steps.append(metadata)
        if self._planned is not None and row.op not in _HARMLESS and (row.urn, row.op) not in self._planned:
            row.messages.append(Message(f"this step was not in the preview: {row.op}", "warning"))
        return row

    def _ended(self, metadata: Metadata, now: float) -> Row:
        row = self._row(metadata["urn"], metadata)
        self._step(row, metadata)
        row.ended = now
        for index in range(len(self.steps) - 1, -1, -1):
            if (self.steps[index]["urn"], self.steps[index]["op"]) == (row.urn, row.op):
                self.steps[index] = metadata
                break
        else:
            self.steps.append(metadata)
        return row

    def _failed(self, metadata: Metadata, now: float) -> Row:
        row = self._row(metadata["urn"], metadata)
        self._step(row, metadata)
        row.ended, row.failed = now, True
        return row

    def _step(self, row: Row, metadata: Metadata) -> None:
        row.op = metadata["op"]
        row.metadata = metadata
        # The parts of a replacement say less about it than the replacement itself.
        if row.op not in REPLACEMENT_PARTS or row.why is None or row.why["op"] != Op.REPLACE:
            row.why = metadata

    def _diagnostic(self, body: Mapping[str, Any]) -> Row | None:
        row = self._row(body.get("urn") or self.stack_urn, {})
        ephemeral = bool(body.get("ephemeral"))
        text = _CONTROL.sub("", body["message"]).rstrip()
        row.messages.append(Message(text, body["severity"], ephemeral))
        return row

    def _row(self, urn: str, metadata: Metadata) -> Row:
        state = metadata.get("new") or metadata.get("old") or {}
        if urn not in self.rows:
            parsed = urns.parse(urn)
            self.rows[urn] = Row(urn, parsed.type, parsed.name)
        self.rows[urn].parent = state.get("parent") or self.rows[urn].parent
        return self.rows[urn]


def _hidden(metadata: Metadata) -> bool:
    return urns.is_default_provider(metadata["urn"])
