"""Shortcuts past work that the Pulumi SDK does for every value and that our updates do not need.

An update of a function is a few resources with a few hundred values each. The SDK walks over each value five
times, by way of coroutines and protobuf objects, and that is half of such an update's time. Every shortcut
here gives the result that the SDK gives, only for the cases where that is plain to see; all else goes the
SDK's own way. A release of the SDK that lacks one of the functions is left as it is.
"""

import functools
from collections.abc import Callable
from typing import Any, Final

from pulumi import Resource
from pulumi.runtime import resource, rpc, settings, stack
from pulumi.runtime.known_types import is_unknown
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.settings import get_monitor

from engine.promptness import Request

_LEAVES: Final = frozenset({str, int, float, bool, type(None)})
"""Types whose values are the same on both sides of the SDK; subclasses, such as of enums, are not meant."""


def shorten(monitor_type: type) -> None:
    """Put the shortcuts in place; `monitor_type` is that of the engine's own monitors."""
    _omit_stack_traces(monitor_type)
    _return_plain_inputs()
    _return_untyped_outputs()
    _search_unknowns_quickly()
    _mark_requests(monitor_type)


def is_plain(value: Any) -> bool:
    """Say whether a value is JSON through and through: nothing to wait for, to translate or to mark."""
    kind = type(value)
    if kind in _LEAVES:
        return True
    if kind is dict:
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    return kind is list and all(map(is_plain, value))


def _omit_stack_traces(monitor_type: type) -> None:
    """Spare our programs the stack trace that the SDK takes for every resource.

    It is a sixth of a small update's time, and the engine does not record source positions. Programs that
    run against other monitors keep theirs.
    """
    original = getattr(resource, "_get_stack_trace", None)
    if original is None:
        return
    nothing = source_pb2.StackTrace()

    def get_stack_trace() -> source_pb2.StackTrace:
        return nothing if isinstance(get_monitor(), monitor_type) else original()

    resource._get_stack_trace = get_stack_trace


def _return_plain_inputs() -> None:
    """Take inputs that are plain already as they are, instead of by a coroutine for each value."""
    original = getattr(rpc, "serialize_property", None)
    if original is None:
        return

    async def serialize_property(
        value: Any,
        deps: Any,
        property_key: Any,
        resource_obj: Any = None,
        input_transformer: Any = None,
        typ: Any = None,
        *more: Any,
        **options: Any,
    ) -> Any:
        if typ is None and not options.get("return_protobuf_value"):
            keeps_names = input_transformer is None or _is_inherited(
                input_transformer, Resource.translate_input_property
            )
            if keeps_names and is_plain(value):
                return value
        return await original(
            value, deps, property_key, resource_obj, input_transformer, typ, *more, **options
        )

    rpc.serialize_property = serialize_property


def _return_untyped_outputs() -> None:
    """Leave outputs alone that have neither types to be turned into nor names to be translated.

    Where the SDK goes by types (`by_type`) it translates no name of what has none.
    """
    original = getattr(rpc, "translate_output_properties", None)
    if original is None:
        return

    def translate_output_properties(
        output: Any,
        output_transformer: Any,
        typ: Any = None,
        transform_using_type_metadata: bool = False,
        *more: Any,
        **options: Any,
    ) -> Any:
        by_type = transform_using_type_metadata
        if typ is None and (by_type or _is_inherited(output_transformer, Resource.translate_output_property)):
            return output
        return original(output, output_transformer, typ, by_type, *more, **options)

    rpc.translate_output_properties = translate_output_properties


def _search_unknowns_quickly() -> None:
    """Look for unknown values at the leaves that are none of JSON's only."""
    if hasattr(rpc, "contains_unknowns"):
        rpc.contains_unknowns = contains_unknowns


def contains_unknowns(val: Any) -> bool:
    """Say whether one of the SDK's unknown values is in the value, which may contain itself."""
    if type(val) in _LEAVES:
        return False
    seen: set[int] = set()
    left = [val]
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            left += [part for part in item.values() if type(part) not in _LEAVES]
        elif isinstance(item, list):
            left += [part for part in item if type(part) not in _LEAVES]
        elif is_unknown(item):
            return True
    return False


def _mark_requests(monitor_type: type) -> None:
    """Let the loop of our programs tell requests of the SDK from other calls: it may answer them at once."""
    for module in (resource, settings, stack):
        original = getattr(module, "wrap_with_context", None)
        if original is not None:
            module.wrap_with_context = functools.partial(_marked, monitor_type, original)  # type: ignore[attr-defined]


def _marked(monitor_type: type, original: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    return Request(call) if isinstance(get_monitor(), monitor_type) else original(call)


def _is_inherited(bound: Any, method: Any) -> bool:
    """Say whether a bound method is the base class's, which returns names unchanged."""
    return getattr(bound, "__func__", None) is method
