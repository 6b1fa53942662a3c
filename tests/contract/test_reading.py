"""Taking in what is there: import, reads, other stacks' outputs, refresh."""

import pulumi
import pytest
from pulumi import ResourceOptions

from engine import StackRef, UpdateFailed
from engine.options import Options
from engine.protocol import StackEngine
from tests.contract.engines import recorded, state
from tests.contract.resources import Thing
from tests.contract.world import World


def test_an_existing_resource_is_imported(engine: StackEngine, world: World, stack: StackRef):
    world.put("there", {"value": 1, "name": "there"})

    def program():
        Thing("a", opts=ResourceOptions(import_="there"), value=1)

    result = engine.up(stack, program)

    assert result.changes == {"create": 1, "import": 1}
    assert not world.called("create", "update")
    found = state(engine, stack, "a")
    assert (found["id"], found["importID"], found["inputs"]) == ("there", "there", {"value": 1})
    assert engine.up(stack, program).changes == {"same": 2}
    assert engine.up(stack, lambda: Thing("a", value=1) and None).changes == {"same": 2}


def test_importing_what_is_not_there_fails(engine: StackEngine, world: World, stack: StackRef):
    def program():
        Thing("a", opts=ResourceOptions(import_="nowhere"))

    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, program)

    assert any("nowhere" in text and "does not exist" in text for text in caught.value.diagnostics)
    assert recorded(engine, stack) == []


def test_a_resource_that_is_only_read_is_never_deleted(engine: StackEngine, world: World, stack: StackRef):
    world.put("there", {"value": 7, "name": "there"})

    def program():
        found = Thing.get("seen", "there")
        pulumi.export("value", found.name)
        Thing("b", of=found.id)

    result = engine.up(stack, program)
    read_again = engine.up(stack, program)

    assert result.outputs == {"value": "there"}
    assert result.changes["create"] == 2
    assert read_again.changes == {"same": 2}
    assert state(engine, stack, "seen")["external"] is True
    engine.destroy(stack)
    assert world.called("delete") == ["b"]
    assert "there" in world.resources


def test_reading_what_is_not_there_fails(engine: StackEngine, world: World, stack: StackRef):
    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, lambda: Thing.get("seen", "nowhere") and None)

    assert any("nowhere" in text for text in caught.value.diagnostics)


def test_another_stacks_outputs_can_be_used_secrets_stay_secret(
    engine: StackEngine, world: World, stack: StackRef
):
    other = StackRef(stack.project, "base")

    def base():
        pulumi.export("address", "10.0.0.1")
        pulumi.export("password", pulumi.Output.secret("hunter2"))

    def program():
        reference = pulumi.StackReference(f"organization/{other.project}/{other.name}")
        pulumi.export("address", reference.get_output("address"))
        pulumi.export("password", reference.get_output("password"))

    engine.up(other, base)
    result = engine.up(stack, program)

    assert result.outputs == {"address": "10.0.0.1", "password": "hunter2"}
    assert result.secret_names == {"password"}


def test_refresh_records_what_changed_outside(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a", value=1) and None)
    world.edit("a", value=5)

    result = engine.refresh(stack)

    assert result.changes["update"] == 1
    assert state(engine, stack, "a")["outputs"]["value"] == 5
    assert state(engine, stack, "a")["inputs"]["value"] == 5
    assert engine.up(stack, lambda: Thing("a", value=1) and None).changes == {"same": 1, "update": 1}
    assert [outputs["value"] for outputs in world.resources.values()] == [1]


def test_refresh_forgets_what_is_gone(engine: StackEngine, world: World, stack: StackRef):
    def program():
        Thing("b", of=Thing("a").id)

    engine.up(stack, program)
    world.forget("a")
    result = engine.refresh(stack)

    assert result.changes["delete"] == 1
    assert recorded(engine, stack) == ["b"]
    assert state(engine, stack, "b").get("dependencies", []) == []
    assert engine.up(stack, program).changes["create"] == 1
    assert world.names == ["a", "b"]


def test_a_refresh_without_news_changes_nothing(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a", value=1) and None)

    result = engine.refresh(stack)

    assert result.changes.get("same", 0) >= 1
    assert not {"update", "delete", "create"} & set(result.changes)


def test_an_update_can_refresh_first(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a", value=1) and None)
    world.forget("a")

    engine.up(stack, lambda: Thing("a", value=1) and None, options=Options(refresh=True))

    assert world.names == ["a"]


def test_a_destroy_can_refresh_first(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a", value=1) and None)
    world.forget("a")
    world.fail("delete", "a")

    engine.destroy(stack, options=Options(refresh=True))

    assert recorded(engine, stack) == []


def test_a_failed_read_fails_the_refresh_and_keeps_the_state(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, lambda: Thing("a", value=1) and None)
    world.fail("read", "a")

    with pytest.raises(UpdateFailed):
        engine.refresh(stack)

    assert recorded(engine, stack) == ["a"]
