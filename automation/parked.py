"""A plan that waits for somebody's approval, as a function's record keeps it. Pure."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Parked:
    """An event that is not carried out because its plan tripped gates: what it was, and what it would do."""

    source: str
    id: str
    type: str
    correlation_id: str
    time: datetime.datetime
    """When the event happened: an earlier one does not take its place."""
    at: datetime.datetime
    """When it was parked."""
    expires_at: datetime.datetime
    """From then on it counts as rejected."""
    rules: tuple[str, ...]
    """Names of the rules that its plan trips."""
    plan_id: str
    """What it is approved by."""
    base_version: str = ""
    """The stack's version before it was parked, which the plan's id is made with; empty: there was none."""
    outdated: bool = False
    """Something was recorded since: its plan cannot be approved any more, and has to be made again."""
    changes: Mapping[str, int]
    """How many steps it has, by what they do."""
    steps: tuple[str, ...] = ()
    """The first of them, each as `op type name`."""
    rights_gained: tuple[str, ...] = ()
    """The first of the rights that somebody would gain."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return what a record holds. Raises KeyError, TypeError, ValueError."""
        times = {key: datetime.datetime.fromisoformat(data[key]) for key in ("time", "at", "expires_at")}
        texts = {key: tuple(data.get(key, ())) for key in ("rules", "steps", "rights_gained")}
        return cls(**{**data, **times, **texts})

    def as_json(self) -> dict[str, object]:
        """Return what a reader of the function is shown; times are RFC 3339 in UTC."""
        return {
            "plan_id": self.plan_id,
            "event_id": self.id,
            "source": self.source,
            "type": self.type,
            "gates": list(self.rules),
            "outdated": self.outdated,
            "parked_at": self.at.astimezone(datetime.UTC).isoformat(),
            "expires_at": self.expires_at.astimezone(datetime.UTC).isoformat(),
            "changes": dict(self.changes),
            "steps": list(self.steps),
            "rights_gained": list(self.rights_gained),
        }
