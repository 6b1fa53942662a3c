"""What the CLI's engine events say of an operation, gathered into the engine's results."""

import re
from typing import Any, Final

from engine import specials
from engine.events import EventSink
from engine.provider import DiffKind, PropertyDiff
from engine.results import StepRecord
from engine.specials import SECRET, SIGNATURE
from engine.urns import is_default_provider
from engine.values import Secret

_COLOR: Final = re.compile(r"<\{%[^%]*%\}>")
_NO_NEWS: Final = frozenset({"update failed", "preview failed", "destroy failed", "refresh failed"})
"""What the CLI says in the end of every operation that failed."""


class Tally:
    """A sink for events that counts and gives them on."""

    def __init__(self, on_event: EventSink | None) -> None:
        self.changes: dict[str, int] = {}
        """Steps by kind."""
        self._on_event = on_event
        self._steps: list[StepRecord] = []
        self._diagnostics: list[str] = []

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        """The steps in the order in which they ended."""
        return tuple(self._steps)

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """The errors, without colours."""
        return tuple(self._diagnostics)

    def take(self, event: dict[str, Any]) -> None:
        """Note an event."""
        if "resOutputsEvent" in event:
            self._note_step(event["resOutputsEvent"]["metadata"])
        elif "diagnosticEvent" in event:
            self._note_diagnostic(event["diagnosticEvent"])
        elif "summaryEvent" in event:
            self.changes = dict(event["summaryEvent"].get("resourceChanges") or {})
        if self._on_event is not None:
            self._on_event(event)

    def _note_step(self, metadata: dict[str, Any]) -> None:
        if not is_default_provider(metadata["urn"]):
            self._steps.append(_step(metadata))

    def _note_diagnostic(self, event: dict[str, Any]) -> None:
        text = _COLOR.sub("", event["message"]).strip()
        if event["severity"] == "error" and text not in _NO_NEWS:
            self._diagnostics.append(text)


def _step(metadata: dict[str, Any]) -> StepRecord:
    old, new = metadata.get("old") or {}, metadata.get("new") or {}
    return StepRecord(
        op=metadata["op"],
        urn=metadata["urn"],
        type=metadata["type"],
        id=(new or old).get("id", ""),
        keys=tuple(metadata.get("keys") or ()),
        diffs=tuple(metadata.get("diffs") or ()),
        detailed={
            path: PropertyDiff(DiffKind(diff["diffKind"]), input_diff=diff["inputDiff"])
            for path, diff in (metadata.get("detailedDiff") or {}).items()
        },
        old_inputs=_value(old.get("inputs") or {}),
        new_inputs=_value(new.get("inputs") or {}),
    )


def _value(value: Any) -> Any:
    """Return a value of an event as the engine has it; of a secret only that it is one."""
    if isinstance(value, list):
        return [_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(SIGNATURE)
    if kind == SECRET:
        return Secret("[secret]")
    members = {key: _value(item) for key, item in value.items() if key != SIGNATURE}
    return members if kind is None else specials.decode(kind, members)
