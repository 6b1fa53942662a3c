"""What differs between recorded outputs and wanted inputs; pure.

The comparison is terraform's: recorded outputs (the state) against new inputs, so that drift that a refresh
recorded shows. A value that is not given is its default, or whatever the service made of it (`computed`);
empty strings, lists and objects, false and 0 are the same as nothing (terraform's SDK, helper/schema).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine import paths
from engine.aws.spec import Json, Kind, Prop, ResourceType
from engine.provider import DiffKind, DiffResult, PropertyDiff
from engine.values import UNKNOWN, Asset, contains_unknown

DEFAULTS = "__defaults"
"""The input in which Pulumi's bridge lists the properties that it filled in (pkg/tfbridge/schema.go)."""

_LISTS = (Kind.LIST, Kind.SET)


def compare(kind: ResourceType, old: Json, new: Json, ignored: tuple[str, ...] = ()) -> DiffResult:
    """Compare recorded outputs with new checked inputs, both plain; `ignored` are ignoreChanges' paths."""
    passed_over = [paths.parse(path) for path in ignored]
    detailed: dict[str, PropertyDiff] = {}
    for name, prop in kind.props.items():
        for path, change in differences(prop, old.get(name), new.get(name), name):
            if not any(paths.covers(item, paths.parse(path)) for item in passed_over):
                detailed[path] = PropertyDiff(change.replacing if prop.force_new else change)
    diffs = tuple(dict.fromkeys(_root(path) for path in detailed))
    replaces = tuple(name for name in diffs if kind.props[name].force_new)
    return DiffResult(
        changes=bool(detailed),
        replaces=replaces,
        diffs=diffs,
        detailed=detailed,
        delete_before_replace=bool(replaces) and _same_identity(kind, old, new),
    )


def differences(prop: Prop, old: Any, new: Any, path: str) -> Iterator[tuple[str, DiffKind]]:
    """Yield the paths below a property at which a wanted value is not the recorded one."""
    if prop.output:
        return
    if _is_object(prop, old, new):
        for name, inner in prop.fields.items():
            yield from differences(inner, old.get(name), new.get(name), f"{path}.{name}")
    elif _is_list(prop, old, new):
        item = Prop(kind=Kind.OBJECT, fields=prop.fields)
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(item, *pair, f"{path}[{index}]")
    elif prop.kind is Kind.MAP and isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                yield f"{path}{_step(key)}", _change(old.get(key), new.get(key))
    elif not is_same(prop, old, new):
        yield path, _change(old, new)


def is_same(prop: Prop, old: Any, new: Any) -> bool:
    """Say whether a wanted value asks for nothing but what is recorded."""
    if contains_unknown(new):
        return False
    if new is None and prop.computed:
        return True
    return bool(canonical(prop, old) == canonical(prop, new))


def canonical(prop: Prop, value: Any) -> Any:
    """Return the form in which values that mean the same are equal; None for nothing."""
    if value is None:
        value = prop.default
    if not value and value != prop.default and prop.default is not None:
        return value
    if not value:
        return None
    if prop.canonical is not None:
        return prop.canonical(value)
    if isinstance(value, Asset):
        return value.hash
    if prop.kind is Kind.OBJECT and isinstance(value, dict):
        inner = {name: canonical(prop.fields[name], value.get(name)) for name in prop.fields}
        return {name: item for name, item in inner.items() if item is not None} or None
    if prop.kind in _LISTS and isinstance(value, list):
        items = [canonical(_item(prop), item) for item in value]
        return sorted(items, key=_order) if prop.kind is Kind.SET else items
    return value


def settled(kind: ResourceType, found: Json, recorded: Json) -> Json:
    """Return found outputs, with documents in the text that is recorded where they mean the same."""
    kept = {
        name: recorded[name]
        for name, prop in kind.props.items()
        if prop.kind is Kind.DOCUMENT and name in found and name in recorded
        if is_same(prop, found[name], recorded[name])
    }
    return {**found, **kept}


def planned(kind: ResourceType, old: Json, new: Json) -> Json:
    """Return the outputs that a preview can tell: what is given, what stays, and UNKNOWN for the rest."""
    result: Json = {}
    for name, prop in kind.props.items():
        if name in new:
            result[name] = new[name]
        elif prop.default is not None:
            result[name] = prop.default
        elif prop.output or prop.computed:
            result[name] = old.get(name, UNKNOWN if not old else None)
    if "tagsAll" in result and "tags" in new:
        result["tagsAll"] = new["tags"]
    return {name: value for name, value in result.items() if value is not None}


def _is_object(prop: Prop, old: Any, new: Any) -> bool:
    return prop.kind is Kind.OBJECT and isinstance(old, dict) and isinstance(new, dict)


def _is_list(prop: Prop, old: Any, new: Any) -> bool:
    """Say whether two lists of objects can be compared one by one."""
    both = isinstance(old, list) and isinstance(new, list)
    if not both or prop.kind is not Kind.LIST or not prop.fields or len(old) != len(new):
        return False
    return all(isinstance(item, dict) for item in (*old, *new))


def _item(prop: Prop) -> Prop:
    return Prop(kind=Kind.OBJECT, fields=prop.fields) if prop.fields else Prop()


def _order(item: Any) -> str:
    return json.dumps(item, sort_keys=True, default=repr)


def _change(old: Any, new: Any) -> DiffKind:
    if old in (None, "", [], {}):
        return DiffKind.ADD
    return DiffKind.DELETE if new is None else DiffKind.UPDATE


def _step(key: str) -> str:
    return f".{key}" if key.isidentifier() else '["' + key.replace("\\", "\\\\").replace('"', '\\"') + '"]'


def _root(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _same_identity(kind: ResourceType, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Say whether a replacement would carry the old resource's name: then the old one has to go first.

    pkg/tfbridge/provider.go decides by whether the name was made up, pulumi-aws marks leaves by hand.
    """
    if kind.leaf:
        return True
    if kind.autoname is None or kind.autoname.property in new.get(DEFAULTS, ()):
        return False
    name = kind.autoname.property
    return name in new and not contains_unknown(new[name]) and old.get(name) == new[name]
