"""Failures: of providers, in part, of programs; what stays, what goes on, what the next update does."""

import pulumi
import pytest

from engine import StackRef, UpdateFailed
from engine.options import Options
from engine.protocol import StackEngine
from tests.contract.engines import pending, recorded, state, urn
from tests.contract.resources import Thing
from tests.contract.world import World


def test_a_failed_create_leaves_nothing_behind_and_says_why(
    engine: StackEngine, world: World, stack: StackRef
):
    world.fail("create", "b", "quota exceeded")

    def program():
        a = Thing("a")
        b = Thing("b", of=a.id)
        Thing("c", of=b.id)

    with pytest.raises(UpdateFailed, match="quota exceeded") as caught:
        engine.up(stack, program)

    assert any("quota exceeded" in text for text in caught.value.diagnostics)
    assert recorded(engine, stack) == world.names == ["a"]
    assert pending(engine, stack) == []
    assert engine.history(stack)[0]["result"] == "failed"

    world.heal()
    assert engine.up(stack, program).changes == {"same": 2, "create": 2}


def test_a_failed_update_leaves_the_old_resource(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a", value=1) and None)
    world.fail("update", "a")

    with pytest.raises(UpdateFailed):
        engine.up(stack, lambda: Thing("a", value=2) and None)

    assert state(engine, stack, "a")["inputs"] == {"value": 1}
    world.heal()
    assert engine.up(stack, lambda: Thing("a", value=2) and None).changes == {"same": 1, "update": 1}


def test_a_failed_delete_keeps_the_resource_on_record(engine: StackEngine, world: World, stack: StackRef):
    def program():
        Thing("b", of=Thing("a").id)

    engine.up(stack, program)
    world.fail("delete", "b")
    with pytest.raises(UpdateFailed):
        engine.destroy(stack)

    assert recorded(engine, stack) == ["a", "b"]
    world.heal()
    engine.destroy(stack)
    assert world.names == []


def test_a_create_that_does_not_get_ready_is_recorded_and_tried_again(
    engine: StackEngine, world: World, stack: StackRef
):
    world.fail_partially("create", "a", "still starting")
    with pytest.raises(UpdateFailed, match="still starting"):
        engine.up(stack, lambda: Thing("a", value=1) and None)

    assert state(engine, stack, "a")["initErrors"] == ["still starting"]
    assert state(engine, stack, "a")["outputs"]["value"] == 1
    world.heal()
    result = engine.up(stack, lambda: Thing("a", value=1) and None)

    assert result.changes == {"same": 1, "update": 1}
    assert "initErrors" not in state(engine, stack, "a")
    assert world.names == ["a"]


def test_an_update_that_does_not_get_ready_keeps_the_old_inputs(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, lambda: Thing("a", value=1) and None)
    world.fail_partially("update", "a", "still starting")
    with pytest.raises(UpdateFailed, match="still starting"):
        engine.up(stack, lambda: Thing("a", value=2) and None)

    found = state(engine, stack, "a")
    assert (found["inputs"]["value"], found["outputs"]["value"]) == (1, 2)
    assert found["initErrors"] == ["still starting"]
    world.heal()
    assert engine.up(stack, lambda: Thing("a", value=2) and None).changes == {"same": 1, "update": 1}


def test_a_program_that_raises_keeps_what_it_made_and_deletes_nothing(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, lambda: Thing("old") and None)

    def program():
        made = Thing("a")
        made.id.apply(lambda _: pulumi.log.info("made"))
        raise ValueError("no such customer")

    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, program)

    assert any("no such customer" in text for text in caught.value.diagnostics)
    assert "old" in recorded(engine, stack)
    assert not world.called("delete")


def test_outputs_stay_as_far_as_a_failed_update_does_not_give_new_ones(
    engine: StackEngine, world: World, stack: StackRef
):
    def first():
        pulumi.export("plain", "one")
        pulumi.export("gone", "old")
        Thing("a", value=1)

    def second():
        pulumi.export("plain", "two")
        Thing("a", value=2)

    engine.up(stack, first)
    world.fail("update", "a")
    with pytest.raises(UpdateFailed):
        engine.up(stack, second)

    values = engine.outputs(stack).values
    assert values["gone"] == "old"


def test_independent_resources_go_on_where_that_is_asked_for(
    engine: StackEngine, world: World, stack: StackRef
):
    world.fail("create", "bad")

    def program():
        bad = Thing("bad")
        Thing("dependent", of=bad.id)
        Thing("good", of=Thing("root").id)

    with pytest.raises(UpdateFailed, match="it broke"):
        engine.up(stack, program, options=Options(continue_on_error=True))

    assert recorded(engine, stack) == world.names == ["good", "root"]
    world.heal()
    assert engine.up(stack, program).changes == {"same": 3, "create": 2}


def test_continue_on_error_drops_what_only_outputs_of_the_failed_resource_bring_about(
    engine: StackEngine, world: World, stack: StackRef
):
    """The program cannot register it, and nothing on record says that it depends on the failed one."""

    def program(value: int):
        def run():
            a = Thing("a", value=value)
            a.name.apply(lambda name: Thing("inner", value=1) and None)

        return run

    engine.up(stack, program(1))
    world.fail("update", "a")

    with pytest.raises(UpdateFailed, match="it broke"):
        engine.up(stack, program(2), options=Options(continue_on_error=True))

    assert recorded(engine, stack) == world.names == ["a"]
    world.heal()
    assert engine.up(stack, program(2)).changes == {"same": 1, "update": 1, "create": 1}


def test_deletes_go_on_where_that_is_asked_for(engine: StackEngine, world: World, stack: StackRef):
    def program():
        for name in ("a", "b"):
            Thing(f"{name}2", of=Thing(name).id)

    engine.up(stack, program)
    world.fail("delete", "a2")
    with pytest.raises(UpdateFailed, match="it broke"):
        engine.destroy(stack, options=Options(continue_on_error=True))

    assert recorded(engine, stack) == ["a", "a2"]
    assert urn(stack, "a2") in {item.urn for item in engine.resources(stack)}


def test_two_resources_of_one_name_are_refused(engine: StackEngine, world: World, stack: StackRef):
    def program():
        Thing("a")
        Thing("a")

    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, program)

    assert any("uplicate" in text and "::a" in text for text in caught.value.diagnostics)
