"""Decoding an object as its kind, and the errors of what cannot be decoded."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from local.apiserver.errors import ApiError, Cause, bad_request, invalid
from local.apiserver.kinds import Kind
from local.apiserver.schemas.decode import Decoder
from local.apiserver.schemas.types import Struct


@dataclass(frozen=True, slots=True)
class FieldPolicy:
    """What happens to unknown fields: they are dropped (Ignore, Warn), or the object is refused.

    It is refused in mode Strict, and in mode Apply, server-side apply, whose errors have a form of their own.
    """

    mode: Literal["Ignore", "Warn", "Strict", "Apply"] = "Ignore"
    warnings: list[str] = field(default_factory=list)
    """Receives a text for each unknown field where the mode is Warn."""


IGNORE = FieldPolicy()
APPLY = FieldPolicy("Apply")


def decode(kind: Kind, type_: Struct, obj: dict[str, Any], policy: FieldPolicy) -> dict[str, Any]:
    """Return the object as its type has it, a new tree, with apiVersion, kind and metadata in it.

    Raises ApiError 400 (422 for custom resources, 500 in an apply, as the real server does) for values that
    are not of their type, and for unknown fields where the validation is strict.
    """
    applying = policy.mode == "Apply"
    decoder = Decoder(verbatim=kind.custom or applying, whole_floats=applying)
    identity = {"apiVersion": kind.api_version, "kind": kind.kind}
    source = identity | obj | identity
    if not source.get("metadata"):
        source["metadata"] = {}
    result: dict[str, Any] = decoder.decode(type_, source)
    if decoder.mismatches:
        raise _mismatch(kind, type_, obj, decoder, policy)
    if decoder.unknown:
        _treat_unknown(kind, obj, decoder.unknown, policy)
    if not applying:
        _merge_string_data(result)
    return result


def _treat_unknown(kind: Kind, obj: dict[str, Any], unknown: list[str], policy: FieldPolicy) -> None:
    texts = [f"unknown field {json.dumps(path)}" for path in unknown]
    if policy.mode == "Strict":
        raise bad_request(f"strict decoding error: {', '.join(texts)}")
    if policy.mode == "Apply":
        raise _typed_error(kind, obj, f".{unknown[0]}: field not declared in schema")
    if policy.mode == "Warn":
        policy.warnings.extend(texts)


def _mismatch(
    kind: Kind, type_: Struct, obj: dict[str, Any], decoder: Decoder, policy: FieldPolicy
) -> ApiError:
    path, found, wanted = decoder.mismatches[0]
    if policy.mode == "Apply":
        return _typed_error(kind, obj, f".{path}: expected {wanted}, got {found}")
    if kind.custom:
        name = (obj.get("metadata") or {}).get("name", "")
        causes = [
            Cause(
                "FieldValueTypeInvalid",
                f'Invalid value: "{got}": {where} in body must be of type {want}',
                where,
            )
            for where, got, want in decoder.mismatches
        ]
        return invalid(kind, name, causes)
    return bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: json: cannot unmarshal '
        f"{found} into Go struct field {type_.name.rpartition('.')[2]}.{path} of type {wanted}"
    )


def _typed_error(kind: Kind, obj: dict[str, Any], problem: str) -> ApiError:
    metadata = obj.get("metadata") or {}
    where = (
        f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {kind.api_version}, Kind={kind.kind}"
    )
    return ApiError(500, "", f"failed to create typed patch object ({where}): {problem}")


def _merge_string_data(obj: dict[str, Any]) -> None:
    """Turn a Secret's write-only stringData into data, in place."""
    if obj["kind"] == "Secret" and "stringData" in obj:
        texts = obj.pop("stringData")
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        obj["data"] = {**obj.get("data", {}), **encoded}
