"""Inputs made from what was read: for a refresh like the recorded ones, for an import from nothing; pure."""

from typing import Any

from engine.aws.compare import DEFAULTS, canonical, is_same
from engine.aws.spec import Json, Kind, Prop, ResourceType
from engine.values import Secret, unwrap


def refreshed_inputs(kind: ResourceType, inputs: Json, outputs: Json) -> Json:
    """Return recorded inputs with what is different now; what means the same keeps its text and secrecy."""
    return {
        name: _refreshed(kind.props[name], value, outputs.get(name)) if name in kind.props else value
        for name, value in inputs.items()
        if name not in kind.props or _still(kind.props[name], unwrap(value), outputs.get(name))
    }


def imported_inputs(kind: ResourceType, outputs: Json) -> Json:
    """Return the inputs of a program that would say what is there: no defaults, no empty values."""
    found = {
        name: _given(prop, outputs[name])
        for name, prop in kind.props.items()
        if not prop.output and name in outputs and name != "region"
        if canonical(prop, outputs[name]) not in (None, prop.default)
    }
    return {**found, DEFAULTS: []}


def _still(prop: Prop, before: Any, found: Any) -> bool:
    """Say whether a recorded input remains: it is still there, is never reported, or says nothing."""
    return prop.local or found is not None or is_same(prop, found, before)


def _refreshed(prop: Prop, before: Any, found: Any) -> Any:
    if found is None or is_same(prop, found, unwrap(before)):
        return before
    now = _given(prop, found)
    return Secret(now) if isinstance(before, Secret) else now


def _given(prop: Prop, value: Any) -> Any:
    """Return an output as an input: objects without what the service adds on its own and what is empty."""
    if isinstance(value, Secret):
        return Secret(_given(prop, value.value))
    if prop.kind is Kind.OBJECT and isinstance(value, dict):
        inner = {name: _given(item, value.get(name)) for name, item in prop.fields.items() if not item.output}
        return {name: item for name, item in inner.items() if item not in (None, "", [], {})}
    if isinstance(value, list) and prop.fields:
        item = Prop(kind=Kind.OBJECT, fields=prop.fields)
        return [_given(item, entry) for entry in value]
    return value
