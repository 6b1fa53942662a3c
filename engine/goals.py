"""What a program asks for: one registration, decoded from the SDK's request."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pulumi.runtime.proto import alias_pb2, resource_pb2

from engine import wire
from engine.errors import Unsupported
from engine.provider import Properties

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOMENTS: Final = {
    "before_create": "BeforeCreate",
    "after_create": "AfterCreate",
    "before_update": "BeforeUpdate",
    "after_update": "AfterUpdate",
    "before_delete": "BeforeDelete",
    "after_delete": "AfterDelete",
    "on_error": "OnError",
}
"""When hooks run: the message's fields, and the state's words for them."""

_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


@dataclass(frozen=True, kw_only=True)
class Alias:
    """Another identity that the resource may have had; empty parts mean the present value."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The wanted state of one resource. None in options means: not said."""

    type: str
    name: str
    custom: bool
    inputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    providers: Mapping[str, str] = field(default_factory=dict)
    """Of a component: the provider references for its children, by package."""
    package_ref: str = ""
    version: str = ""
    download_url: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, list[str]] = field(default_factory=dict)
    protect: bool | None = None
    retain_on_delete: bool | None = None
    deleted_with: str = ""
    replace_with: tuple[str, ...] = ()
    delete_before_replace: bool | None = None
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    hide_diff: tuple[str, ...] = ()
    replacement_trigger: Any = None
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()
    hooks: Mapping[str, list[str]] = field(default_factory=dict)
    """Names by moment, such as `BeforeCreate`."""
    transforms: tuple[str, ...] = ()
    """Tokens of the program's functions that change this registration, and those of its descendants."""
    import_id: str = ""
    """The id of an existing resource that is to be taken over."""


def from_request(request: resource_pb2.RegisterResourceRequest) -> Goal:
    """Decode a registration.

    Unsupported for what this engine does not do, ValueError for malformed values.
    """
    _refuse_unsupported(request)
    trigger = request.replacement_trigger if request.HasField("replacement_trigger") else None
    inside: dict[str, set[str]] = {}  # dependencies that are named within the values
    inputs = wire.from_struct(request.object, inside)
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=inputs,
        parent=request.parent,
        provider=request.provider,
        providers=dict(request.providers),
        package_ref=request.packageRef,
        version=request.version,
        download_url=request.pluginDownloadURL,
        # The SDK collects them in sets; sorted, an unchanged resource is recorded unchanged.
        dependencies=tuple(sorted(request.dependencies)),
        property_dependencies=_property_dependencies(request, inside),
        protect=request.protect if request.HasField("protect") else None,
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        deleted_with=request.deletedWith,
        replace_with=tuple(sorted(request.replace_with)),
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        hide_diff=tuple(request.hideDiffs),
        replacement_trigger=None if trigger is None else wire.from_value(trigger),
        custom_timeouts=timeouts(request.customTimeouts),
        import_id=request.importId,
        aliases=(*(Alias(urn=urn) for urn in request.aliasURNs), *map(alias, request.aliases)),
        hooks=hooks(request.hooks),
        transforms=tuple(callback.token for callback in request.transforms),
    )


def _property_dependencies(
    request: resource_pb2.RegisterResourceRequest, inside: Mapping[str, set[str]]
) -> dict[str, list[str]]:
    told = {key: sorted(value.urns) for key, value in sorted(request.propertyDependencies.items())}
    for key, urns in inside.items():
        told[key] = sorted(urns.union(told.get(key, ())))
    return told


def seconds(duration: str) -> float:
    """Return the length of a Go duration such as `1h30m` or `500ms`, in seconds; ValueError if it is none."""
    matches = list(_DURATION.finditer(duration))
    if not duration or "".join(match.group() for match in matches) != duration:
        raise ValueError(
            f"{duration!r} is no duration: expected numbers with units, such as '90s' or '1h30m'"
        )
    total = math.fsum(float(match.group(1)) * _UNITS[match.group(2)] for match in matches)
    return int(total) if total.is_integer() else total


def timeouts(message: resource_pb2.RegisterResourceRequest.CustomTimeouts) -> dict[str, float]:
    """Decode timeouts to seconds, those that are given; ValueError for what is no duration."""
    given = {name: getattr(message, name) for name in ("create", "update", "delete", "read")}
    return {name: seconds(text) for name, text in given.items() if text}


def hooks(message: resource_pb2.RegisterResourceRequest.ResourceHooksBinding) -> dict[str, list[str]]:
    """Decode the names of hooks, by moment, in the state's words."""
    return {_MOMENTS[field.name]: list(names) for field, names in message.ListFields()}


def hooks_message(
    names: Mapping[str, list[str]],
) -> resource_pb2.RegisterResourceRequest.ResourceHooksBinding:
    """Encode the names of hooks."""
    fields = {name: names[moment] for name, moment in _MOMENTS.items() if moment in names}
    return resource_pb2.RegisterResourceRequest.ResourceHooksBinding(**fields)


def alias(message: alias_pb2.Alias) -> Alias:
    """Decode an alias, whether it is a URN or made of parts."""
    if message.HasField("urn"):
        return Alias(urn=message.urn)
    spec = message.spec
    return Alias(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )


def _refuse_unsupported(request: resource_pb2.RegisterResourceRequest) -> None:
    asked = {
        "the state_migrations option": bool(request.state_migrations),
        "the env_var_mappings option": bool(request.envVarMappings),
    }
    wanted = [what for what, present in asked.items() if present]
    if wanted:
        raise Unsupported(
            f"{request.type} {request.name!r} uses {' and '.join(wanted)}, which the embedded engine does "
            "not support; leave it out, or run the stack with Pulumi's own engine"
        )
