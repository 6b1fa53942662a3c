"""Property values on the wire: protobuf Struct, as the Pulumi SDK sends and expects them."""

from typing import Any

from google.protobuf import struct_pb2  # type: ignore[import-untyped]

from engine import assets, specials
from engine.provider import Properties
from engine.specials import OUTPUT, SECRET, SIGNATURE, UNKNOWN_TEXTS
from engine.values import UNKNOWN, Archive, Asset, Secret, secret

_EXACT = 2.0**53
"""Doubles below this are exact integers when they are integral."""


def from_struct(struct: struct_pb2.Struct, dependencies: dict[str, set[str]] | None = None) -> Properties:
    """Decode the properties of a request.

    Assets get their hashes; `dependencies` gets the URNs that output values in a property name, if there are
    any. ValueError for what cannot be understood.
    """
    if dependencies is None:
        return {key: from_value(value) for key, value in struct.fields.items()}
    properties: Properties = {}
    for key, value in struct.fields.items():
        urns: set[str] = set()
        properties[key] = from_value(value, urns)
        if urns:
            dependencies[key] = urns
    return properties


def from_value(value: struct_pb2.Value, urns: set[str] | None = None) -> Any:
    """Decode one value; `urns` gets what output values in it depend on."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text in UNKNOWN_TEXTS else text
    if kind == "struct_value":
        return _from_fields(value.struct_value, urns)
    if kind == "list_value":
        return [from_value(item, urns) for item in value.list_value.values]
    if kind == "number_value":
        return _number(value.number_value)
    return value.bool_value if kind == "bool_value" else None


def to_struct(properties: Properties) -> struct_pb2.Struct:
    """Encode the properties of an answer."""
    struct = struct_pb2.Struct()
    fields = struct.fields
    for key, value in properties.items():
        _put(fields[key], value)
    return struct


def to_plain(properties: Properties) -> Properties | None:
    """Return what the SDK would decode `to_struct(properties)` to; None if that takes the SDK to tell.

    The SDK takes a dict in a Struct's place and then has nothing to decode. As in its own decoding, numbers
    are floats, and members of an object that are null are left out.
    """
    try:
        return _plain_fields(properties)
    except _NotPlainError:
        return None


class _NotPlainError(Exception):
    """A value that has a form of its own on the wire."""


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        if value in UNKNOWN_TEXTS:
            raise _NotPlainError
        return value
    if kind is dict:
        return _plain_fields(value)
    if kind is list:
        return [_plain(item) for item in value]
    if kind is int or kind is float:
        return float(value)
    if kind is bool or value is None:
        return value
    raise _NotPlainError


def _plain_fields(fields: Properties) -> Properties:
    if SIGNATURE in fields:
        raise _NotPlainError
    return {key: _plain(value) for key, value in fields.items() if value is not None}


def _from_fields(struct: struct_pb2.Struct, urns: set[str] | None) -> Any:
    fields = {key: from_value(value, urns) for key, value in struct.fields.items()}
    if SIGNATURE not in fields:
        return fields
    kind = fields.pop(SIGNATURE)
    if kind == SECRET:
        return secret(fields.get("value"))
    if kind == OUTPUT:
        if urns is not None:
            urns.update(fields.get("dependencies") or ())
        value = fields.get("value", UNKNOWN)
        return secret(value) if fields.get("secret") else value
    special = specials.decode(kind, fields)
    return assets.with_hash(special) if isinstance(special, Asset | Archive) else special


def _number(number: float) -> int | float:
    return int(number) if number.is_integer() and -_EXACT <= number <= _EXACT else number


def _put(target: struct_pb2.Value, value: Any) -> None:
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, dict):
        _put_fields(target.struct_value, value)
    elif isinstance(value, list | tuple):
        _put_items(target.list_value, value)
    elif isinstance(value, Secret):
        _put_fields(target.struct_value, {SIGNATURE: SECRET, "value": value.value})
    else:
        _put(target, specials.encode(value))


def _put_fields(struct: struct_pb2.Struct, value: dict[str, Any]) -> None:
    struct.SetInParent()  # an empty object is an object too
    fields = struct.fields
    for key, item in value.items():
        _put(fields[key], item)


def _put_items(target: struct_pb2.ListValue, value: list[Any] | tuple[Any, ...]) -> None:
    target.SetInParent()
    for item in value:
        _put(target.values.add(), item)
