"""Remote components that a provider of this process constructs."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import ResourceOptions as Options

from engine import Engine, FileBackend, StackRef, UpdateFailed
from engine.construct import Constructed, Register
from engine.goals import Goal
from engine.provider import ProviderError
from engine.values import UNKNOWN, ResourceReference, unwrap
from tests.engine import states
from tests.engine.fake import FakeCloud, FakeProvider, Thing, World

URN = "urn:pulumi:dev::proj::{}::{}"
PAIR = "fake:index:Pair"


class PairProvider(FakeProvider):
    """Package `fake` with a component type: two things, the second of which depends on the first."""

    def construct(self, component: Goal, register: Register, *, preview: bool) -> Constructed:
        if component.inputs.get("refuse"):
            raise ProviderError(f"it does not want to: {unwrap(component.inputs)}")
        pair = register(dataclasses.replace(component, inputs={})).result()
        size = component.inputs.get("size", 1)
        first = register(thing(f"{component.name}-first", pair.urn, size=size)).result()
        second = register(
            dataclasses.replace(
                thing(f"{component.name}-second", pair.urn, of=first.id or UNKNOWN),
                dependencies=(first.urn,),
                property_dependencies={"of": [first.urn]},
            )
        ).result()
        return Constructed(
            urn=pair.urn,
            outputs={
                "first": first.urn,
                "second": ResourceReference(urn=second.urn, id=second.id or UNKNOWN),
            },
            dependencies={"first": (first.urn,)},
        )


def thing(name: str, parent: str, **inputs: Any) -> Goal:
    return Goal(type="fake:index:Thing", name=name, custom=True, parent=parent, inputs=inputs)


class Pair(pulumi.ComponentResource):
    first: pulumi.Output[str]
    second: pulumi.Output[Any]

    def __init__(self, name: str, opts: Options | None = None, **props: Any) -> None:
        super().__init__(PAIR, name, {"first": None, "second": None, **props}, opts, remote=True)


@pytest.fixture
def engine(world: World, root: Path) -> Engine:
    return Engine(FileBackend(root), {"fake": lambda: PairProvider(world)})


def test_a_component_and_its_children_are_registered_by_the_provider(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program() -> None:
        pair = Pair("p", size=3)
        pulumi.export("first", pair.first)
        pulumi.export("urn", pair.urn)

    result = engine.up(stack, program)

    first = URN.format(f"{PAIR}$fake:index:Thing", "p-first")
    assert result.outputs == {"first": first, "urn": URN.format(PAIR, "p")}
    assert world.names("create") == ["p-first", "p-second"]
    pair, second = states.named(root, stack, "p"), states.named(root, stack, "p-second")
    assert pair["outputs"]["first"] == first
    assert "provider" not in pair
    assert second["parent"] == pair["urn"]
    assert second["dependencies"] == [first]
    assert engine.up(stack, program).changes == {"same": 4}


def test_children_inherit_from_the_component(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program() -> None:
        cloud = FakeCloud("cloud", region="north")
        Pair("p", Options(provider=cloud, retain_on_delete=True))

    engine.up(stack, program)

    child = states.named(root, stack, "p-first")
    assert child["provider"].startswith(URN.format("pulumi:providers:fake", "cloud"))
    assert child["retainOnDelete"] is True
    assert world.configs == [{"region": "north"}]


def test_a_component_that_was_renamed_takes_its_children_along(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, lambda: Pair("p"))
    world.calls.clear()

    result = engine.up(stack, lambda: Pair("q", Options(aliases=[pulumi.Alias(name="p")])))

    assert result.changes == {"same": 4}
    assert world.names("create") == []


def test_a_component_s_output_carries_its_dependencies(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, lambda: Thing("user", of=Pair("p").first))

    first = states.named(root, stack, "p-first")["urn"]
    assert first in states.named(root, stack, "user")["dependencies"]


def test_what_a_component_depends_on_is_known_to_its_provider(
    world: World, root: Path, stack: StackRef
) -> None:
    seen: list[Goal] = []

    class Watching(PairProvider):
        def construct(self, component: Goal, register: Register, *, preview: bool) -> Constructed:
            seen.append(component)
            return super().construct(component, register, preview=preview)

    def program() -> None:
        base = Thing("base", computed=True)
        Pair("p", size=pulumi.Output.secret(2), label=[base.answer])

    Engine(FileBackend(root), {"fake": lambda: Watching(world)}).up(stack, program)

    base = states.named(root, stack, "base")["urn"]
    assert seen[0].property_dependencies["label"] == [base]
    assert seen[0].inputs["label"] == ["42"]
    assert repr(seen[0].inputs["size"]) == "Secret([secret])"


def test_a_preview_of_a_component_creates_nothing(engine: Engine, stack: StackRef, world: World) -> None:
    assert engine.preview(stack, lambda: Pair("p")).changes == {"create": 4}
    assert world.resources == {}


def test_a_component_that_is_refused_fails_the_run(engine: Engine, stack: StackRef, world: World) -> None:
    with pytest.raises(
        UpdateFailed, match=r"fake:index:Pair resource 'p' has a problem: it does not want to"
    ):
        engine.up(stack, lambda: Pair("p", refuse=True))


def test_what_a_refused_component_quotes_is_masked(engine: Engine, stack: StackRef) -> None:
    with pytest.raises(UpdateFailed, match=r"does not want to: .*\[secret\]") as failure:
        engine.up(stack, lambda: Pair("p", refuse=True, password=pulumi.Output.secret("hunter2")))

    assert "hunter2" not in str(failure.value.diagnostics)


def test_a_child_that_fails_fails_the_run(engine: Engine, stack: StackRef, world: World, root: Path) -> None:
    world.fail("create", "p-second")

    with pytest.raises(UpdateFailed, match="it broke"):
        engine.up(stack, lambda: Pair("p"))

    assert "p-first" in states.names(root, stack)


@pytest.fixture(autouse=True)
def _sound(root: Path, stack: StackRef) -> Iterator[None]:
    yield
    if states.checkpoint_file(root, stack).exists():
        states.assert_sound(root, stack)
