"""What a resource's options do: protection, retention, ignored changes, replacements, aliases, order."""

import pulumi
import pytest
from pulumi import Alias, CustomTimeouts, ResourceOptions

from engine import StackRef, UpdateFailed
from engine.protocol import StackEngine
from tests.contract.engines import name_of, recorded, state, states
from tests.contract.resources import Group, Thing
from tests.contract.world import World


def declaring(*things):
    """A program of things: (name, properties, options)."""

    def program():
        for name, props, options in things:
            Thing(name, opts=ResourceOptions(**options), **props)

    return program


def test_a_protected_resource_is_not_deleted_but_others_are(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, declaring(("a", {}, {"protect": True}), ("b", {}, {})))

    with pytest.raises(UpdateFailed, match="protect"):
        engine.up(stack, lambda: None)

    assert recorded(engine, stack) == ["a"]
    assert world.names == ["a"]


def test_a_protected_resource_is_not_replaced(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, declaring(("a", {"forced": 1}, {"protect": True})))
    world.forget_calls()

    with pytest.raises(UpdateFailed, match="protect"):
        engine.up(stack, declaring(("a", {"forced": 2}, {"protect": True})))

    assert not world.called("create", "delete")


def test_a_stack_with_something_protected_is_not_destroyed(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, declaring(("a", {}, {"protect": True})))

    with pytest.raises(UpdateFailed, match="protect"):
        engine.destroy(stack)

    assert world.names == ["a"]
    engine.up(stack, declaring(("a", {}, {"protect": False})))
    engine.destroy(stack)
    assert world.names == []


def test_a_retained_resource_is_forgotten_but_not_deleted(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, declaring(("a", {}, {"retain_on_delete": True})))

    result = engine.up(stack, lambda: None)

    assert result.changes == {"same": 1, "delete": 1}
    assert recorded(engine, stack) == []
    assert world.names == ["a"]
    assert not world.called("delete")


def test_a_retained_resource_stays_when_it_is_replaced(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, declaring(("a", {"forced": 1}, {"retain_on_delete": True})))
    engine.up(stack, declaring(("a", {"forced": 2}, {"retain_on_delete": True})))

    assert recorded(engine, stack) == ["a"]
    assert world.names == ["a", "a"]


def test_what_is_deleted_with_another_gets_no_call_of_its_own(
    engine: StackEngine, world: World, stack: StackRef
):
    def program():
        a = Thing("a")
        Thing("b", opts=ResourceOptions(deleted_with=a))

    engine.up(stack, program)
    engine.up(stack, lambda: None)

    assert world.called("delete") == ["a"]
    assert recorded(engine, stack) == []


def test_ignored_changes_keep_the_old_value(engine: StackEngine, world: World, stack: StackRef):
    ignoring = {"ignore_changes": ["value", "map.inner"]}
    engine.up(stack, declaring(("a", {"value": 1, "map": {"inner": 1, "other": 1}}, ignoring)))

    same = engine.up(stack, declaring(("a", {"value": 2, "map": {"inner": 2, "other": 1}}, ignoring)))
    changed = engine.up(stack, declaring(("a", {"value": 2, "map": {"inner": 2, "other": 2}}, ignoring)))

    assert same.changes == {"same": 2}
    assert changed.changes == {"same": 1, "update": 1}
    assert state(engine, stack, "a")["inputs"] == {"value": 1, "map": {"inner": 1, "other": 2}}


def test_a_change_that_is_to_replace_replaces(engine: StackEngine, world: World, stack: StackRef):
    replacing = {"replace_on_changes": ["value"]}
    engine.up(stack, declaring(("a", {"value": 1, "other": 1}, replacing)))

    updated = engine.up(stack, declaring(("a", {"value": 1, "other": 2}, replacing)))
    replaced = engine.up(stack, declaring(("a", {"value": 2, "other": 2}, replacing)))

    assert updated.changes == {"same": 1, "update": 1}
    assert replaced.changes == {"same": 1, "replace": 1}


