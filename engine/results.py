"""What the engine's operations return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.provider import Properties


@dataclass(frozen=True, kw_only=True)
class StackOutputs:
    """What a stack exports: plain values, which of them are secret, and the state's version.

    `version` is a token for `up(expect=...)`; it is `ABSENT` ("") where nothing is deployed.
    """

    values: dict[str, Any]
    secret_names: frozenset[str] = frozenset()
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class UpdateResult:
    """A finished update, refresh or destroy: the stack's outputs (secrets unwrapped) and what was done.

    `changes` counts steps by kind (`create`, `same`, ...); `version` is the state's token afterwards.
    """

    outputs: dict[str, Any]
    changes: dict[str, int]
    duration_seconds: float
    version: str
    secret_names: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class PreviewResult:
    """What an update would do, counted by kind."""

    changes: dict[str, int]
    duration_seconds: float


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
