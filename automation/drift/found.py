"""What has drifted: objects that are gone or differ, property by property. Pure.

Kept in a function's record, so everything has a limit, and what may hold somebody's secret is left out: what
was put into an object's environment or data by hand is known to nobody here.
"""

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from automation.plans import Step

MASKED: Final = "[masked]"
CHANGED: Final = "changed"
GONE: Final = "gone"

_OPS: Final[Mapping[str, str]] = {"update": CHANGED, "replace": CHANGED, "delete": GONE}
_MOST: Final = 20
"""Properties of one object that are kept."""
_CHARACTERS: Final = 200
"""What is kept of a value, as JSON text."""
_CONFIDENTIAL: Final = re.compile(r"(^|[.\]])(data|stringData|binaryData|env)($|[.\[])")
_BUILDS: Final = ":Job"
"""Ends the type of builds' Jobs: they expire by themselves, and reconciliation looks after them."""


@dataclass(frozen=True, kw_only=True)
class Property:
    """A property that differs; values are JSON texts, empty where there is none, cut where they are long."""

    path: str
    """Such as `spec.filter.attributes.type`."""
    recorded: str = ""
    found: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what events and readers are shown."""
        return {"path": self.path, "recorded": _value(self.recorded), "found": _value(self.found)}


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """One object that is not as it was applied."""

    kind: str
    """Of Kubernetes, such as `Trigger`."""
    name: str
    """`namespace/name`."""
    change: str
    """CHANGED or GONE."""
    properties: tuple[Property, ...] = ()
    """The first of those that differ."""

    def as_json(self) -> dict[str, Any]:
        """Return what events and readers are shown."""
        shown = [one.as_json() for one in self.properties]
        return {"kind": self.kind, "name": self.name, "change": self.change, "properties": shown}


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What of a function was found to have drifted, and is not known to be in order again."""

    found_at: datetime.datetime
    """When the first of it was found."""
    resources: tuple[Drifted, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return what a record holds. Raises KeyError, TypeError, ValueError."""
        return cls(
            found_at=datetime.datetime.fromisoformat(data["found_at"]),
            resources=tuple(_drifted(item) for item in data["resources"]),
        )

    def as_json(self) -> dict[str, Any]:
        """Return what events and readers are shown; times are RFC 3339 in UTC."""
        found_at = self.found_at.astimezone(datetime.UTC).isoformat()
        return {"foundAt": found_at, "resources": [one.as_json() for one in self.resources]}

    @property
    def names(self) -> str:
        """The objects, for people."""
        return ", ".join(f"{one.kind} {one.name} {one.change}" for one in self.resources)


def drifted(steps: Iterable[Step]) -> tuple[Drifted, ...]:
    """Return what the steps of a refresh say of a function's own objects, in one order."""
    found = [_of_step(step) for step in steps if step.op in _OPS and not step.type.endswith(_BUILDS)]
    return tuple(sorted(found, key=lambda one: (one.kind, one.name)))


def _of_step(step: Step) -> Drifted:
    kind, change = step.type.rpartition(":")[2], _OPS[step.op]
    # The paths of a refresh are those of what would be put back: what was recorded is the goal.
    properties = [
        Property(path=one.path, recorded=_text(one.path, one.before), found=_text(one.path, one.after))
        for one in step.differences[:_MOST]
    ]
    return Drifted(
        kind=kind, name=step.id, change=change, properties=() if change == GONE else tuple(properties)
    )


def _text(path: str, value: Any) -> str:
    if value is None:
        return ""
    shown = MASKED if _CONFIDENTIAL.search(path) else _masked(value)
    return json.dumps(shown, sort_keys=True)[:_CHARACTERS]


def _masked(value: Any) -> Any:
    """Return a value whose confidential parts are masked, however deep they are."""
    if isinstance(value, Mapping):
        return {key: MASKED if _CONFIDENTIAL.search(key) else _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value


def _value(text: str) -> Any:
    """Return the value of a JSON text; one that was cut stays a text."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return f"{text}…"


def _drifted(data: Mapping[str, Any]) -> Drifted:
    properties = tuple(Property(**item) for item in data.get("properties", ()))
    return Drifted(**{**data, "properties": properties})
