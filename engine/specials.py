"""The special values that look the same on the wire and in a checkpoint.

Objects marked by a signature key.
"""

import base64
import binascii
import struct
from collections.abc import Callable
from typing import Any, Final

from engine.values import UNKNOWN, Archive, Asset, ResourceReference

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""The key that marks an object as special; its value says which kind."""

SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, public
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
BYTES: Final = "803fd3297a5875dc03ca845dda5d2a98"
NON_FINITE: Final = "8ad145fe-0d11-4827-bfd7-1abcbf086f5c"

UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How an unknown value is written, whatever its type."""

UNKNOWN_TEXTS: Final = frozenset(
    {
        UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # list
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


_HASH_OF_NOTHING: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def decode(kind: Any, fields: dict[str, Any]) -> Any:
    """Return the value of a special object whose members are decoded already.

    ValueError for an unknown kind.
    """
    decoder = _DECODERS.get(kind)
    if decoder is not None:
        return decoder(fields)
    raise ValueError(
        f"a special value of the unknown kind {kind!r}; this state or program is newer than the engine"
    )


def encode(value: Any) -> Any:
    """Return the JSON form of a special leaf; TypeError if the value is no property value at all."""
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, Asset):
        return {SIGNATURE: ASSET, **_present(value, "hash", "text", "path", "uri")}
    if isinstance(value, Archive):
        return {SIGNATURE: ARCHIVE, **_present(value, "hash", "assets", "path", "uri")}
    if isinstance(value, ResourceReference):
        id_ = {} if value.id is None else {"id": value.id}
        return {SIGNATURE: RESOURCE, "urn": value.urn, **id_, "packageVersion": value.package_version}
    if isinstance(value, bytes):
        return {SIGNATURE: BYTES, "value": base64.b64encode(value).decode()}
    raise TypeError(f"a {type(value).__name__} is no property value")


def encode_non_finite(value: float) -> dict[str, str]:
    """Return the state form of NaN or an infinity, which JSON does not have."""
    return {SIGNATURE: NON_FINITE, "value": struct.pack(">d", value).hex()}


def _decode_reference(fields: dict[str, Any]) -> ResourceReference:
    version = fields.get("packageVersion") or ""
    if not isinstance(fields.get("urn"), str) or not isinstance(version, str):
        raise ValueError("a resource reference without a URN")
    return ResourceReference(urn=fields["urn"], id=fields.get("id"), package_version=version)


def _decode_bytes(fields: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(fields.get("value") or "", validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"a byte string that is no base64: {error}") from error


def _decode_asset(fields: dict[str, Any]) -> Asset:
    found = _pick(fields, "hash", "text", "path", "uri")
    if not found.keys() & {"text", "path", "uri"} and found.get("hash") == _HASH_OF_NOTHING:
        found["text"] = ""  # Pulumi leaves an empty text out of states
    return Asset(**_strings(found))


def _decode_archive(fields: dict[str, Any]) -> Archive:
    found = _pick(fields, "hash", "assets", "path", "uri")
    members = found.pop("assets", None)
    if members is not None and not (
        isinstance(members, dict) and all(isinstance(item, Asset | Archive) for item in members.values())
    ):
        raise ValueError("an archive with members that are neither assets nor archives")
    return Archive(assets=members, **_strings(found))


def _strings(fields: dict[str, Any]) -> dict[str, Any]:
    wrong = [name for name, item in fields.items() if not isinstance(item, str)]
    if wrong:
        raise ValueError(f"an asset or archive whose {wrong[0]} is no text")
    return fields


def _pick(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: fields[name] for name in names if fields.get(name) is not None}


def _present(value: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names if getattr(value, name) is not None}


_DECODERS: Final[dict[Any, Callable[[dict[str, Any]], Any]]] = {
    ASSET: _decode_asset,
    ARCHIVE: _decode_archive,
    RESOURCE: _decode_reference,
    BYTES: _decode_bytes,
    NON_FINITE: lambda fields: struct.unpack(">d", bytes.fromhex(fields["value"]))[0],
}
