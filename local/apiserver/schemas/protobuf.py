"""Reads Kubernetes' protobuf request bodies, which newer kubectl versions send for built-in kinds.

Generic over the field numbers in `protobuf.json` and the types of `types.py`. Answers are always JSON, which
the same clients accept.
"""

import base64
import datetime
import functools
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.apiserver.schemas.types import Anything, ListType, MapType, Scalar, Struct, Type, schemas

MAGIC = b"k8s\x00"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class BadProtobuf(ValueError):
    """The body is no protobuf object of a known type."""


def decode_object(body: bytes) -> dict[str, Any]:
    """Return the object of a body as JSON values, with apiVersion and kind. Raises BadProtobuf."""
    if not body.startswith(MAGIC):
        raise BadProtobuf("the body does not begin with the prefix of Kubernetes protobuf objects")
    try:
        envelope = dict(_fields(body[len(MAGIC) :]))
        meta = {number: value.decode() for number, value in _fields(envelope[1])}
        api_version, kind = meta.get(1, ""), meta.get(2, "")
        type_ = schemas().body(api_version, kind)
        if type_ is None:
            raise BadProtobuf(f"no kind {kind!r} in version {api_version!r} is known")
        return {"apiVersion": api_version, "kind": kind, **_message(type_, envelope.get(2, b""))}
    except (IndexError, KeyError, AttributeError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise BadProtobuf(f"the body cannot be decoded: {error!r}") from None


@functools.cache
def _numbers() -> dict[str, dict[int, str]]:
    raw = json.loads(Path(__file__).with_name("protobuf.json").read_text())
    return {name: {int(number): field for number, field in fields.items()} for name, fields in raw.items()}


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield (field number, value): ints of varints, bytes of everything else."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == VARINT:
            value, position = _varint(data, position)
            yield tag >> 3, value
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(wire)
        if wire == BYTES:
            size, position = _varint(data, position)
        if size is None or position + size > len(data):
            raise IndexError(f"field {tag >> 3} is cut off or of wire type {wire}")
        yield tag >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def _message(type_: Struct, data: bytes) -> dict[str, Any]:
    return _filled(type_, type_.name, data)


def _filled(type_: Struct, message: str, data: bytes) -> dict[str, Any]:
    """Return the fields of a message that belong to a struct, be it its own or one that is inlined in it."""
    result: dict[str, Any] = {}
    names = _numbers()[message]
    for number, value in _fields(data):
        name = names.get(number, "")
        if name.startswith("*"):
            result |= _filled(type_, name[1:], value)
            continue
        field = name.removesuffix("?")
        known = type_.types.get(field)
        if known is None:
            continue
        if isinstance(known, ListType):
            result.setdefault(field, []).append(_value(known.item, value))
        elif isinstance(known, MapType):
            result.setdefault(field, {}).update(_pair(known, value))
        else:
            decoded = _value(known, value)
            # A plain Go field is sent even when it was never set; only a pointer's zero was meant.
            if name.endswith("?") or decoded or isinstance(known, Struct):
                result[field] = decoded
    return result


def _pair(type_: MapType, data: bytes) -> dict[str, Any]:
    entry = dict(_fields(data))
    return {entry.get(1, b"").decode(): _value(type_.item, entry.get(2, b""))}


def _value(type_: Type, value: Any) -> Any:
    if isinstance(type_, Struct):
        return _message(type_, value)
    if isinstance(type_, Scalar):
        return _scalar(type_.name, value)
    if isinstance(type_, Anything):
        raw = dict(_fields(value)).get(1, b"")
        return json.loads(raw) if raw.startswith((b"{", b"[")) else raw.decode()
    raise TypeError(f"lists and maps do not nest: {type_}")


def _scalar(name: str, value: Any) -> Any:
    if name == "string":
        return value.decode()
    if name == "integer":
        return value - (1 << 64) if value >= 1 << 63 else value
    if name == "boolean":
        return bool(value)
    if name == "bytes":
        return base64.b64encode(value).decode()
    if name == "number":
        return struct.unpack("<d", value)[0]
    inner = dict(_fields(value))
    if name == "quantity":
        return inner.get(1, b"0").decode()
    if name == "int-or-string":
        return inner.get(3, b"").decode() if inner.get(1) else inner.get(2, 0)
    return _time(inner)


def _time(fields: dict[int, Any]) -> str:
    """Return an RFC 3339 time, empty for Go's zero time, which is never meant."""
    seconds = fields.get(1, 0)
    if not 0 < seconds < 1 << 40:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
