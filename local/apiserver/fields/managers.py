"""`metadata.managedFields`: reading, changing and writing it, for plain writes and for server-side apply.

Departures from the real server: no cap on the number of Update managers, no special care of kubectl's
last-applied annotation, and one API version per kind, so that nothing is ever converted.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from local.apiserver.errors import ApiError, Cause, apply_conflict, bad_request
from local.apiserver.fields.merge import DuplicateKeys, merge, remove
from local.apiserver.fields.sets import FieldSet, difference, intersection, paths, union
from local.apiserver.fields.walk import Changes, applied_set
from local.apiserver.schemas.types import ListType, MapType, Struct

UNMANAGED_METADATA = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
]
IDENTITY: FieldSet = {"f:metadata": {"f:name": {}}}
"""Held by everybody, so that an object never loses its metadata."""


class Manager(NamedTuple):
    """Who owns fields: the same name is another manager for another operation or subresource."""

    name: str
    operation: str
    """`Apply` or `Update`."""
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Owned:
    """What a manager owns, and when it last changed that (RFC 3339)."""

    fields: FieldSet
    time: str


Managers = dict[Manager, Owned]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One write: who writes, what is never theirs, and the time."""

    manager: Manager
    type: Struct
    """The type of the object."""
    reset: str
    """The top-level field that this endpoint does not write: `status`, or `spec` on the status
    subresource."""
    now: str


def load(entries: list[dict[str, Any]] | None) -> Managers:
    """Read managedFields; entries that are not in the known form are left out."""
    result = {}
    for entry in entries or ():
        if entry.get("fieldsType") == "FieldsV1" and isinstance(entry.get("fieldsV1"), dict):
            manager = Manager(
                entry.get("manager", ""),
                entry.get("operation", ""),
                entry.get("apiVersion", ""),
                entry.get("subresource", ""),
            )
            result[manager] = Owned(entry["fieldsV1"], entry.get("time", ""))
    return result


def dump(managers: Managers) -> list[dict[str, Any]]:
    """Return managedFields in the server's order: appliers first, then by time and name."""
    order = sorted(managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0]))
    return [_entry(manager, owned) for manager, owned in order]


def _entry(manager: Manager, owned: Owned) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": owned.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned.fields,
    }
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def track_update(request: Request, managers: Managers, old: dict[str, Any], new: dict[str, Any]) -> Managers:
    """Return the managers after a plain write: the writer owns what it changed, nobody what is gone."""
    try:
        changes = Changes(request.type, old, new)
    except KeyError:
        # A list item without its key; validation is about to refuse the object, and says it better.
        return managers
    taken = _strip(changes.changed, request.reset)
    gone = union(taken, _strip(changes.removed, request.reset))
    result = _take_away(managers, gone) if gone else dict(managers)
    if taken:
        before = result.get(request.manager)
        fields = union(before.fields, taken) if before else taken
        result[request.manager] = Owned(fields, request.now)
    return result


def track_apply(
    request: Request, managers: Managers, live: dict[str, Any], config: dict[str, Any], *, force: bool
) -> tuple[dict[str, Any], Managers]:
    """Return the object with the configuration applied, and its managers.

    Raises ApiError 409 with the conflicting fields unless forced, 400 for a list with duplicate keys.
    """
    claimed, merged = _claim(request, live, config)
    last = managers.get(request.manager)
    others = {manager: owned for manager, owned in managers.items() if manager != request.manager}
    if last is not None and last.fields != claimed:
        held = union(claimed, IDENTITY)
        for owned in others.values():
            held = union(held, owned.fields)
        merged = remove(request.type, merged, last.fields, held) or {}
    changes = Changes(request.type, live, merged)
    taken = _strip(changes.changed, request.reset)
    if taken and not force:
        _refuse_conflicts(others, taken)
    gone = union(taken, _strip(changes.removed, request.reset))
    result = _take_away(others, gone) if gone else others
    if claimed:
        unchanged = last is not None and last.fields == claimed
        result[request.manager] = last if unchanged and last else Owned(claimed, request.now)
    return merged, result


def claim_new(request: Request, config: dict[str, Any]) -> Managers:
    """Return the managers of an object that an apply creates. Raises ApiError as `track_apply`."""
    claimed, _ = _claim(request, {}, config)
    return {request.manager: Owned(claimed, request.now)} if claimed else {}


def _claim(request: Request, live: dict[str, Any], config: dict[str, Any]) -> tuple[FieldSet, dict[str, Any]]:
    try:
        claimed = applied_set(request.type, config) or {}
        return _strip(claimed, request.reset), merge(request.type, live, config)
    except DuplicateKeys:
        raise bad_request("failed to create typed patch object: duplicate entries for a list key") from None
    except KeyError as error:
        text = f"failed to create typed patch object: associative list without key: missing field {error}"
        raise ApiError(500, "", text) from None


def _take_away(managers: Managers, gone: FieldSet) -> Managers:
    result = {}
    for manager, owned in managers.items():
        left = difference(owned.fields, gone)
        if left:
            result[manager] = Owned(left, owned.time) if left != owned.fields else owned
    return result


def _refuse_conflicts(managers: Managers, taken: FieldSet) -> None:
    causes = []
    for manager, owned in sorted(managers.items()):
        text = f"conflict with {_describe(manager)}"
        fields = sorted(paths(intersection(owned.fields, taken)))
        causes += [Cause("FieldManagerConflict", text, field) for field in fields]
    if causes:
        raise apply_conflict(causes)


def _describe(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    return f"{text} using {manager.api_version}" if manager.operation == "Update" else text


def _strip(fields: FieldSet, reset: str) -> FieldSet:
    """Return the set without what nobody can own."""
    if not fields:
        return fields
    result = {
        key: value for key, value in fields.items() if key not in ("f:apiVersion", "f:kind", f"f:{reset}")
    }
    metadata = result.get("f:metadata")
    if metadata is not None:
        unowned = {".", *(f"f:{name}" for name in UNMANAGED_METADATA)}
        owned = {key: value for key, value in metadata.items() if key not in unowned}
        result = {key: value for key, value in result.items() if key != "f:metadata"} | (
            {"f:metadata": owned} if owned else {}
        )
    return result


def empty_object(type_: Struct) -> dict[str, Any]:
    """Return the object that a create is compared with: Go's empty struct, with what it never leaves out."""
    result: dict[str, Any] = {}
    for key in type_.zeros:
        child = type_.types[key]
        result[key] = empty_object(child) if isinstance(child, Struct) else {}
    for key, field in type_.fields.items():
        if field.required and key not in result and isinstance(type_.types[key], ListType | MapType):
            result[key] = None
    return result
