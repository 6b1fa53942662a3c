"""From objects to field sets: what an object holds, and what differs between two objects."""

import functools
import json
from typing import Any

from local.apiserver.fields.sets import LEAF, FieldSet
from local.apiserver.schemas.types import ANY, Anything, ListType, MapType, Scalar, Struct, Type


@functools.lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return json.dumps(text)


def item_key(type_: ListType, item: Any) -> str:
    """Return the key under which an item of a keyed list or a set is known in field sets.

    Raises KeyError for an item without its keys.
    """
    if type_.mode == "set":
        return f"v:{_quoted(item) if type(item) is str else json.dumps(item, separators=(',', ':'))}"
    if len(type_.keys) == 1:
        key = type_.keys[0]
        value = item[key]
        return f'k:{{"{key}":{_quoted(value) if type(value) is str else json.dumps(value)}}}'
    values = {key: _key_value(type_, item, key) for key in type_.keys}
    return f"k:{json.dumps(values, separators=(',', ':'), sort_keys=True)}"


def _key_value(type_: ListType, item: dict[str, Any], key: str) -> Any:
    if key in item or not isinstance(type_.item, Struct):
        return item[key]
    default = type_.item.fields[key].default
    if default is None:
        raise KeyError(key)
    return default


def child_type(type_: Type, key: str) -> Type:
    """Return the type of a field of a struct, map or free-form object."""
    if isinstance(type_, Struct):
        return type_.types.get(key, ANY)
    return type_.item if isinstance(type_, MapType) else ANY


def is_granular_map(type_: Type, value: Any) -> bool:
    """Say whether the fields of a value are owned one by one."""
    if not isinstance(value, dict) or isinstance(type_, Scalar | ListType):
        return False
    return isinstance(type_, Anything) or not type_.atomic


def is_granular_list(type_: Type, value: Any) -> bool:
    """Say whether the items of a value are owned one by one."""
    return isinstance(type_, ListType) and type_.mode != "atomic" and isinstance(value, list)


def applied_set(type_: Type, value: Any) -> FieldSet | None:
    """Return what applying a value claims: leaves, list items and free map keys, but not their structs.

    None means that it claims nothing, which only an empty keyed list does.
    """
    if is_granular_map(type_, value):
        return _applied_map(type_, value)
    if is_granular_list(type_, value):
        return _applied_list(type_, value)
    return LEAF


def _applied_map(type_: Type, value: dict[str, Any]) -> FieldSet:
    known = type_.types if isinstance(type_, Struct) else {}
    result: FieldSet = {}
    for key, item in value.items():
        field_type = known.get(key)
        child = applied_set(field_type or child_type(type_, key), item)
        if child is not None:
            result[f"f:{key}"] = child if field_type is not None or not child else {".": LEAF, **child}
    return result


def _applied_list(type_: Type, value: list[Any]) -> FieldSet | None:
    assert isinstance(type_, ListType)
    result: FieldSet = {}
    for item in value:
        child = applied_set(type_.item, item)
        result[item_key(type_, item)] = {".": LEAF, **child} if child else LEAF
    return result or None


def full_set(type_: Type, value: Any) -> FieldSet:
    """Return every path of a value, containers included: what adding it claims."""
    children: FieldSet = {}
    if is_granular_map(type_, value):
        children = {f"f:{key}": full_set(child_type(type_, key), item) for key, item in value.items()}
    elif is_granular_list(type_, value):
        assert isinstance(type_, ListType)
        children = {item_key(type_, item): full_set(type_.item, item) for item in value}
    return {".": LEAF, **children} if children else LEAF


class Changes:
    """What differs between two objects: `changed` holds what is new or different, `removed` what is gone."""

    __slots__ = ("changed", "removed")

    def __init__(self, type_: Struct, old: dict[str, Any], new: dict[str, Any]) -> None:
        self.changed: FieldSet = {}
        self.removed: FieldSet = {}
        if old != new:
            self._compare_children(_fields(type_, old), _fields(type_, new), self.changed, self.removed)

    def _compare_children(
        self, old: "Children", new: "Children", changed: FieldSet, removed: FieldSet
    ) -> None:
        for key, (type_, value) in new.items():
            known = old.get(key)
            if known is None:
                changed[key] = full_set(type_, value)
            elif known[1] is not value and known[1] != value:
                self._compare(key, type_, known[1], value, changed, removed)
        for key, (type_, value) in old.items():
            if key not in new:
                removed[key] = full_set(type_, value)

    def _compare(
        self, key: str, type_: Type, old: Any, new: Any, changed: FieldSet, removed: FieldSet
    ) -> None:
        """Compare two different values under one key."""
        old_children, new_children = _children(type_, old), _children(type_, new)
        if not (old_children or new_children) or (
            old is not None and (old_children is None) != (new_children is None)
        ):
            changed[key] = LEAF
            return
        below_changed: FieldSet = {}
        below_removed: FieldSet = {}
        self._compare_children(old_children or {}, new_children or {}, below_changed, below_removed)
        if below_changed:
            changed[key] = below_changed
        if below_removed:
            removed[key] = below_removed


Children = dict[str, tuple[Type, Any]]
"""The parts of a value by their key in field sets, with their types."""


def _children(type_: Type, value: Any) -> Children | None:
    """Return the parts of a value that is owned part by part, None for a leaf."""
    if is_granular_map(type_, value):
        return _fields(type_, value)
    if is_granular_list(type_, value):
        assert isinstance(type_, ListType)
        return {item_key(type_, item): (type_.item, item) for item in value}
    return None


def _fields(type_: Type, value: dict[str, Any]) -> Children:
    if isinstance(type_, Struct):
        types = type_.types
        return {f"f:{key}": (types.get(key, ANY), item) for key, item in value.items()}
    item_type = child_type(type_, "")
    return {f"f:{key}": (item_type, item) for key, item in value.items()}
