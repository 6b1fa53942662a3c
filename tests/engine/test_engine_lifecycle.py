"""Create, same, update, replace and delete, as a user of a stack sees them."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import ABSENT, Engine, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import FakeCloud, Group, Thing, World

Options = pulumi.ResourceOptions


def one(name: str = "a", opts: Options | None = None, **props: Any) -> Any:
    """Return a program with one resource."""

    def program() -> None:
        Thing(name, opts, **props)

    return program


def nothing() -> None:
    """Be a program without resources."""


def test_a_first_update_creates_everything_and_returns_the_outputs(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program() -> None:
        thing = Thing("a", size=1, computed=True)
        pulumi.export("id", thing.id)
        pulumi.export("answer", thing.answer)
        pulumi.export("nested", {"list": [thing.id, 2, None, True]})

    result = engine.up(stack, program)

    assert result.changes == {"create": 2}
    assert result.outputs == {"id": "a-1", "answer": "42", "nested": {"list": ["a-1", 2, None, True]}}
    assert engine.outputs(stack).values == result.outputs
    assert result.version == engine.outputs(stack).version != ABSENT
    assert set(world.resources) == {"a-1"}


def test_an_update_without_changes_calls_nothing_and_leaves_the_state_file_alone(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    first = engine.up(stack, one(size=1))
    before = states.checkpoint_file(root, stack).read_bytes()
    world.calls.clear()

    second = engine.up(stack, one(size=1))

    assert second.changes == {"same": 2}
    assert second.version == first.version
    assert {call for call, _ in world.calls} == {"check", "diff"}
    assert states.checkpoint_file(root, stack).read_bytes() == before


def test_a_changed_input_updates_in_place(engine: Engine, stack: StackRef, world: World, root: Path) -> None:
    engine.up(stack, one(size=1))
    created = states.named(root, stack, "a")

    result = engine.up(stack, one(size=2))

    updated = states.named(root, stack, "a")
    assert result.changes == {"same": 1, "update": 1}
    assert world.resources == {"a-1": {"size": 2, "name": "a"}}
    assert updated["id"] == created["id"]
    assert updated["created"] == created["created"]
    assert updated["modified"] > created["modified"]


def test_a_replacement_creates_before_it_deletes(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, one(forced=1))
    world.calls.clear()

    result = engine.up(stack, one(forced=2))

    assert [call for call, _ in world.calls if call in ("create", "delete")] == ["create", "delete"]
    assert result.changes == {"same": 1, "replace": 1}
    assert list(world.resources) == ["a-2"]
    assert states.named(root, stack, "a")["id"] == "a-2"


@pytest.mark.parametrize(
    ("props", "opts", "order"),
    [
        pytest.param({"first": 1}, None, ["delete", "create"], id="the provider asks for it"),
        pytest.param(
            {"forced": 1},
            Options(delete_before_replace=True),
            ["delete", "create"],
            id="the program asks for it",
        ),
        pytest.param(
            {"first": 1},
            Options(delete_before_replace=False),
            ["create", "delete"],
            id="the program overrules",
        ),
    ],
)
def test_deletion_comes_first_where_asked_for(
    engine: Engine,
    stack: StackRef,
    world: World,
    props: dict[str, int],
    opts: Options | None,
    order: list[str],
) -> None:
    engine.up(stack, one(opts=opts, **props))
    world.calls.clear()

    engine.up(stack, one(opts=opts, **{key: value + 1 for key, value in props.items()}))

    assert [call for call, _ in world.calls if call in ("create", "delete")] == order
    assert list(world.resources) == ["a-2"]


def test_deleting_first_takes_those_dependents_along_that_would_be_replaced(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program(version: int) -> Any:
        def run() -> None:
            base = Thing("base", first=version)
            Thing("replaced", forced=base.id)
            Thing("updated", size=base.id)
            Thing("apart", Options(depends_on=[base]), size=1)

        return run

    engine.up(stack, program(1))
    world.calls.clear()

    result = engine.up(stack, program(2))

    order = [(call, name) for call, name in world.calls if call in ("create", "delete", "update")]
    assert order[:3] == [("delete", "replaced"), ("delete", "base"), ("create", "base")]
    assert ("create", "replaced") in order
    assert ("update", "updated") in order
    assert "apart" not in [name for _, name in order]
    assert result.changes == {"same": 2, "replace": 2, "update": 1}
    assert len(world.resources) == 4
    states.assert_sound(root, stack)


def test_what_the_program_no_longer_registers_is_deleted_in_reverse_order(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program() -> None:
        first = Thing("first")
        second = Thing("second", of=first.id)
        Thing("third", Options(depends_on=[second]))

    engine.up(stack, program)

    result = engine.up(stack, nothing)

    assert world.names("delete") == ["third", "second", "first"]
    assert result.changes == {"same": 1, "delete": 3}
    assert states.names(root, stack) == ["proj-dev"]  # the default provider went with its last user


def test_deletes_wait_for_the_wave_before_them(make_engine: Any, stack: StackRef, world: World) -> None:
    """Two leaves are deleted at the same time; what they need is deleted only when both are gone."""
    engine = make_engine()

    def program() -> None:
        base = Thing("base")
        Thing("left", of=base.id)
        Thing("right", of=base.id)

    engine.up(stack, program)
    gone: list[str] = []
    left_started, left_may_go = world.hang("delete", "left")

    def right(_: str, __: dict[str, Any]) -> None:
        assert left_started.wait(20)  # so both were under way together
        assert "base" not in world.names("delete")
        gone.append("right")
        left_may_go.set()

    world.faults["delete", "right"] = right

    engine.destroy(stack)

    assert gone == ["right"]
    assert world.names("delete")[-1] == "base"
    assert world.resources == {}


def test_destroy_leaves_an_empty_stack_that_counts_as_absent(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program() -> None:
        group = Group("group")
        Thing("a", Options(parent=group))
        pulumi.export("x", 1)

    engine.up(stack, program)

    result = engine.destroy(stack)

    assert result.changes == {"delete": 3}
    assert (result.outputs, result.version) == ({}, ABSENT)
    assert engine.outputs(stack).version == ABSENT
    assert engine.stacks("proj") == ["dev"]
    assert world.resources == {}
    assert states.resources(root, stack) == []


def test_components_record_the_outputs_that_they_register(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    def program(value: int) -> Any:
        def run() -> None:
            group = Group("group", outputs={"value": value})
            Thing("a", Options(parent=group))

        return run

    engine.up(stack, program(1))
    result = engine.up(stack, program(2))

    group = states.named(root, stack, "group")
    assert group["outputs"] == {"value": 2}
    assert result.changes == {"same": 3}
    assert states.named(root, stack, "a")["parent"] == group["urn"]
    assert "$fake:index:Thing" in states.named(root, stack, "a")["urn"]


def test_a_component_whose_inputs_change_is_updated(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, lambda: Group("group", props={"size": 1}))

    result = engine.up(stack, lambda: Group("group", props={"size": 2}))

    assert result.changes == {"same": 1, "update": 1}


def test_defaults_of_check_are_kept_on_update_and_made_anew_on_replacement(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    engine.up(stack, one(autonamed=True, size=1, forced=1))
    first = states.named(root, stack, "a")["inputs"]["kept"]

    engine.up(stack, one(autonamed=True, size=2, forced=1))
    second = states.named(root, stack, "a")["inputs"]["kept"]
    engine.up(stack, one(autonamed=True, size=2, forced=2))
    third = states.named(root, stack, "a")["inputs"]["kept"]

    assert first == second != third


def test_inputs_are_compared_where_the_provider_cannot_tell(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, one(untold=True, flag=True))

    assert engine.up(stack, one(untold=True, flag=True)).changes == {"same": 2}
    assert engine.up(stack, one(untold=True, flag=1)).changes == {"same": 1, "update": 1}


def test_an_explicit_provider_configures_its_resources(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program(zone: str, region: str = "one") -> Any:
        def run() -> None:
            cloud = FakeCloud("cloud", zone=zone, region=region)
            Thing("a", Options(provider=cloud))

        return run

    engine.up(stack, program("z1"))
    assert world.configs == [{"zone": "z1", "region": "one"}]
    assert "::pulumi:providers:fake::cloud::" in states.named(root, stack, "a")["provider"]

    assert engine.up(stack, program("z2")).changes == {"same": 2, "update": 1}
    assert list(world.resources) == ["a-1"]

    result = engine.up(stack, program("z2", region="two"))
    assert result.changes == {"same": 1, "replace": 2}
    assert list(world.resources) == ["a-2"]
    states.assert_sound(root, stack)


def test_configuration_of_a_package_reaches_its_default_provider(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, one(), config={"fake:zone": "z1", "proj:other": "x"})

    assert world.configs == [{"zone": "z1"}]


def test_a_versioned_package_gets_a_default_provider_of_its_own(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    engine.up(stack, one(opts=Options(version="1.0.0-alpha.1+b1")))

    provider = states.resources(root, stack)[1]
    assert provider["urn"].endswith("::pulumi:providers:fake::default_1_0_0_alpha_1_b1")
    assert provider["inputs"] == {"version": "1.0.0-alpha.1+b1", "__internal": {}}
    assert provider["outputs"] == {"version": "1.0.0-alpha.1+b1"}

    result = engine.up(stack, one(opts=Options(version="1.1.0")))
    assert result.changes == {"same": 2}
    assert states.named(root, stack, "a")["provider"].split("::")[-2] == "default_1_1_0"


def test_functions_of_a_provider_can_be_called(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        result = pulumi.runtime.invoke("fake:index:sum", {"numbers": [1, 2, 3]})
        pulumi.export("sum", result.value["sum"])

    assert engine.up(stack, program).outputs == {"sum": 6}


def test_a_failing_function_is_the_programs_to_handle(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        try:
            pulumi.runtime.invoke("fake:index:sum", {"fail": True})
        except Exception as error:
            pulumi.export("error", str(error))

    assert "no such thing" in engine.up(stack, program).outputs["error"]


def test_a_resource_can_be_read_without_being_managed(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.resources["existing"] = {"size": 7, "name": "elsewhere"}

    def program() -> None:
        thing = Thing("got", Options(id="existing"))
        pulumi.export("name", thing.name)

    result = engine.up(stack, program)

    assert result.outputs == {"name": "elsewhere"}
    assert result.changes == {"create": 1, "read": 1}
    assert states.named(root, stack, "got")["external"] is True

    assert engine.destroy(stack).changes == {"delete": 1, "discard": 1}
    assert "existing" in world.resources


def test_reading_what_does_not_exist_fails_the_update(engine: Engine, stack: StackRef) -> None:
    with pytest.raises(UpdateFailed, match="there is no fake:index:Thing with the id 'missing'"):
        engine.up(stack, lambda: Thing("got", Options(id="missing")))


def test_parallel_creation_is_limited(make_engine: Any, stack: StackRef, world: World) -> None:
    engine = make_engine(parallel=1)
    running: list[int] = [0]
    most: list[int] = [0]

    def count(_: str, __: dict[str, Any]) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        running[0] -= 1

    for index in range(6):
        world.faults["create", f"t{index}"] = count

    def program() -> None:
        for index in range(6):
            Thing(f"t{index}")

    assert engine.up(stack, program).changes == {"create": 7}
    assert most == [1]


def test_independent_resources_are_created_at_the_same_time(
    engine: Engine, stack: StackRef, world: World
) -> None:
    started, go_on = world.hang("create", "a")

    def b(_: str, __: dict[str, Any]) -> None:
        assert started.wait(20)
        go_on.set()

    world.faults["create", "b"] = b

    def program() -> None:
        Thing("a")
        Thing("b")

    assert engine.up(stack, program).changes == {"create": 3}


def test_a_resource_renamed_and_replaced_deleting_first_keeps_its_dependents_references(
    engine: Engine, root: Path, stack: StackRef
) -> None:
    """Found by the model: what was not registered yet still named the old URN, which was gone."""

    def program(name: str, first: int) -> Any:
        def run() -> None:
            base = Thing(name, Options(aliases=[pulumi.Alias(name="base")]), first=first)
            Thing("middle", Options(depends_on=[base]), size=first)
            Thing("user", Options(depends_on=[base]))

        return run

    engine.up(stack, program("base", 1))
    engine.up(stack, program("renamed", 2))

    states.assert_sound(root, stack)
    assert "base" not in states.names(root, stack)


def test_the_old_half_of_a_replaced_provider_is_still_found_when_the_new_one_is_renamed(
    engine: Engine, root: Path, stack: StackRef, world: World
) -> None:
    """Found by the model: what waits for its deletion named the new provider by the old one's id."""

    def program(name: str, region: str, **props: Any) -> Any:
        def run() -> None:
            cloud = FakeCloud(name, Options(aliases=[pulumi.Alias(name="cloud")]), region=region)
            Thing("thing", Options(provider=cloud), **props)

        return run

    engine.up(stack, program("cloud", "east"))
    world.fail("delete", "thing")
    with pytest.raises(UpdateFailed, match="it broke"):
        engine.up(stack, program("cloud", "west"))
    world.heal()

    engine.up(stack, program("renamed", "west"))

    states.assert_sound(root, stack)
    assert states.names(root, stack) == ["proj-dev", "renamed", "thing"]
    assert len(world.resources) == 1
