"""The shortcuts past the SDK's own work give what the SDK gives."""

import asyncio
import importlib.util
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi import CustomResource, Output, Resource
from pulumi.output import UNKNOWN
from pulumi.runtime import rpc

from engine import sdk, wire
from engine.specials import SECRET, SIGNATURE, UNKNOWN_TEXT
from engine.values import UNKNOWN as ENGINE_UNKNOWN
from engine.values import Secret

leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
properties = st.dictionaries(st.text(min_size=1, max_size=5), values, max_size=4)


@pytest.fixture(scope="module")
def untouched() -> Any:
    """The SDK's module as it comes, without the shortcuts."""
    spec = importlib.util.find_spec("pulumi.runtime.rpc")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(value: Any) -> str:
    """A value as text that tells 1 from 1.0 and True; members sorted, as a Struct has no order."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{shown(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(shown, value)) + "]"
    return repr(value)


def resource() -> CustomResource:
    """A resource that is registered nowhere: only its translations of names matter."""
    return CustomResource.__new__(CustomResource)


class Renamed(CustomResource):
    def translate_input_property(self, prop: str) -> str:
        return prop.upper()

    translate_output_property = translate_input_property


@given(properties)
def test_plain_outputs_reach_the_program_as_if_they_had_been_on_the_wire(outputs: dict[str, Any]) -> None:
    plain = wire.to_plain(outputs)
    assert plain is not None
    decoded = rpc.deserialize_properties(wire.to_struct(outputs), True)
    assert shown(rpc.deserialize_properties(plain, True)) == shown(decoded)


@pytest.mark.parametrize(
    "value",
    [Secret("x"), ENGINE_UNKNOWN, UNKNOWN_TEXT, {SIGNATURE: SECRET, "value": "x"}, b"bytes", ("a",)],
    ids=["secret", "unknown", "text of an unknown", "signature", "bytes", "tuple"],
)
def test_what_has_a_form_of_its_own_on_the_wire_is_left_to_the_sdk(value: Any) -> None:
    assert wire.to_plain({"deep": [{"down": value}]}) is None


@given(values, st.booleans())
def test_plain_inputs_are_serialised_as_the_sdk_does(untouched: Any, value: Any, remote: bool) -> None:
    own = resource().translate_input_property
    options = {"keep_output_values": remote, "exclude_resource_refs_from_deps": remote}

    async def both() -> tuple[Any, Any]:
        first = await rpc.serialize_property(value, [], "key", None, own, **options)
        return first, await untouched.serialize_property(value, [], "key", None, own, **options)

    first, second = asyncio.run(both())
    assert shown(first) == shown(second)


async def test_inputs_whose_names_are_translated_are_translated() -> None:
    renamed = Renamed.__new__(Renamed).translate_input_property
    assert await rpc.serialize_property({"a": {"b": 1}}, [], "key", None, renamed) == {"A": {"B": 1}}


async def test_an_output_among_plain_inputs_is_waited_for() -> None:
    value = {"a": [1, Output.from_input("late")]}
    assert await rpc.serialize_property(value, [], "key") == {"a": [1, "late"]}


@given(values)
def test_untyped_outputs_are_what_the_sdk_makes_of_them(untouched: Any, value: Any) -> None:
    own = resource().translate_output_property
    expected = untouched.translate_output_properties(value, own)
    assert shown(rpc.translate_output_properties(value, own)) == shown(expected)
    assert shown(rpc.translate_output_properties(value, lambda name: name, None, True)) == shown(expected)


def test_outputs_with_types_or_names_of_their_own_are_translated() -> None:
    renamed = Renamed.__new__(Renamed).translate_output_property
    assert rpc.translate_output_properties({"a": {"b": 1}}, renamed) == {"A": {"B": 1}}
    own = resource().translate_output_property
    whole = rpc.translate_output_properties([1.0], own, list[int])
    assert whole == [1]
    assert isinstance(whole[0], int)


@given(
    st.recursive(leaves | st.just(UNKNOWN), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_unknowns_are_found_where_the_sdk_finds_them(untouched: Any, value: Any) -> None:
    assert sdk.contains_unknowns(value) == untouched.contains_unknowns(value)


def test_a_value_that_contains_itself_is_searched_once() -> None:
    value: list[Any] = [math.pi]
    value.append({"again": value})
    assert not sdk.contains_unknowns(value)


def test_the_names_of_plain_resources_are_the_base_class_s() -> None:
    assert CustomResource.translate_input_property is Resource.translate_input_property
