"""Who owns which fields of an object: handing managedFields over to the manager that applies.

A create is a POST, whose fields belong to `pulumi-kubernetes` with operation Update. Server-side apply under
the resource's own manager would conflict with these, and forced it would leave behind fields that the program
drops later. So the entry of managedFields itself is renamed, by a JSON patch that is tested to still find it.
"""

import itertools
from typing import Any

from engine.paths import Path

Json = dict[str, Any]

CREATE_MANAGER = "pulumi-kubernetes"
"""The field manager of creates, the same for all resources."""

_UPDATE_MANAGERS = ("kubectl", "before-first-apply", CREATE_MANAGER, "pulumi-resource-kubernetes")
_APPLY_MANAGERS = ("kubectl",)
# All are prefixes, as for pulumi-kubernetes: kubectl's commands have names of their own, as kubectl-label.


def transfer_by_index(metadata: Json, manager: str, previous: str | None = None) -> list[Json] | None:
    """Return the JSON patch that hands over the one entry to be moved, judged by possibly old metadata.

    None if there is nothing to move. An empty list if it takes a fresh look (`transfer_whole`). The patch
    fails with 422 when the entry is no longer where the metadata says, or when the object is another one.
    """
    entries = metadata.get("managedFields") or []
    moving = [index for index, entry in enumerate(entries) if _moves(entry, manager, previous)]
    if not moving:
        return None
    if len(moving) > 1 or any(_is_ours(entry, manager) for entry in entries):
        return []
    index, entry = moving[0], entries[moving[0]]
    place = f"/metadata/managedFields/{index}"
    return [
        {"op": "test", "path": "/metadata/uid", "value": metadata.get("uid")},
        {"op": "test", "path": f"{place}/manager", "value": entry["manager"]},
        {"op": "test", "path": f"{place}/operation", "value": entry["operation"]},
        {"op": "replace", "path": f"{place}/manager", "value": manager},
        {"op": "replace", "path": f"{place}/operation", "value": "Apply"},
    ]


def transfer_whole(metadata: Json, manager: str, previous: str | None = None) -> list[Json] | None:
    """Return the JSON patch that hands over every entry to be moved, joined into one; None if there is none.

    `metadata` must be fresh: the patch fails with 422 when the resourceVersion is another one by then.
    """
    entries = metadata.get("managedFields") or []
    moving = [entry for entry in entries if _moves(entry, manager, previous)]
    if not moving:
        return None
    ours = [entry for entry in entries if _is_ours(entry, manager)]
    fields: Json = {}
    for entry in ours + moving:
        fields = _union(fields, entry.get("fieldsV1") or {})
    joined = {**(ours or moving)[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    rest = [entry for entry in entries if entry not in moving and entry not in ours]
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata.get("resourceVersion")},
        {"op": "replace", "path": "/metadata/managedFields", "value": [joined, *rest]},
    ]


def without_defaults(metadata: Json, manager: str, document: Json) -> list[Json] | None:
    """Return the JSON patch by which the manager gives up fields inside what the document declares empty.

    None if it owns none there. `metadata` must be fresh, as for `transfer_whole`.
    """
    entries = metadata.get("managedFields") or []
    kept = [
        {**entry, "fieldsV1": _declared(entry.get("fieldsV1") or {}, document)}
        if _is_ours(entry, manager)
        else entry
        for entry in entries
    ]
    if kept == entries:
        return None
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata.get("resourceVersion")},
        {"op": "replace", "path": "/metadata/managedFields", "value": kept},
    ]


def owned_by(metadata: Json, path: Path, manager: str) -> tuple[bool, bool]:
    """Say whether the manager's applies own the field at a path, and whether anyone else does.

    Below a list the owner of the whole list counts: items are known by keys there, not by their index.
    """
    ours = others = False
    keys = tuple(str(key) for key in itertools.takewhile(lambda key: isinstance(key, str), path))
    for entry in metadata.get("managedFields") or []:
        if _holds(entry.get("fieldsV1") or {}, keys):
            ours, others = ours or _is_ours(entry, manager), others or not _is_ours(entry, manager)
    return ours, others


def is_created_from(metadata: Json, wanted: Json) -> bool:
    """Say whether a create of ours made the object and nothing was applied since, with the labels wanted.

    `metadata` is the live object's, `wanted` that of the inputs.
    """
    created = any(
        entry.get("manager") == CREATE_MANAGER and entry.get("operation") == "Update"
        for entry in metadata.get("managedFields") or []
    )
    return created and (wanted.get("labels") or {}).items() <= (metadata.get("labels") or {}).items()


def _declared(fields: Json, document: Json) -> Json:
    """Return owned fields without those below objects that are empty in the document."""
    values = {f"f:{key}": value for key, value in document.items() if isinstance(value, dict)}
    return {
        key: (_declared(below, values[key]) if values[key] else {}) if key in values else below
        for key, below in fields.items()
    }


def _moves(entry: Json, manager: str, previous: str | None) -> bool:
    if entry.get("subresource") or _is_ours(entry, manager):
        return False
    name, operation = str(entry.get("manager")), entry.get("operation")
    if operation == "Update":
        return name.startswith(_UPDATE_MANAGERS)
    return name.startswith(_APPLY_MANAGERS) or name == previous


def _is_ours(entry: Json, manager: str) -> bool:
    same = entry.get("manager") == manager and entry.get("operation") == "Apply"
    return same and not entry.get("subresource")


def _holds(fields: Json, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if f"f:{key}" not in fields:
            return False
        fields = fields[f"f:{key}"]
    return True


def _union(left: Json, right: Json) -> Json:
    return {
        key: _union(left.get(key, {}), right.get(key, {}))
        if isinstance(left.get(key, {}), dict)
        else left[key]
        for key in left.keys() | right.keys()
    }
