"""Property values inside the engine: plain JSON values and a few kinds of special leaves.

The wire form (protobuf Struct) and the state form (checkpoint JSON) are codecs elsewhere; providers and the
lifecycle only see what is here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Secret:
    """A secret value. It may hold any property value, never another Secret at its top."""

    value: Any

    def __repr__(self) -> str:
        return "Secret([secret])"


class Unknown:
    """The type of UNKNOWN; there is one instance."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
"""Stands for a value that is not known in a preview."""


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file's content: given as `text`, or by `path` or `uri`. `hash` is the sha256 of its bytes, in hex."""

    hash: str = ""
    text: str | None = None
    path: str | None = None
    uri: str | None = None


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Several files by name, or an archive at a `path` or `uri`. `hash` is in hex."""

    hash: str = ""
    assets: "Mapping[str, Asset | Archive] | None" = None
    path: str | None = None
    uri: str | None = None


@dataclass(frozen=True, kw_only=True)
class ResourceReference:
    """A resource used as a value. `id` is None for a component, UNKNOWN for one still to be created."""

    urn: str
    id: str | Unknown | None = None
    package_version: str = ""


def secret(value: Any) -> Secret:
    """Wrap the value, unless it is a Secret already."""
    return value if isinstance(value, Secret) else Secret(value)


def unwrap(value: Any) -> Any:
    """Return the value with every Secret replaced by what it holds, at any depth; UNKNOWN stays."""
    if isinstance(value, Secret):
        return unwrap(value.value)
    # Most values are texts; not calling for each of them halves the time.
    if isinstance(value, dict):
        return {key: item if type(item) is str else unwrap(item) for key, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) is str else unwrap(item) for item in value]
    return value


def contains_unknown(value: Any) -> bool:
    """Say whether UNKNOWN is anywhere in the value."""
    if isinstance(value, Secret):
        return contains_unknown(value.value)
    if isinstance(value, dict):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return value is UNKNOWN


def contains_secret(value: Any) -> bool:
    """Say whether a Secret is anywhere in the value."""
    if isinstance(value, dict):
        return any(contains_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_secret(item) for item in value)
    return isinstance(value, Secret)


def same(left: Any, right: Any) -> bool:
    """Say whether two property values are the same to a user of JSON: `1` is `1.0` but is not `true`."""
    # Python's == runs in C and settles nearly every "no"; only its True == 1 is left to be ruled out.
    return bool(left == right) and (left is right or _same_kinds(left, right))


def _same_kinds(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return all(_same_kinds(item, right[key]) for key, item in left.items())
    if isinstance(left, list):
        return all(map(_same_kinds, left, right))
    if isinstance(left, Secret):
        return _same_kinds(left.value, right.value)
    return isinstance(left, bool) == isinstance(right, bool)
