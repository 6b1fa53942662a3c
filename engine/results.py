"""What the engine's operations return."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.events import Step
from engine.names import StackRef
from engine.provider import Properties, PropertyDiff


@dataclass(frozen=True, kw_only=True)
class StackOutputs:
    """What a stack exports: plain values, which of them are secret, and the state's version.

    `version` is a token for `up(expect=...)`; it is `ABSENT` ("") where nothing is deployed.
    """

    values: dict[str, Any]
    secret_names: frozenset[str] = frozenset()
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class StackSummary:
    """One stack in a list: when its checkpoint was last written, and how many resources are recorded.

    `last_update` is None if no checkpoint says; `locked`: an operation is under way, or was killed.
    """

    ref: StackRef
    last_update: datetime.datetime | None
    resource_count: int
    locked: bool


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step that was done, or that a preview announces; secrets in the inputs stay wrapped.

    `op` is in Pulumi's words (`create`, `same`, `delete-replaced`, ...).
    """

    op: str
    urn: str
    type: str
    id: str
    """Empty for components, and for what is still to be created."""
    keys: tuple[str, ...] = ()
    """The properties that force the replacement."""
    diffs: tuple[str, ...] = ()
    """The properties that differ, as the provider names them."""
    detailed: Mapping[str, PropertyDiff] = field(default_factory=dict)
    """The differing properties by path, as far as the provider tells."""
    old_inputs: Properties = field(default_factory=dict)
    """Empty where there was nothing before; so is `new_inputs` where nothing remains."""
    new_inputs: Properties = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class UpdateResult:
    """A finished update, refresh or destroy: the stack's outputs (secrets unwrapped) and what was done.

    `changes` counts steps by kind (`create`, `same`, ...); `version` is the state's token afterwards; `steps`
    are all steps in the order in which they ended, those on default providers left out.
    """

    outputs: dict[str, Any]
    changes: dict[str, int]
    duration_seconds: float
    version: str
    secret_names: frozenset[str] = frozenset()
    steps: tuple[StepRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PreviewResult:
    """What an update would do: counted by kind, and step by step."""

    changes: dict[str, int]
    duration_seconds: float
    steps: tuple[StepRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ResourceRecord:
    """One recorded resource; secrets in `inputs` and `outputs` stay wrapped."""

    urn: str
    type: str
    id: str
    inputs: Properties = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    parent: str = ""
    delete: bool = False


def record_of(step: Step) -> StepRecord:
    """Return what results tell about a step."""
    return StepRecord(
        op=step.op.value,
        urn=step.urn,
        type=step.state.type,
        id=step.state.id,
        keys=step.keys,
        diffs=step.diffs,
        detailed=step.detailed or {},
        old_inputs=step.old.inputs if step.old else {},
        new_inputs=step.new.inputs if step.new else {},
    )
