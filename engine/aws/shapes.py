"""From properties to the parameters of a service's API and back, by the tables of `spec`; pure.

API names are the property names capitalised unless a table says otherwise.
"""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from engine.aws.spec import Json, Kind, Prop


def to_api(props: Mapping[str, Prop], value: Json) -> Json:
    """Return an object as API parameters; what is empty is left out."""
    return {
        _api_name(name, prop): _to_api(prop, value[name])
        for name, prop in props.items()
        if not prop.output and value.get(name) is not None
    }


def from_api(props: Mapping[str, Prop], answer: Mapping[str, Any]) -> Json:
    """Return what an API answered as an object; what it did not say is left out."""
    return {
        name: _from_api(prop, answer[_api_name(name, prop)])
        for name, prop in props.items()
        if answer.get(_api_name(name, prop)) is not None
    }


def pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Return tags as most APIs take them."""
    return [{key: name, value: text} for name, text in tags.items()]


def unpaired(tags: Iterable[Mapping[str, str]], key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Return tags as a map, by name."""
    return dict(sorted((tag[key], tag[value]) for tag in tags))


def moment(value: datetime.datetime) -> str:
    """Return a time as terraform writes it, RFC 3339 in UTC without fractions."""
    return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def given(**parameters: Any) -> Json:
    """Return the parameters that are neither missing nor empty (false and 0 are values)."""
    return {
        name: value for name, value in parameters.items() if value is not None and value not in ("", [], {})
    }


def _to_api(prop: Prop, value: Any) -> Any:
    if isinstance(value, list) and prop.fields:
        return [to_api(prop.fields, item) for item in value]
    if isinstance(value, dict):
        return to_api(prop.fields, value) if prop.fields else pairs(value)
    return value


def _from_api(prop: Prop, value: Any) -> Any:
    if isinstance(value, list) and prop.kind is Kind.MAP:
        return unpaired(value)
    if isinstance(value, list) and prop.fields:
        return [from_api(prop.fields, item) for item in value]
    if isinstance(value, dict) and prop.fields:
        return from_api(prop.fields, value)
    return moment(value) if isinstance(value, datetime.datetime) else value


def _api_name(name: str, prop: Prop) -> str:
    return prop.api or name[:1].upper() + name[1:]
