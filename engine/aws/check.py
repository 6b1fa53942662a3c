"""From a program's inputs to checked inputs: known names, right types, defaults, names made up; pure.

The checked inputs carry `__defaults` as Pulumi's bridge writes it, so that the real plugin knows what it may
change on its own: a made-up name stays as long as it is listed there.
"""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.aws.compare import DEFAULTS
from engine.aws.spec import Autoname, Json, Kind, Prop, ResourceType
from engine.provider import CheckFailure, CheckResult
from engine.urns import parse
from engine.values import UNKNOWN, Asset, ResourceReference, Secret, contains_unknown, unwrap

_TYPES: dict[Kind, type | tuple[type, ...]] = {
    Kind.STRING: str,
    Kind.BOOL: bool,
    Kind.INT: int,
    Kind.LIST: list,
    Kind.SET: list,
    Kind.MAP: dict,
    Kind.OBJECT: dict,
    Kind.ASSET: Asset,
}


def checked(
    kind: ResourceType, *, urn: str, olds: Json, news: Json, seed: bytes, default_tags: Mapping[str, str]
) -> CheckResult:
    """Return the inputs with defaults filled in, and what is wrong with them. `olds` are the old inputs."""
    given = {name: value for name, value in news.items() if value is not None and name != DEFAULTS}
    inputs = {name: _converted(kind.props.get(name), value) for name, value in given.items()}
    inputs = with_tags(kind, inputs, default_tags)
    failures = tuple(_failures(kind, inputs))
    if failures:
        return CheckResult(inputs=inputs, failures=failures)
    defaults = _defaults(kind, inputs, olds, urn, seed)
    failures = tuple(_too_long(kind, {**inputs, **defaults}))
    complete = {**inputs, **defaults, DEFAULTS: sorted(defaults)}
    return CheckResult(inputs=dict(sorted(complete.items())), failures=failures)


def with_tags(kind: ResourceType, inputs: Json, default_tags: Mapping[str, str]) -> Json:
    """Return the inputs with the provider's default tags under their own (pulumi-aws: provider/tags.go)."""
    tags = inputs.get("tags", {})
    if "tags" not in kind.props or not default_tags or tags is UNKNOWN:
        return inputs
    if isinstance(tags, Secret):
        return {**inputs, "tags": Secret({**default_tags, **tags.value})}
    return {**inputs, "tags": {**default_tags, **tags}} if isinstance(tags, dict) else inputs


def _converted(prop: Prop | None, value: Any) -> Any:
    """Return a value in the property's own form: objects as documents, references as ids, no nulls."""
    if isinstance(value, Secret):
        return Secret(_converted(prop, value.value))
    if isinstance(value, ResourceReference):
        return value.id
    if prop is None or value is UNKNOWN:
        return value
    if prop.kind is Kind.DOCUMENT and isinstance(value, dict):
        return UNKNOWN if contains_unknown(value) else _text(value)
    if isinstance(value, dict):
        fields = prop.fields
        return {key: _converted(fields.get(key), item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        item = Prop(kind=Kind.OBJECT, fields=prop.fields) if prop.fields else Prop()
        return [_converted(item, entry) for entry in value if entry is not None]
    return value


def _text(value: Json) -> str:
    return json.dumps(unwrap(value), separators=(",", ":"))


def _failures(kind: ResourceType, inputs: Json) -> Iterator[CheckFailure]:
    for name, reason in kind.refused.items():
        if name in inputs:
            yield CheckFailure(name, f"{name} is not supported by the embedded engine; {reason}")
    inputs = {name: value for name, value in inputs.items() if name not in kind.refused}
    yield from _object(kind.props, inputs, "")
    for group in kind.exclusive:
        found = [name for name in group if name in inputs]
        if len(found) > 1:
            yield CheckFailure(found[1], f"{' and '.join(found)} exclude each other; give one of them")


def _object(props: Mapping[str, Prop], value: Json, path: str) -> Iterator[CheckFailure]:
    """Yield what is wrong with an object: missing, unknown and malformed properties."""
    for name, prop in props.items():
        if prop.required and name not in value:
            yield CheckFailure(path + name, f"{path + name} is required but missing")
    for name, item in value.items():
        known = props.get(name)
        if known is None or known.output:
            yield CheckFailure(path + name, _unknown(props, name, path))
        else:
            yield from _value(known, item, path + name)


def _unknown(props: Mapping[str, Prop], name: str, path: str) -> str:
    if name in props:
        return f"{path + name} is set by AWS; it cannot be given"
    known = [known for known, prop in props.items() if not prop.output]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(sorted(known))}"
    return f"{path + name} is no property here; {hint}"


def _value(prop: Prop, value: Any, path: str) -> Iterator[CheckFailure]:
    value = value.value if isinstance(value, Secret) else value
    if value is UNKNOWN:
        return
    if not _fits(prop, value):
        yield CheckFailure(path, f"{path} has to be {prop.kind.value}, not {_shown(value)}")
    elif prop.choices and value not in prop.choices:
        yield CheckFailure(path, f"{path} is {value!r}; allowed are {', '.join(prop.choices)}")
    elif prop.kind in (Kind.LIST, Kind.SET):
        item = Prop(kind=Kind.OBJECT, fields=prop.fields) if prop.fields else Prop()
        for index, entry in enumerate(value):
            yield from _value(item, entry, f"{path}[{index}]")
    elif prop.kind is Kind.OBJECT:
        yield from _object(prop.fields, value, f"{path}.")
    elif prop.kind is Kind.MAP:
        for key, entry in value.items():
            yield from _value(Prop(), entry, f'{path}["{key}"]')


def _fits(prop: Prop, value: Any) -> bool:
    if prop.kind is Kind.DOCUMENT:
        return isinstance(value, str) and _is_document(value)
    return isinstance(value, _TYPES[prop.kind]) and not (prop.kind is Kind.INT and isinstance(value, bool))


def _is_document(value: str) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def _shown(value: Any) -> str:
    """Describe a refused value without showing it: it may be a secret in the wrong place."""
    return f"a value of the type {type(value).__name__}" if not isinstance(value, str) else "this text"


def _defaults(kind: ResourceType, inputs: Json, olds: Json, urn: str, seed: bytes) -> Json:
    """Return what the program left out and has a default or a made-up name."""
    result = {
        name: prop.default
        for name, prop in kind.props.items()
        if prop.default is not None and not prop.output and name not in inputs
    }
    auto = kind.autoname
    if auto and auto.property not in inputs and not any(name in inputs for name in auto.unless):
        made_up = auto.property in olds.get(DEFAULTS, ())
        result[auto.property] = olds[auto.property] if made_up else _name(auto, inputs, urn, seed)
    return result


def _name(auto: Autoname, inputs: Json, urn: str, seed: bytes) -> str:
    name = parse(urn).name
    if auto.digits:
        name += "-" + hashlib.sha256(seed + urn.encode()).hexdigest()[: auto.digits]
    return auto.form(name, unwrap(inputs))


def _too_long(kind: ResourceType, inputs: Json) -> Iterator[CheckFailure]:
    limits = {name: prop.length for name, prop in kind.props.items() if prop.length}
    if kind.autoname:
        limits[kind.autoname.property] = kind.autoname.length
    for name, limit in limits.items():
        value = unwrap(inputs.get(name))
        if isinstance(value, str) and len(value) > limit:
            reason = f"{name} is {value!r}, {len(value)} characters; at most {limit} are allowed"
            yield CheckFailure(name, f"{reason}; give a shorter {name}")
