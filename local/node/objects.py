"""Small things that every controller here does with Kubernetes objects. Pure, but for the clock in `now`."""

import datetime
import re
from collections.abc import Mapping
from typing import Any

from local.apiserver.kinds import Kind

Json = dict[str, Any]
"""One Kubernetes object or a part of it, as parsed JSON."""

_QUANTITY = re.compile(r"([0-9.]+)([A-Za-z]*)")
_SUFFIXES: Mapping[str, float] = {
    "": 1,
    "m": 1e-3,
    **{suffix: 1000.0**power for power, suffix in enumerate("kMGTP", start=1)},
    **{f"{suffix}i": 1024.0**power for power, suffix in enumerate("KMGTP", start=1)},
}


def now() -> datetime.datetime:
    """Return the time with its zone, UTC."""
    return datetime.datetime.now(datetime.UTC)


def timestamp(moment: datetime.datetime) -> str:
    """Return the moment as Kubernetes writes it, in whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime.datetime:
    """Return the moment that Kubernetes wrote; raises ValueError."""
    return datetime.datetime.fromisoformat(text)


def quantity(text: object) -> float:
    """Return a quantity such as `500m`, `512Mi` or `2` as a number; raises ValueError."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match[2] not in _SUFFIXES:
        raise ValueError(f"{text!r} is no quantity; expected a number with one of {sorted(_SUFFIXES)}")
    return float(match[1]) * _SUFFIXES[match[2]]


def key(obj: Json) -> tuple[str, str]:
    """Return namespace and name."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def owner_reference(kind: Kind, owner: Json) -> Json:
    """Return the reference that makes `owner` the controller of the object that carries it."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Json) -> Json | None:
    """Return the owner reference of the object's controller, None where it has none."""
    references: list[Json] = obj["metadata"].get("ownerReferences", [])
    return next((reference for reference in references if reference.get("controller")), None)


def condition(obj: Json, type: str) -> Json:
    """Return the status condition of that type, empty where there is none."""
    conditions: list[Json] = obj.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == type), {})


def is_true(obj: Json, type: str) -> bool:
    """Say whether a status condition is True."""
    return condition(obj, type).get("status") == "True"


def with_transitions(conditions: list[Json], before: Json, moment: str) -> list[Json]:
    """Return the conditions with `lastTransitionTime`, that of the object `before` where nothing changed."""
    result = []
    for entry in conditions:
        old = condition(before, entry["type"])
        same = old.get("status") == entry["status"]
        result.append(
            {"lastTransitionTime": old.get("lastTransitionTime", moment) if same else moment, **entry}
        )
    return result
