"""Every event type of the platform, in and out: who sends it to whom, and the versions of its data.

Pure, standard library only, and the home of the names. What the data of each holds is in `automation.schemas`
(a file a type and version); which types are carried out is in `automation.event_parser`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

LEGACY: Final = "network.notifi.lambda."
NEWER: Final = "io.knative.lambda."

FIRST_VERSION: Final = "v1.0"
UNVERSIONED: Final = "v0"
"""The version of a build.start that names none: the ids are enough."""


class Direction(Enum):
    """Which way events of a type go, as the platform sees it."""

    IN = "in"
    """Others send it, the platform acts."""
    OUT = "out"
    """The platform tells it, others may listen."""
    BOTH = "both"
    """A part of the platform (a build's monitor, a function) sends it, or others in its place."""


@dataclass(frozen=True)
class EventType:
    """One type of event."""

    name: str
    direction: Direction
    versions: tuple[str, ...] = (FIRST_VERSION,)
    """Of its data, oldest first; the last one is what the platform sends."""

    @property
    def latest(self) -> str:
        """The version that is sent."""
        return self.versions[-1]


def _rows(direction: Direction, prefix: str, *names: str) -> list[EventType]:
    return [EventType(prefix + name, direction) for name in names]


_ALL: Final = (
    EventType(LEGACY + "build.start", Direction.IN, (UNVERSIONED, FIRST_VERSION, "v2.0")),
    *_rows(Direction.BOTH, LEGACY, "build.complete", "build.failed"),
    *_rows(Direction.IN, LEGACY, "job.start", "parser.start", "parser.complete", "service.delete"),
    *_rows(Direction.IN, NEWER + "command.function.", "deploy", "promote", "rollback"),
    *_rows(Direction.IN, NEWER + "command.service.", "create", "update", "delete"),
    *_rows(Direction.IN, NEWER + "command.build.", "start", "retry", "cancel"),
    *_rows(Direction.IN, NEWER + "invoke.", "sync", "async", "scheduled", "retry"),
    *_rows(Direction.BOTH, NEWER + "response.", "success", "error", "timeout"),
    *_rows(Direction.BOTH, NEWER + "lifecycle.build.", "completed", "failed", "timeout"),
    *_rows(Direction.OUT, NEWER + "lifecycle.build.", "started", "progressing", "cancelled"),
    *_rows(
        Direction.OUT, NEWER + "lifecycle.function.", "created", "updated", "deleted", "ready", "degraded"
    ),
    *_rows(Direction.OUT, NEWER + "lifecycle.function.", "drifted", "restored"),
    *_rows(Direction.OUT, NEWER + "lifecycle.service.", "created", "updated", "deleted", "ready", "scaled"),
    *_rows(Direction.OUT, NEWER + "notification.alert.", "critical", "warning", "info"),
    *_rows(Direction.OUT, NEWER + "notification.audit.", "access", "change"),
)

TYPES: Final[Mapping[str, EventType]] = MappingProxyType({each.name: each for each in _ALL})
"""All types by name."""
