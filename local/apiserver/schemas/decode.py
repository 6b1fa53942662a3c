"""Reads a value as its type: what a real server does by decoding JSON into Go structs.

The result is always a new tree, so that nothing in it is shared with the caller. Unknown fields are left out
and listed, nulls and empty optional lists and maps vanish, quantities take their canonical form.
"""

import base64
import binascii
from typing import Any

from local.apiserver.schemas.quantities import canonical
from local.apiserver.schemas.types import SCALARS, Anything, ListType, MapType, Scalar, Struct, Type

STRING = SCALARS["string"]
GO_NAMES = {"integer": "int32", "boolean": "bool", "number": "float64", "bytes": "[]uint8", "time": "v1.Time"}
VANISHING = {("core.v1.EnvVar", "value")}
"""Strings (struct, field) that a real server does not keep when empty, of those that programs write so."""
JSON_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


class Decoder:
    """Decodes one object and collects what it found wrong, both as dotted paths and texts."""

    def __init__(self, *, verbatim: bool = False, whole_floats: bool = False) -> None:
        self.verbatim = verbatim
        """Whether values stay as written: no canonical quantities, nothing empty dropped or added."""
        self.whole_floats = whole_floats
        """Whether a float such as 3.0 passes as an integer."""
        self.unknown: list[str] = []
        self.mismatches: list[tuple[str, str, str]] = []
        """(path, found JSON type, expected Go type) of values that are not of their type."""

    def decode(self, type_: Type, value: Any, path: str = "") -> Any:
        """Return the value as its type has it; a mismatch is noted and the value kept."""
        if isinstance(type_, Struct):
            return self._struct(type_, value, path)
        if isinstance(type_, Scalar):
            return self._scalar(type_.name, value, path)
        if isinstance(type_, ListType):
            return self._list(type_, value, path)
        if isinstance(type_, MapType):
            return self._map(type_, value, path)
        return copy_json(value)

    def _struct(self, type_: Struct, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(value, path, type_.name.split(".", 1)[-1])
        result = {}
        types, prefix = type_.types, path + "." if path else ""
        for key, item in value.items():
            known = types.get(key)
            if known is None:
                if type_.open:
                    result[key] = copy_json(item)
                else:
                    self.unknown.append(prefix + key)
            elif known is STRING and type(item) is str:
                if item or self.verbatim or (type_.name, key) not in VANISHING:
                    result[key] = item
            elif item is not None:
                decoded = self.decode(known, item, prefix + key)
                if (
                    decoded
                    or not isinstance(known, ListType | MapType)
                    or type_.fields[key].required
                    or self.verbatim
                ):
                    result[key] = decoded
        if not self.verbatim:
            for key in type_.zeros:
                if key not in result:
                    result[key] = self.decode(types[key], {}, prefix + key)
        return result

    def _scalar(self, name: str, value: Any, path: str) -> Any:
        kind = type(value)
        if name == "string":
            return value if kind is str else self._mismatch(value, path, "string")
        if name == "integer":
            return value if kind is int else self._integer(value, path)
        if name == "boolean":
            return value if kind is bool else self._mismatch(value, path, "bool")
        if name == "quantity":
            return self._quantity(value, path)
        if name == "int-or-string":
            return value if kind in (int, str) else self._mismatch(value, path, "intstr.IntOrString")
        if name == "bytes":
            return self._bytes(value, path)
        if name == "number":
            return value if kind in (int, float) else self._mismatch(value, path, "float64")
        return value if kind is str else self._mismatch(value, path, "v1.Time")

    def _integer(self, value: Any, path: str) -> Any:
        if self.whole_floats and isinstance(value, float) and value.is_integer():
            return int(value)
        return self._mismatch(value, path, "int32")

    def _quantity(self, value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return self._mismatch(value, path, "resource.Quantity")
        if self.verbatim:
            return value
        text = canonical(value)
        return text if text is not None else self._mismatch(value, path, "resource.Quantity")

    def _bytes(self, value: Any, path: str) -> Any:
        if not isinstance(value, str):
            return self._mismatch(value, path, "[]uint8")
        try:
            return base64.b64encode(base64.b64decode("".join(value.split()), validate=True)).decode()
        except binascii.Error:
            self.mismatches.append((path, "illegal base64 data", "[]uint8"))
            return value

    def _list(self, type_: ListType, value: Any, path: str) -> Any:
        if not isinstance(value, list):
            return self._mismatch(value, path, f"[]{_go_name(type_.item)}")
        item_type = type_.item
        return [self.decode(item_type, item, f"{path}[{index}]") for index, item in enumerate(value)]

    def _map(self, type_: MapType, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(value, path, f"map[string]{_go_name(type_.item)}")
        item_type = type_.item
        # A null in a map of strings is an empty string to Go.
        return {
            key: self.decode(item_type, "" if item is None else item, f"{path}.{key}")
            for key, item in value.items()
        }

    def _mismatch(self, value: Any, path: str, wanted: str) -> Any:
        found = JSON_NAMES.get(type(value), "null")
        self.mismatches.append((path, f"{found} {value}" if isinstance(value, float) else found, wanted))
        return value


def copy_json(value: Any) -> Any:
    """Return a copy that shares no list or dictionary with the value."""
    if isinstance(value, dict):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_json(item) for item in value]
    return value


def _go_name(type_: Type) -> str:
    if isinstance(type_, Scalar):
        return GO_NAMES.get(type_.name, type_.name)
    if isinstance(type_, Anything):
        return "interface {}"
    return type_.name.split(".", 1)[-1] if isinstance(type_, Struct) else "object"
