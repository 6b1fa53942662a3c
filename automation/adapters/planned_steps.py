"""From the events in which an engine announces its steps to the steps of our plans. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from automation.plans import Difference, Step
from engine import urns
from engine.differences import Change, changes, reason
from engine.paths import ABSENT
from engine.specials import SECRET, SIGNATURE, UNKNOWN_TEXTS

_UNCHANGED: Final = frozenset({"same", "read", "refresh"})
_OWN: Final = "pulumi:"
"""Begins the types of stacks and providers, which are nothing that a cluster holds."""


def counts(metadata: Mapping[str, Any]) -> bool:
    """Say whether a plan names a step: a replacement once, components and providers not at all."""
    state = metadata["new"] or metadata["old"]
    of_program = bool(state.get("custom")) and not metadata["type"].startswith(_OWN)
    return of_program and bool(metadata["logical"]) and metadata["op"] not in _UNCHANGED


def step(metadata: Mapping[str, Any]) -> Step:
    """Return a step with everything that a reader of the plan may want to know."""
    old, new = metadata["old"] or {}, metadata["new"] or {}
    return Step(
        op=metadata["op"],
        type=metadata["type"],
        name=urns.parse(metadata["urn"]).name,
        id=str(old.get("id") or ""),
        reason=reason(metadata),
        differences=tuple(map(_difference, changes(metadata))),
        before=_plain(old.get("inputs") or {}),
        after=_plain(new.get("inputs") or {}),
    )


def _difference(change: Change) -> Difference:
    return Difference(
        path=change.path, before=_plain(change.old), after=_plain(change.new), replaces=change.replaces
    )


def _plain(value: Any) -> Any:
    """Return a value of an engine's event as JSON for people: secrets and what is not known yet are named."""
    if value is ABSENT:
        return None
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return "[secret]" if value[SIGNATURE] == SECRET else "[special]"
        return {key: _plain(item) for key, item in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return "[unknown]" if isinstance(value, str) and value in UNKNOWN_TEXTS else value
