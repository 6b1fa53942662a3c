"""Strategic merge patch: a merge patch that knows which lists merge by key, as the types say.

Directives: `$patch: replace|delete|merge`, `$retainKeys`, `$deleteFromPrimitiveList/x`, `$setElementOrder/x`.
"""

from typing import Any

from local.apiserver.errors import bad_request
from local.apiserver.fields.walk import child_type
from local.apiserver.schemas.types import ListType, Type

DELETE_FROM = "$deleteFromPrimitiveList/"
ORDER = "$setElementOrder/"


def strategic_merge(type_: Type, target: Any, patch: dict[str, Any]) -> Any:
    """Return the target with the patch applied; neither is changed."""
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            name = key.removeprefix(DELETE_FROM)
            result[name] = [item for item in result.get(name) or () if item not in value]
        elif not key.startswith("$"):
            _merge_field(child_type(type_, key), result, key, value, patch.get(ORDER + key))
    for key, order in patch.items():
        name = key.removeprefix(ORDER)
        if key != name and name not in patch and isinstance(result.get(name), list):
            result[name] = _ordered(child_type(type_, name), result[name], order)
    return result


def _merge_field(type_: Type, result: dict[str, Any], key: str, value: Any, order: Any) -> None:
    if value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        result[key] = strategic_merge(type_, result.get(key), value)
    elif isinstance(value, list) and isinstance(type_, ListType) and type_.patch_key is not None:
        merged = _merge_list(type_, result.get(key) or [], value)
        result[key] = _ordered(type_, merged, order) if order else merged
    else:
        result[key] = value


def _merge_list(type_: ListType, target: list[Any], patch: list[Any]) -> list[Any]:
    key = type_.patch_key
    if not key:
        return target + [item for item in patch if item not in target]
    if {"$patch": "replace"} in patch:
        return [item for item in patch if item != {"$patch": "replace"}]
    result = list(target)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        places = [index for index, known in enumerate(result) if known.get(key) == item[key]]
        if item.get("$patch") == "delete":
            result = [known for known in result if known.get(key) != item[key]]
        elif places:
            result[places[0]] = strategic_merge(type_.item, result[places[0]], item)
        else:
            result.append(strategic_merge(type_.item, {}, item))
    return result


def _ordered(type_: Type, items: list[Any], order: list[Any]) -> list[Any]:
    """Return the items in the asked order, those that it does not name behind their old neighbours."""
    key = type_.patch_key if isinstance(type_, ListType) else None
    wanted = [item.get(key) if key and isinstance(item, dict) else item for item in order]
    rank = {_hashable(value): index for index, value in enumerate(wanted)}
    last, placed = -1, []
    for position, item in enumerate(items):
        value = _hashable(item.get(key) if key and isinstance(item, dict) else item)
        last = rank.get(value, last)
        placed.append((last, position, item))
    return [item for _, _, item in sorted(placed, key=lambda entry: entry[:2])]


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int) else repr(value)
