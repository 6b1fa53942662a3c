"""Progress of an operation as Pulumi's engine events: plain dicts, in Pulumi's order and shape.

Nothing is built when nobody listens. Secrets are masked; contents of assets are left out.
"""

import dataclasses
import enum
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from engine import masking, specials
from engine.provider import PropertyDiff
from engine.specials import SECRET, SIGNATURE
from engine.state import ResourceState
from engine.urns import is_default_provider
from engine.values import Asset, Secret

EventSink = Callable[[dict[str, Any]], None]


class Op(enum.StrEnum):
    """What a step does, in Pulumi's words."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    READ = "read"
    READ_REPLACEMENT = "read-replacement"
    REFRESH = "refresh"
    IMPORT = "import"
    IMPORT_REPLACEMENT = "import-replacement"
    DISCARD = "discard"
    DISCARD_REPLACED = "discard-replaced"
    REMOVE_PENDING_REPLACE = "remove-pending-replace"


_UNCOUNTED = frozenset(
    {
        Op.CREATE_REPLACEMENT,
        Op.DELETE_REPLACED,
        Op.READ_REPLACEMENT,
        Op.IMPORT_REPLACEMENT,
        Op.DISCARD_REPLACED,
        Op.REMOVE_PENDING_REPLACE,
        Op.REFRESH,
    }
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: what is done to which resource, and why. `old` or `new` is None where there is none."""

    op: Op
    old: ResourceState | None = None
    new: ResourceState | None = None
    keys: tuple[str, ...] = ()
    """Properties that force the replacement."""
    diffs: tuple[str, ...] = ()
    """Properties that differ."""
    detailed: Mapping[str, PropertyDiff] | None = None
    logical: bool = True

    @property
    def state(self) -> ResourceState:
        """The new state, or the old one where there is no new one."""
        state = self.new or self.old
        assert state is not None
        return state

    @property
    def urn(self) -> str:
        """The resource's URN."""
        return self.state.urn


class Events:
    """Numbers events, gives them to a sink one at a time, and counts the steps. Thread-safe."""

    def __init__(self, sink: EventSink | None, *, planning: bool, hidden: Collection[str] = ()) -> None:
        self.changes: Counter[str] = Counter()
        self.steps: list[Step] = []
        """Those that succeeded, in order, without those on default providers."""
        self._sink = sink
        self._planning = planning
        self._hidden = hidden  # texts that no message may show
        self._sequence = 0
        self._held: dict[str, Step] = {}
        self._closed = False
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def prelude(self, config: Mapping[str, str]) -> None:
        """Open the stream; `config` has its secrets masked."""
        self._emit("preludeEvent", {"config": dict(config)})

    def begun(self, step: Step) -> None:
        """A step starts."""
        if self._sink is not None:
            self._emit("resourcePreEvent", {"metadata": _metadata(step), "planning": self._planning})

    def done(self, step: Step, *, silent: bool = False, counted: bool = True) -> None:
        """A step succeeded. `silent` counts it without an event, as for components before their outputs."""
        if not is_default_provider(step.urn):
            with self._lock:
                self.steps.append(step)
                if counted and step.op not in _UNCOUNTED:
                    self.changes[step.op.value] += 1
        if self._sink is None:
            return
        if silent or (self._planning and not step.state.custom):
            self._held[step.urn] = step
        if not silent:
            self._emit("resOutputsEvent", {"metadata": _metadata(step), "planning": self._planning})

    def outputs(self, state: ResourceState) -> None:
        """A component's outputs are known: the event that its step did not get yet, in previews a second."""
        step = self._held.pop(state.urn, None)
        if step is not None:
            body = {"metadata": _metadata(dataclasses.replace(step, new=state)), "planning": self._planning}
            self._emit("resOutputsEvent", body)

    def failed(self, step: Step) -> None:
        """A step failed; its diagnostic was given before."""
        if self._sink is not None:
            self._emit("resOpFailedEvent", {"metadata": _metadata(step), "status": 0, "steps": 0})

    def clean(self, message: str) -> str:
        """Return a message without the values of the secret configuration: programs and tools quote them."""
        return masking.masked(message, self._hidden) if self._hidden else message

    def diagnostic(self, message: str, *, severity: str, urn: str = "", ephemeral: bool = False) -> None:
        """Something to tell the user; `severity` is debug, info, info#err, warning or error."""
        body = {"prefix": "", "message": self.clean(message), "color": "never", "severity": severity}
        more = {"urn": urn} if urn else {}
        self._emit("diagnosticEvent", {**more, **body, **({"ephemeral": True} if ephemeral else {})})

    def finish(self, *, result: str, unsure: bool) -> None:
        """Close the stream; `result` is succeeded or failed. What is told later is dropped.

        `unsure` if of some provider call nobody knows what it did.
        """
        summary = {
            "maybeCorrupt": unsure,
            "durationSeconds": math.ceil(time.monotonic() - self._started),
            "resourceChanges": dict(self.changes),
            "PolicyPacks": {},
            "isPreview": self._planning,
            "result": result,
        }
        self._emit("summaryEvent", summary)
        self._emit("cancelEvent", {})
        self._closed = True

    def _emit(self, kind: str, body: dict[str, Any]) -> None:
        if self._sink is None:
            return
        with self._lock:
            if self._closed:
                return
            event = {"sequence": self._sequence, "timestamp": int(time.time()), kind: body}
            self._sequence += 1
            self._sink(event)


def _metadata(step: Step) -> dict[str, Any]:
    detailed = None
    if step.detailed:
        detailed = {
            path: {"diffKind": diff.kind.value, "inputDiff": diff.input_diff}
            for path, diff in step.detailed.items()
        }
    return {
        "op": step.op.value,
        "urn": step.urn,
        "type": step.state.type,
        "old": _state(step.old),
        "new": _state(step.new),
        "keys": list(step.keys),
        "diffs": list(step.diffs),
        "detailedDiff": detailed,
        "logical": step.logical,
        "provider": step.state.provider,
    }


def _state(state: ResourceState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    members = {
        "type": state.type,
        "urn": state.urn,
        "custom": state.custom,
        "delete": state.delete,
        "id": state.id,
        "parent": state.parent,
        "protect": state.protect,
        "external": state.external,
        "retainOnDelete": state.retain_on_delete,
        "inputs": masked(state.inputs),
        "outputs": masked(state.outputs),
        "provider": state.provider,
        "initErrors": list(state.init_errors),
    }
    return {key: value for key, value in members.items() if value not in (False, "", [])}


def masked(value: Any) -> Any:
    """Return a value as events show it: JSON, without secrets and without the content of assets."""
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET, "ciphertext": "[secret]"}
    if isinstance(value, Asset) and value.text is not None:
        value = dataclasses.replace(value, text="<contents elided>")
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    encoded = specials.encode(value)
    return masked(encoded) if isinstance(encoded, dict) else encoded
