"""The three patch formats: JSON merge patch (RFC 7396), JSON patch (RFC 6902) and strategic merge patch.

Pure: a patch never changes the live object, it returns a new one that may share parts with both.
"""

from typing import Any

from local.apiserver.errors import ApiError, bad_request
from local.apiserver.kinds import Kind
from local.apiserver.objects import Object
from local.apiserver.schemas.types import Struct
from local.apiserver.strategic import strategic_merge


def apply_patch(kind: Kind, type_: Struct, live: Object, patch: Any, patch_type: str) -> Object:
    """Return the live object with the patch applied. Raises ApiError 400, 415, 422 where it does not fit."""
    if patch_type == "json":
        result = json_patch(live, patch)
    elif not isinstance(patch, dict):
        raise bad_request(f"a {patch_type} patch must be a JSON object, not {type(patch).__name__}")
    elif patch_type == "merge":
        result = merge_patch(live, patch)
    elif kind.custom:
        raise ApiError(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )
    else:
        result = strategic_merge(type_, live, patch)
    if not isinstance(result, dict) or not isinstance(result.get("metadata"), dict):
        raise bad_request("the patch leaves no object with metadata behind")
    return result


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch: objects merge, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """Apply a JSON patch, all operations or none. Raises ApiError 422 where one does not apply."""
    if operations is None:
        return target
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    for operation in operations:
        try:
            target = _operate(target, operation)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
            raise ApiError(
                422,
                "Invalid",
                f"the server rejected our request due to an error in our request: {operation.get('op')} "
                f"operation does not apply: path {operation.get('path')!r} ({error})",
                {},
            ) from None
    return target


def _operate(target: Any, operation: dict[str, Any]) -> Any:
    name, path = operation["op"], _pointer(operation["path"])
    if name == "test":
        if _lookup(target, path) != operation.get("value"):
            raise ValueError("testing value failed")
        return target
    if name == "remove":
        return _edit(target, path, "remove", None)
    if name in ("move", "copy"):
        source = _pointer(operation["from"])
        value = _lookup(target, source)
        target = _edit(target, source, "remove", None) if name == "move" else target
        return _edit(target, path, "add", value)
    if name not in ("add", "replace"):
        raise ValueError(f"unexpected kind: {name}")
    return _edit(target, path, name, operation["value"])


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError("a path begins with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _lookup(target: Any, path: list[str]) -> Any:
    for part in path:
        target = target[int(part)] if isinstance(target, list) else target[part]
    return target


def _edit(target: Any, path: list[str], operation: str, value: Any) -> Any:
    """Return the target with one place added, replaced or removed."""
    if not path:
        return value
    head, *rest = path
    if isinstance(target, list):
        return _edit_list(target, head, rest, operation, value)
    result = dict(target)
    if rest:
        result[head] = _edit(target[head], rest, operation, value)
    elif operation == "remove":
        del result[head]
    elif operation == "replace" and head not in result:
        raise KeyError("missing value")
    else:
        result[head] = value
    return result


def _edit_list(target: list[Any], head: str, rest: list[str], operation: str, value: Any) -> list[Any]:
    result = list(target)
    index = len(result) if head == "-" else int(head)
    if not 0 <= index <= len(result):
        raise IndexError(f"index {index} is out of range")
    if rest:
        result[index] = _edit(result[index], rest, operation, value)
    elif operation == "add":
        result.insert(index, value)
    elif operation == "remove":
        del result[index]
    else:
        result[index] = value
    return result
