"""With continue-on-error a failure stops only what depends on it, and the operation fails in the end."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Engine, Options, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import Group, Thing, World

GO_ON = Options(continue_on_error=True)


def test_independent_resources_are_made_and_dependents_left_out(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.fail("create", "a")

    def program() -> None:
        a = Thing("a")
        b = Thing("b", of=a.id)
        Thing("c", of=b.id)
        Thing("d", pulumi.ResourceOptions(depends_on=[a]))
        Thing("child", pulumi.ResourceOptions(parent=a))
        Thing("free")

    with pytest.raises(UpdateFailed) as failure:
        engine.up(stack, program, options=GO_ON)

    assert failure.value.diagnostics == ("urn:pulumi:dev::proj::fake:index:Thing::a: it broke",)
    assert sorted(world.names("create")) == ["a", "free"]
    assert states.names(root, stack) == ["proj-dev", "default", "free"]
    states.assert_sound(root, stack)

    world.heal()
    assert engine.up(stack, program).changes == {"same": 2, "create": 5}


def test_every_failure_is_reported(engine: Engine, stack: StackRef, world: World) -> None:
    world.fail("create", "a", "first")
    world.fail("create", "b", "second")

    def program() -> None:
        Thing("a")
        Thing("b")

    with pytest.raises(UpdateFailed) as failure:
        engine.up(stack, program, options=GO_ON)

    assert sorted(text.rsplit(": ", 1)[-1] for text in failure.value.diagnostics) == ["first", "second"]


def test_deletes_run_except_for_what_failed_steps_need(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program(version: int) -> Any:
        def run() -> None:
            if version == 1:
                needed = Thing("needed")
                Thing("unneeded")
            Thing("a", size=version, **({"of": needed.id} if version == 1 else {}))

        return run

    engine.up(stack, program(1))
    world.fail("update", "a")

    with pytest.raises(UpdateFailed):
        engine.up(stack, program(2), options=GO_ON)

    assert world.names("delete") == ["unneeded"]
    assert sorted(states.names(root, stack)) == ["a", "default", "needed", "proj-dev"]
    states.assert_sound(root, stack)
    world.heal()
    assert engine.up(stack, program(2)).changes == {"same": 1, "update": 1, "delete": 1}


def test_what_was_left_out_stays_recorded(engine: Engine, stack: StackRef, world: World, root: Path) -> None:
    def program(size: int) -> Any:
        def run() -> None:
            a = Thing("a", size=size)
            Thing("b", of=a.name, size=size)

        return run

    engine.up(stack, program(1))
    before = states.named(root, stack, "b")
    world.fail("update", "a")

    with pytest.raises(UpdateFailed):
        engine.up(stack, program(2), options=GO_ON)

    assert world.names("update") == ["a"]
    assert states.named(root, stack, "b") == before


def test_a_failed_replacement_keeps_the_old_resource_and_its_dependents(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program(size: int) -> Any:
        def run() -> None:
            a = Thing("a", forced=size)
            Thing("b", of=a.id)
            Thing("free", size=size)

        return run

    engine.up(stack, program(1))
    world.fail("create", "a")

    with pytest.raises(UpdateFailed):
        engine.up(stack, program(2), options=GO_ON)

    assert world.names("delete") == []
    assert states.named(root, stack, "a")["inputs"] == {"forced": 1}
    assert states.named(root, stack, "free")["inputs"] == {"size": 2}
    states.assert_sound(root, stack)


def test_unknown_stack_outputs_are_stored_as_unknown_over_the_old_ones(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.fail("create", "a")

    def program() -> None:
        pulumi.export("id", Thing("a").id)
        pulumi.export("plain", 1)

    with pytest.raises(UpdateFailed):
        engine.up(stack, program, options=GO_ON)

    outputs = states.named(root, stack, "proj-dev")["outputs"]
    assert outputs == {"id": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "plain": 1}


def test_the_id_of_a_resource_whose_update_failed_stays_known(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program(size: int) -> Any:
        return lambda: pulumi.export("id", Thing("a", size=size).id)

    engine.up(stack, program(1))
    world.fail("update", "a")

    with pytest.raises(UpdateFailed):
        engine.up(stack, program(2), options=GO_ON)

    assert engine.outputs(stack).values == {"id": "a-1"}


def test_a_component_around_a_failed_resource_is_recorded(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.fail("create", "a")

    def program() -> None:
        group = Group("g")
        a = Thing("a", pulumi.ResourceOptions(parent=group))
        Group("late", props={"of": a.id})

    with pytest.raises(UpdateFailed):
        engine.up(stack, program, options=GO_ON)

    assert states.names(root, stack) == ["proj-dev", "g", "default"]


def test_no_provider_sees_values_of_what_failed(engine: Engine, stack: StackRef, world: World) -> None:
    """An output that lost its dependencies on the way is unknown all the same."""
    world.fail("create", "a")

    def program() -> None:
        async def of(value: Any) -> Any:
            return value

        unknown: pulumi.Output[str] = pulumi.Output(set(), of(None), of(False))
        Thing("a").urn.apply(lambda _: Thing("b", of=unknown) and None)

    with pytest.raises(UpdateFailed):
        engine.up(stack, program, options=GO_ON)

    assert world.names("create") == ["a"]
    assert "b" not in world.names("check")


def test_a_failed_read_leaves_its_dependents_out(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        found = Thing("found", pulumi.ResourceOptions(id="nothing"))
        Thing("b", of=found.name)
        Thing("free")

    with pytest.raises(UpdateFailed, match="nothing"):
        engine.up(stack, program, options=GO_ON)

    assert world.names("create") == ["free"]


def test_refused_inputs_stop_the_operation_all_the_same(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program() -> None:
        bad = Thing("bad", invalid=True)
        Thing("b", pulumi.ResourceOptions(depends_on=[bad]))

    with pytest.raises(UpdateFailed, match="not allowed"):
        engine.up(stack, program, options=GO_ON)

    assert world.names("create") == []


def test_a_destroy_goes_on_with_what_does_not_hold_the_failed_one(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program() -> None:
        base = Thing("base")
        Thing("user", of=base.id)
        Thing("first")
        Thing("second", pulumi.ResourceOptions(depends_on=[base]))

    engine.up(stack, program)
    world.fail("delete", "user")

    with pytest.raises(UpdateFailed):
        engine.destroy(stack, options=GO_ON)

    assert states.names(root, stack) == ["proj-dev", "default", "base", "user"]


def test_a_preview_goes_on_too(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        Thing("found", pulumi.ResourceOptions(id="nothing"))
        Thing("free")

    with pytest.raises(UpdateFailed):
        engine.preview(stack, program, options=GO_ON)

    assert world.names("check") == ["free"]


def test_what_is_registered_only_once_the_failed_one_answers_is_not_deleted(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program(size: int) -> Any:
        def run() -> None:
            a = Thing("a", size=size, computed=True)
            a.answer.apply(lambda _: Thing("inner", pulumi.ResourceOptions(parent=a)))

        return run

    engine.up(stack, program(1))
    world.fail("update", "a")

    with pytest.raises(UpdateFailed):
        engine.up(stack, program(2), options=GO_ON)

    assert world.names("delete") == []
    states.assert_sound(root, stack)
    world.heal()
    assert engine.up(stack, program(2)).changes == {"same": 2, "update": 1}
