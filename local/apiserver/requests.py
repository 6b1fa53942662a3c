"""Reading a request: what its path names, and what its body and its parameters say. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import yaml

from local.apiserver.errors import ApiError, Cause, bad_request
from local.apiserver.kinds import KINDS, NAMESPACE, Kind
from local.apiserver.schemas.protobuf import BadProtobuf, decode_object
from local.apiserver.store import PatchType
from local.apiserver.typed import FieldPolicy
from local.apiserver.validation.fields import required, too_long, unsupported

PATCH_TYPES: Mapping[str, PatchType | Literal["apply"]] = {
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "json",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
MAX_NAME_BYTES = 128


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. Without a name it is a collection, in all namespaces where `namespace` is None."""

    kind: Kind
    namespace: str | None
    name: str
    subresource: str = ""


def parse_path(path: str) -> Target | None:
    """Return what a resource path names; None for a path that is none, or of a kind that is not served."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        return _target("", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) >= 4:
        return _target(parts[1], parts[2], parts[3:])
    return None


def _target(group: str, version: str, rest: list[str]) -> Target | None:
    if rest[0] == "namespaces" and len(rest) >= 3 and not _is_subresource(group, rest):
        namespace, (plural, *rest) = rest[1], rest[2:]
        kind = KINDS.at(group, version, plural)
        if kind is None or not kind.namespaced or not namespace:
            return None
        return _named(kind, namespace, rest)
    kind = KINDS.at(group, version, rest[0])
    if kind is None or (kind.namespaced and len(rest) > 1):
        return None
    return _named(kind, None, rest[1:])


def _is_subresource(group: str, rest: list[str]) -> bool:
    return group == NAMESPACE.group and len(rest) == 3 and rest[2] in ("status", "finalize")


def _named(kind: Kind, namespace: str | None, rest: list[str]) -> Target | None:
    if len(rest) > 2:
        return None
    return Target(kind, namespace, *rest) if rest else Target(kind, namespace, "")


def read_body(body: bytes, content_type: str) -> Any:
    """Return a body's document, from JSON, YAML or protobuf. Raises ApiError 400."""
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/vnd.kubernetes.protobuf":
        try:
            return decode_object(body)
        except BadProtobuf as error:
            raise bad_request(f"the object provided is unrecognized: {error}") from None
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if "yaml" not in media:
            raise bad_request(f"the object provided is unrecognized: couldn't parse json: {error}") from None
    try:
        return yaml.load(body, Loader=_Loader)  # noqa: S506 - it is a safe loader
    except (yaml.YAMLError, RecursionError) as error:
        raise bad_request(f"error decoding YAML: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: dates stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's own way of configuring a loader
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def patch_type(content_type: str) -> PatchType | Literal["apply"]:
    """Return the kind of patch by its media type. Raises ApiError 415."""
    found = PATCH_TYPES.get(content_type.partition(";")[0].strip().lower())
    if found is None:
        raise ApiError(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(PATCH_TYPES),
        )
    return found


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The parameters that all writes share."""

    manager: str
    dry_run: bool
    force: bool
    policy: FieldPolicy


def write_options(query: Mapping[str, str], user_agent: str, *, applying: bool = False) -> WriteOptions:
    """Read dryRun, fieldManager, force and fieldValidation. Raises ApiError 400, 422."""
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise bad_option("WriteOptions", unsupported("dryRun", dry_run, ("All",)))
    manager = query.get("fieldManager", "")
    if applying and not manager:
        raise bad_option("PatchOptions", required("fieldManager", "is required for apply patch"))
    if len(manager) > MAX_NAME_BYTES:
        raise bad_option(
            "PatchOptions" if applying else "WriteOptions", too_long("fieldManager", MAX_NAME_BYTES)
        )
    mode = query.get("fieldValidation") or "Warn"
    if mode not in ("Ignore", "Warn", "Strict"):
        raise bad_option("WriteOptions", unsupported("fieldValidation", mode, ("Ignore", "Warn", "Strict")))
    policy = FieldPolicy(cast(Literal["Ignore", "Warn", "Strict"], mode))
    default = user_agent.partition("/")[0][:MAX_NAME_BYTES] or "unknown"
    return WriteOptions(manager or default, bool(dry_run), query.get("force") == "true", policy)


def bad_option(options: str, cause: Cause) -> ApiError:
    """Return the 422 of a request whose parameters (`options` names their kind) break a rule."""
    text = f'{options}.meta.k8s.io "" is invalid: {cause.field}: {cause.message}'
    info = {"group": "meta.k8s.io", "kind": options, "causes": [cause.as_dict()]}
    return ApiError(422, "Invalid", text, info)
