"""Transforms: functions of the program that change registrations and invokes before they are acted on."""

import contextlib
import dataclasses
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import alias_pb2, resource_pb2

from engine import goals, wire
from engine.callbacks import CallbackFailed, Callbacks
from engine.errors import EngineError
from engine.goals import Alias, Goal
from engine.provider import Properties
from engine.specials import OUTPUT, SIGNATURE
from engine.values import UNKNOWN, Secret

_TIMEOUT_UNITS = (("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True, kw_only=True)
class InvokeGoal:
    """A call of a provider's function, as the program asks for it: what invoke transforms may change."""

    token: str
    args: Properties
    provider: str = ""
    parent: str = ""
    package_ref: str = ""
    version: str = ""
    download_url: str = ""

    @property
    def resource(self) -> Goal:
        """A resource of the function's package with the same options: it would have the same provider."""
        return Goal(
            type=self.token,
            name="",
            custom=True,
            provider=self.provider,
            parent=self.parent,
            package_ref=self.package_ref,
            version=self.version,
            download_url=self.download_url,
        )


class Transforms:
    """The transforms of a run that belong to no resource, and how all of them are applied. Thread-safe."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._stack: tuple[str, ...] = ()
        self._invoke: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def register(self, token: str) -> None:
        """Apply a transform to all further resources of the stack. Does not block."""
        with self._lock:
            self._stack += (token,)

    def register_invoke(self, token: str) -> None:
        """Apply a transform to all further invokes. Does not block."""
        with self._lock:
            self._invoke += (token,)

    def applied(self, goal: Goal, inherited: Iterable[str]) -> Goal:
        """Return what the goal's own transforms make of it, then the `inherited` ones, then the stack's.

        EngineError if one of them raises or returns nonsense.
        """
        tokens = (*goal.transforms, *inherited, *self._stack)
        if not tokens:
            return goal
        request = resource_pb2.TransformRequest(
            type=goal.type,
            name=goal.name,
            custom=goal.custom,
            parent=goal.parent,
            properties=outputs(goal.inputs, goal.property_dependencies if goal.transforms else {}),
            options=_options(goal),
        )
        with _failing(f"a transform of {goal.type} {goal.name!r}"):
            for token in tokens:
                # What one returns is handed to the next as it is: a secret is an output to the first only.
                answer = self._callbacks.call(token, request, resource_pb2.TransformResponse)
                if answer.HasField("options"):
                    request.options.CopyFrom(answer.options)
                if answer.HasField("properties"):
                    request.properties.CopyFrom(answer.properties)
            return _with_properties(_with_options(goal, request.options), request.properties)

    def applied_to_invoke(self, goal: InvokeGoal) -> InvokeGoal:
        """Return what the invoke transforms make of the call; EngineError if one of them raises."""
        if not self._invoke:
            return goal
        options = resource_pb2.TransformInvokeOptions(
            provider=goal.provider, version=goal.version, plugin_download_url=goal.download_url
        )
        request = resource_pb2.TransformInvokeRequest(
            token=goal.token, args=wire.to_struct(goal.args), options=options
        )
        with _failing(f"a transform of the invoke {goal.token}"):
            for token in self._invoke:
                answer = self._callbacks.call(token, request, resource_pb2.TransformInvokeResponse)
                if answer.HasField("options"):
                    request.options.CopyFrom(answer.options)
                if answer.HasField("args"):
                    request.args.CopyFrom(answer.args)
            return dataclasses.replace(
                goal,
                args=wire.from_struct(request.args),
                provider=request.options.provider,
                version=request.options.version,
                download_url=request.options.plugin_download_url,
            )


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except (CallbackFailed, ValueError) as error:
        raise EngineError(f"{what} failed: {error}") from error


def _with_properties(goal: Goal, properties: struct_pb2.Struct) -> Goal:
    found: dict[str, set[str]] = {}
    inputs = wire.from_struct(properties, found)
    # The SDK tells no dependencies of what a transform returns: an input keeps those that it had.
    known = goal.property_dependencies
    dependencies = {key: sorted({*known.get(key, ()), *found.get(key, ())}) for key in sorted(inputs)}
    return dataclasses.replace(
        goal,
        inputs=inputs,
        property_dependencies=dependencies,
        dependencies=tuple(sorted({*goal.dependencies, *(urn for urns in found.values() for urn in urns)})),
    )


def _with_options(goal: Goal, options: resource_pb2.TransformResourceOptions) -> Goal:
    return dataclasses.replace(
        goal,
        dependencies=tuple(sorted(options.depends_on)),
        protect=options.protect if options.HasField("protect") else None,
        ignore_changes=tuple(options.ignore_changes),
        replace_on_changes=tuple(options.replace_on_changes),
        version=options.version,
        aliases=tuple(map(goals.alias, options.aliases)),
        provider=options.provider,
        providers=dict(options.providers),
        custom_timeouts=goals.timeouts(options.custom_timeouts),
        download_url=options.plugin_download_url,
        retain_on_delete=options.retain_on_delete if options.HasField("retain_on_delete") else None,
        deleted_with=options.deleted_with,
        replace_with=tuple(sorted(options.replace_with)),
        delete_before_replace=(
            options.delete_before_replace if options.HasField("delete_before_replace") else None
        ),
        additional_secret_outputs=tuple(options.additional_secret_outputs),
        hooks=goals.hooks(options.hooks),
        import_id=getattr(options, "import"),
    )


def _options(goal: Goal) -> resource_pb2.TransformResourceOptions:
    """Encode what transforms may change.

    Not among it are hide_diff, which the SDK's transforms drop, and the replacement trigger, on which they
    stumble: these stay as they are.
    """
    timeouts = {name: _duration(seconds) for name, seconds in goal.custom_timeouts.items()}
    options = resource_pb2.TransformResourceOptions(
        depends_on=goal.dependencies,
        protect=goal.protect,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
        version=goal.version,
        aliases=map(_alias, goal.aliases),
        provider=goal.provider,
        providers=goal.providers,
        custom_timeouts=(
            resource_pb2.RegisterResourceRequest.CustomTimeouts(**timeouts) if timeouts else None
        ),
        plugin_download_url=goal.download_url,
        retain_on_delete=goal.retain_on_delete,
        deleted_with=goal.deleted_with,
        replace_with=goal.replace_with,
        delete_before_replace=goal.delete_before_replace,
        additional_secret_outputs=goal.additional_secret_outputs,
        hooks=goals.hooks_message(goal.hooks),
    )
    setattr(options, "import", goal.import_id)  # a word of Python's own
    return options


def _alias(alias: Alias) -> alias_pb2.Alias:
    if alias.urn:
        return alias_pb2.Alias(urn=alias.urn)
    place = {"noParent": True} if alias.no_parent else {"parentUrn": alias.parent}
    spec = alias_pb2.Alias.Spec(
        name=alias.name, type=alias.type, stack=alias.stack, project=alias.project, **place
    )
    return alias_pb2.Alias(spec=spec)


def _duration(seconds: float) -> str:
    """Return the duration as a person would have written it: in the largest unit that is exact."""
    for unit, size in _TIMEOUT_UNITS:
        if seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds}s"


def outputs(properties: Properties, dependencies: Mapping[str, Iterable[str]]) -> Any:
    """Encode properties as transforms get them: what is secret, unknown or depends on others is an output."""
    marked: Properties = {}
    for key, value in properties.items():
        marked[key] = _as_output(value)
        urns = sorted(dependencies.get(key, ()))
        if urns:
            output = marked[key] if _is_output(marked[key]) else {SIGNATURE: OUTPUT, "value": marked[key]}
            marked[key] = {**output, "dependencies": urns}
    return wire.to_struct(marked)


def _as_output(value: Any) -> Any:
    if isinstance(value, Secret):
        inner = {} if value.value is UNKNOWN else {"value": _as_output(value.value)}
        return {SIGNATURE: OUTPUT, "secret": True, **inner}
    if value is UNKNOWN:
        return {SIGNATURE: OUTPUT}
    if isinstance(value, dict):
        return {key: _as_output(item) for key, item in value.items()}
    return [_as_output(item) for item in value] if isinstance(value, list) else value


def _is_output(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) == OUTPUT
