"""Merging an applied configuration into an object, and removing fields from an object, type by type."""

from typing import Any

from local.apiserver.fields.sets import FieldSet, is_member
from local.apiserver.fields.walk import child_type, is_granular_list, is_granular_map, item_key
from local.apiserver.schemas.types import ListType, Type


class DuplicateKeys(ValueError):
    """An applied list holds two items of the same key."""


def merge(type_: Type, live: Any, config: Any) -> Any:
    """Return the live value with the configuration laid over it; neither argument is changed."""
    if is_granular_map(type_, config) and isinstance(live, dict):
        return _merge_map(type_, live, config)
    if is_granular_list(type_, config) and isinstance(live, list):
        assert isinstance(type_, ListType)
        return _merge_list(type_, live, config)
    return config


def _merge_map(type_: Type, live: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    result = dict(live)
    for key, value in config.items():
        result[key] = merge(child_type(type_, key), live[key], value) if key in live else value
    return result


def _merge_list(type_: ListType, live: list[Any], config: list[Any]) -> list[Any]:
    """Merge keyed lists: items of the configuration in its order, others where they stood among them."""
    wanted = {item_key(type_, item): item for item in config}
    if len(wanted) != len(config):
        raise DuplicateKeys
    present = {item_key(type_, item): item for item in live}
    order = _order(list(present), list(wanted))
    return [
        merge(type_.item, present[key], wanted[key])
        if key in wanted and key in present
        else wanted.get(key, present.get(key))
        for key in order
    ]


def _order(live: list[str], config: list[str]) -> list[str]:
    """Return all keys: the configuration's in its order, every other where it stood in the live list."""
    present = set(live)
    shared = [key for key in config if key in present]
    if len(shared) == len(live):
        return config
    known = set(config)
    order: list[str] = []
    position = 0
    for key in live:
        if key not in known:
            order.append(key)
        elif position < len(config) and key == (shared[0] if shared else None):
            while config[position] != key:
                order.append(config[position])
                position += 1
            order.append(key)
            position += 1
            shared.pop(0)
    return order + config[position:]


def remove(type_: Type, value: Any, last: FieldSet, kept: FieldSet) -> Any:
    """Return the value without what `last` claims and `kept` does not; None where nothing is left.

    `last` is what a manager claimed before, `kept` what all managers claim now.
    """
    if is_granular_map(type_, value):
        return _remove_fields(type_, value, last, kept)
    if is_granular_list(type_, value):
        assert isinstance(type_, ListType)
        return _remove_items(type_, value, last, kept)
    return value


def _remove_fields(type_: Type, value: dict[str, Any], last: FieldSet, kept: FieldSet) -> Any:
    result = dict(value)
    for key, item in value.items():
        claimed = last.get(f"f:{key}")
        if claimed is None:
            continue
        held = kept.get(f"f:{key}")
        left = remove(child_type(type_, key), item, claimed, held) if held is not None else None
        if left is None:
            del result[key]
        else:
            result[key] = left
    return result or (value if not value else None)


def _remove_items(type_: ListType, value: list[Any], last: FieldSet, kept: FieldSet) -> Any:
    result = []
    for item in value:
        key = item_key(type_, item)
        claimed, held = last.get(key), kept.get(key)
        if claimed is not None and (held is not None or not is_member(claimed)):
            item = remove(type_.item, item, claimed, held or {})
        elif claimed is not None:
            item = None
        if item is not None:
            result.append(item)
    return result or (value if not value else None)
