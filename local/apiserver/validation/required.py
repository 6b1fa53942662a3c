"""Fields that the type says are required and that are missing, found by walking the type."""

from typing import Any

from local.apiserver.errors import Cause
from local.apiserver.kinds import Kind
from local.apiserver.objects import Object
from local.apiserver.schemas.types import ListType, MapType, Scalar, Struct, Type
from local.apiserver.validation.fields import required

SKIPPED = frozenset({"status", "metadata", "apiVersion", "kind"})


def required_causes(kind: Kind, type_: Struct, obj: Object) -> list[Cause]:
    """Return a cause for every required scalar that is missing outside status and metadata."""
    causes: list[Cause] = []
    if kind.custom:
        return causes
    for key, value in obj.items():
        if key not in SKIPPED and key in type_.types:
            _walk(type_.types[key], value, key, causes)
    return causes


def _walk(type_: Type, value: Any, path: str, causes: list[Cause]) -> None:
    if isinstance(type_, Struct) and isinstance(value, dict):
        types = type_.types
        causes += [
            required(f"{path}.{key}")
            for key in type_.needed
            if key not in value and isinstance(types[key], Scalar)
        ]
        for key, item in value.items():
            known = types.get(key)
            if known is not None and not isinstance(known, Scalar):
                _walk(known, item, f"{path}.{key}", causes)
    elif isinstance(type_, ListType) and isinstance(value, list) and isinstance(type_.item, Struct):
        for index, item in enumerate(value):
            _walk(type_.item, item, f"{path}[{index}]", causes)
    elif isinstance(type_, MapType) and isinstance(value, dict) and isinstance(type_.item, Struct):
        for key, item in value.items():
            _walk(type_.item, item, f"{path}[{key}]", causes)
