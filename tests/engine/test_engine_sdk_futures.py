"""The shortcuts in how the SDK waits give what the SDK gives, and still see everything that fails."""

import asyncio
import importlib.util
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi import CustomResource, Output
from pulumi.output import UNKNOWN
from pulumi.runtime import resource, rpc

from engine import Engine, StackRef, UpdateFailed
from tests.engine.fake import Thing, World

STACK = StackRef("proj", "dev")
names = st.text(min_size=1, max_size=8)


def untouched(module: str) -> Any:
    """One of the SDK's modules as it comes, without the shortcuts."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


ORIGINAL_RESOURCE = untouched("pulumi.runtime.resource")
ORIGINAL_RPC = untouched("pulumi.runtime.rpc")


async def settled(output: Output[Any]) -> Any:
    """Everything that an output says, or what it raises."""
    try:
        return (
            await output.future(with_unknowns=True),
            await output.is_known(),
            await output.is_secret(),
            await output.resources(),
        )
    except ValueError as error:
        return str(error)


@given(names, names, names | st.just(""))
def test_a_plain_urn_is_the_sdks(name: str, type_: str, parent: str) -> None:
    async def both() -> tuple[Any, Any]:
        made = [module.create_urn(name, type_, parent) for module in (resource, ORIGINAL_RESOURCE)]
        return await settled(made[0]), await settled(made[1])

    ours, theirs = asyncio.run(both())
    assert ours == theirs


@pytest.mark.parametrize(
    "resolution",
    [
        pytest.param(("value", True, False, None, None), id="a known value"),
        pytest.param(("value", True, True, None, None), id="a secret"),
        pytest.param((UNKNOWN, True, False, None, None), id="an unknown that is called known"),
        pytest.param((None, False, False, None, None), id="not known"),
        pytest.param(({"a": [1]}, True, False, {"other"}, None), id="with dependencies"),
        pytest.param((None, False, False, None, ValueError("it failed")), id="a failure"),
    ],
)
def test_a_property_resolves_as_the_sdks(resolution: tuple[Any, ...]) -> None:
    async def both() -> list[Any]:
        found = []
        for module in (rpc, ORIGINAL_RPC):
            owner = CustomResource.__new__(CustomResource)
            resolvers = module.transfer_properties(owner, {"size": 1, "id": "x", "urn": "y"}, True)
            assert list(resolvers) == ["size"]
            resolvers["size"](*resolution)
            value = await settled(owner.__dict__["size"])
            if isinstance(value, tuple):
                value = (*value[:3], value[3] - {owner}, owner in value[3])
            found.append(value)
        return found

    ours, theirs = asyncio.run(both())
    assert ours == theirs


def test_a_failure_deep_in_a_chain_of_outputs_fails_the_update(engine: Engine, world: World) -> None:
    def program() -> None:
        thing = Thing("a", size=1)
        for number in range(50):
            Output.all(thing.id, number).apply(lambda parts: parts)

        def broken(_: Any) -> None:
            raise ValueError("deep down")

        thing.id.apply(lambda id_: Output.from_input(id_).apply(broken))

    with pytest.raises(UpdateFailed, match="deep down"):
        engine.up(STACK, program)


def test_what_outputs_start_late_is_waited_for(engine: Engine, world: World) -> None:
    def program() -> None:
        def follow(id_: str) -> str:
            Thing("late", of=id_).id.apply(lambda late: Thing("later", of=late))
            return id_

        pulumi.export("first", Thing("first").id.apply(follow))

    engine.up(STACK, program)

    assert world.names("create") == ["first", "late", "later"]
