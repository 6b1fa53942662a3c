"""The types of API objects, parsed once from the data files.

Notation of a field in the files, from left to right:

    []T                 a list that is one value (atomic)
    [set]T              a list whose items are their own keys
    [map a,b]T          a list of objects keyed by their fields a and b
    [...;a]T            behind `;`: a strategic merge patch merges the list by key a (by value where empty)
    {}T, {atomic}T      a map of any keys, merged key by key or one value
    core.v1.Container   a struct of the file; its entry "" may say `atomic`, or `open` (unknown fields stay)
    string, integer, number, boolean, bytes, time, quantity, int-or-string, any
    =x  +  !            a default; present even when empty, as Go's plain structs are; required
"""

import functools
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from local.apiserver.kinds import Kind

FIELD = re.compile(r"(?P<type>[^=+!]+)(?P<zero>\+)?(=(?P<default>[^!]+))?(?P<required>!)?$")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf; `name` is one of the scalar names of the notation, except `any`."""

    name: str


@dataclass(frozen=True, slots=True)
class Anything:
    """A value of unknown shape: objects merge key by key, lists are atomic."""


@dataclass(frozen=True, slots=True, eq=False)
class ListType:
    """A list. `keys` is empty unless `mode` is `map`; `patch_key` None: patches replace the list."""

    item: "Type"
    mode: str = "atomic"
    keys: tuple[str, ...] = ()
    patch_key: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MapType:
    """A map with free keys."""

    item: "Type"
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """What a struct says of one of its fields beyond the type."""

    required: bool = False
    default: str | None = None


@dataclass(slots=True, eq=False)
class Struct:
    """An object with known fields. Filled after its making, because types may refer to each other."""

    name: str
    types: dict[str, "Type"] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)
    zeros: list[str] = field(default_factory=list)
    """Fields that are there even when empty, as Go's plain structs are."""
    needed: list[str] = field(default_factory=list)
    """Required fields without a default."""
    atomic: bool = False
    open: bool = False


Type = Scalar | Anything | ListType | MapType | Struct
ANY: Final = Anything()
SCALARS: Final = {
    name: Scalar(name)
    for name in ("string", "integer", "number", "boolean", "bytes", "time", "quantity", "int-or-string")
}


class Schemas:
    """All types by name, and the root type of every kind."""

    def __init__(self, *documents: dict[str, dict[str, dict[str, str]]]) -> None:
        self._raw: dict[str, dict[str, str]] = {}
        self._roots: dict[str, str] = {}
        self.structs: dict[str, Struct] = {}
        for document in documents:
            self._raw |= document["types"]
            self._roots |= document["kinds"]  # type: ignore[arg-type]
        for name in self._raw:
            self.struct(name)

    def root(self, kind: Kind) -> Struct:
        """Return the type of a kind's objects. Every served kind has one."""
        return self.structs[self._roots[f"{kind.api_version} {kind.kind}"]]

    def body(self, api_version: str, kind: str) -> Struct | None:
        """Return the type of a request's body by the names in it; every group has DeleteOptions."""
        name = self._roots.get(f"{'v1' if kind == 'DeleteOptions' else api_version} {kind}")
        return self.structs[name] if name else None

    def struct(self, name: str) -> Struct:
        """Return the struct of a name, parsing it and what it refers to at the first time."""
        if name not in self.structs:
            struct = self.structs[name] = Struct(name)
            self._fill(struct, self._raw[name])
        return self.structs[name]

    def _fill(self, struct: Struct, raw: dict[str, str]) -> None:
        marks = raw.get("", "").split()
        struct.atomic, struct.open = "atomic" in marks, "open" in marks
        for key, text in raw.items():
            match = FIELD.match(text)
            if key and match:
                struct.types[key] = self._parse(match["type"])
                struct.fields[key] = Field(bool(match["required"]), match["default"])
                if match["required"] and not match["default"]:
                    struct.needed.append(key)
                if match["zero"]:
                    struct.zeros.append(key)

    def _parse(self, text: str) -> Type:
        if text in SCALARS:
            return SCALARS[text]
        if text == "any":
            return ANY
        if text[0] == "[":
            return self._list(*text[1:].split("]", 1))
        if text[0] == "{":
            return self._map(*text[1:].split("}", 1))
        return self.struct(text)

    def _list(self, marks: str, item: str) -> ListType:
        merge, _, patch_key = marks.partition(";")
        mode, _, keys = merge.partition(" ")
        key = patch_key if ";" in marks else None
        return ListType(self._parse(item), mode or "atomic", tuple(keys.split(",")) if keys else (), key)

    def _map(self, marks: str, item: str) -> Type:
        if item in self._raw:
            known = self.struct(item)
            return replace(known, atomic=True)
        return MapType(self._parse(item), marks == "atomic")


@functools.cache
def schemas() -> Schemas:
    """Return the types of all served kinds; the data files are read at the first call."""
    folder = Path(__file__).parent
    return Schemas(*(json.loads((folder / f"{name}.json").read_text()) for name in ("builtin", "custom")))