def test_the_program_may_ask_for_deletion_first(engine: StackEngine, world: World, stack: StackRef):
    option = {"delete_before_replace": True}
    engine.up(stack, declaring(("a", {"forced": 1}, option)))
    world.forget_calls()
    engine.up(stack, declaring(("a", {"forced": 2}, option)))

    assert [call["call"] for call in world.calls("create", "delete")] == ["delete", "create"]


def test_an_alias_takes_a_resource_over_under_its_new_name(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, declaring(("old", {"value": 1}, {})))
    world.forget_calls()

    result = engine.up(stack, declaring(("new", {"value": 1}, {"aliases": [Alias(name="old")]})))

    assert result.changes == {"same": 2}
    assert recorded(engine, stack) == ["new"]
    assert not world.called("create", "delete", "update")


def test_children_follow_a_renamed_parent(engine: StackEngine, world: World, stack: StackRef):
    def program(name, *aliases):
        def declare():
            group = Group(name, opts=ResourceOptions(aliases=list(aliases)))
            Thing(f"{name}-child", opts=ResourceOptions(parent=group))

        return declare

    engine.up(stack, program("old"))
    result = engine.up(stack, program("new", Alias(name="old")))

    assert result.changes == {"same": 3}
    assert recorded(engine, stack) == ["new", "new-child"]
    assert state(engine, stack, "new-child")["parent"] == state(engine, stack, "new")["urn"]


def test_a_resource_may_move_under_a_parent(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a") and None)

    def program():
        group = Group("g")
        Thing("a", opts=ResourceOptions(parent=group, aliases=[Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))

    result = engine.up(stack, program)

    assert result.changes == {"create": 1, "same": 2}
    assert world.names == ["a"]


def test_explicit_dependencies_are_waited_for_and_recorded(
    engine: StackEngine, world: World, stack: StackRef
):
    def program():
        a = Thing("a")
        group = Group("g")
        inner = Thing("inner", opts=ResourceOptions(parent=group, depends_on=[a]))
        Thing("b", opts=ResourceOptions(depends_on=[group, inner]))

    engine.up(stack, program)

    assert world.called("create") == ["a", "inner", "b"]
    assert state(engine, stack, "a")["urn"] in state(engine, stack, "inner")["dependencies"]
    assert state(engine, stack, "inner")["urn"] in state(engine, stack, "b")["dependencies"]
    order = [name_of(item) for item in states(engine, stack)]
    assert order.index("a") < order.index("inner") < order.index("b")


def test_timeouts_reach_the_provider_in_seconds(engine: StackEngine, world: World, stack: StackRef):
    timeouts = {"custom_timeouts": CustomTimeouts(create="5m", update="30s", delete="1h", read="2m")}
    engine.up(stack, declaring(("a", {"value": 1}, timeouts)))
    engine.up(stack, declaring(("a", {"value": 2}, timeouts)))
    recorded_timeouts = state(engine, stack, "a")["customTimeouts"]
    engine.refresh(stack)
    engine.destroy(stack)

    made = world.calls("create", "update", "read", "delete")
    assert [(call["call"], call["timeout"]) for call in made] == [
        ("create", 300),
        ("update", 30),
        ("read", 120),
        ("delete", 3600),
    ]
    assert recorded_timeouts == {"create": 300, "update": 30, "delete": 3600, "read": 120}


def test_protection_and_retention_are_inherited_from_the_parent(
    engine: StackEngine, world: World, stack: StackRef
):
    def program():
        group = Group("g", opts=ResourceOptions(protect=True, retain_on_delete=True))
        Thing("a", opts=ResourceOptions(parent=group))

    engine.up(stack, program)

    child = state(engine, stack, "a")
    assert child["protect"] is True
    assert child["retainOnDelete"] is True
