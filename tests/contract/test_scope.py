"""Operations on a part of a stack: targets, excludes, forced replacements."""

import pytest
from pulumi import ResourceOptions

from engine import StackRef, UpdateFailed
from engine.options import Options
from engine.protocol import StackEngine
from tests.contract.engines import recorded, state, urn
from tests.contract.resources import Thing
from tests.contract.world import World


def three(value):
    """`b` depends on `a`; `c` stands alone."""

    def program():
        a = Thing("a", value=value)
        Thing("b", value=value, opts=ResourceOptions(depends_on=[a]))
        Thing("c", value=value)

    return program


def values(world: World) -> dict[str, int]:
    return {outputs["name"]: outputs["value"] for outputs in world.resources.values()}


def test_only_targets_are_updated(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))

    result = engine.up(stack, three(2), options=Options(targets=(urn(stack, "a"),)))

    assert result.changes["update"] == 1
    assert values(world) == {"a": 2, "b": 1, "c": 1}
    assert state(engine, stack, "c")["inputs"] == {"value": 1}


def test_targets_may_bring_their_dependents_along(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))

    engine.up(stack, three(2), options=Options(targets=(urn(stack, "a"),), target_dependents=True))

    assert values(world) == {"a": 2, "b": 2, "c": 1}


def test_targets_may_be_patterns(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))

    engine.up(stack, three(2), options=Options(targets=("**::b", "**::c")))

    assert values(world) == {"a": 1, "b": 2, "c": 2}


def test_what_is_no_target_is_not_created(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1), options=Options(targets=(urn(stack, "c"),)))

    assert recorded(engine, stack) == world.names == ["c"]


def test_excluded_resources_stay_as_they_are(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))

    engine.up(stack, three(2), options=Options(excludes=(urn(stack, "c"),)))

    assert values(world) == {"a": 2, "b": 2, "c": 1}


def test_what_depends_on_excluded_resources_may_be_left_as_it_is_too(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, three(1))
    only_a = (urn(stack, "a"),)

    engine.up(stack, three(2), options=Options(excludes=only_a, exclude_dependents=True))
    assert values(world) == {"a": 1, "b": 1, "c": 2}
    engine.up(stack, three(3), options=Options(excludes=only_a))
    assert values(world) == {"a": 1, "b": 3, "c": 3}


def test_what_is_no_target_is_not_deleted(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))

    engine.up(stack, lambda: None, options=Options(targets=(urn(stack, "c"),)))

    assert recorded(engine, stack) == world.names == ["a", "b"]


def test_a_resource_can_be_made_to_be_replaced(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))
    before = state(engine, stack, "c")["id"]

    result = engine.up(stack, three(1), options=Options(replace=(urn(stack, "c"),)))

    assert result.changes == {"same": 3, "replace": 1}
    assert state(engine, stack, "c")["id"] != before
    assert world.names == ["a", "b", "c"]


def test_only_targets_are_destroyed(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))

    engine.destroy(stack, options=Options(targets=(urn(stack, "c"),)))

    assert recorded(engine, stack) == world.names == ["a", "b"]


def test_a_target_with_dependents_is_destroyed_only_with_them(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, three(1))
    target = (urn(stack, "a"),)
    with pytest.raises(UpdateFailed):
        engine.destroy(stack, options=Options(targets=target))
    assert world.names == ["a", "b", "c"]

    engine.destroy(stack, options=Options(targets=target, target_dependents=True))

    assert recorded(engine, stack) == world.names == ["c"]


def test_excluded_resources_are_not_destroyed(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))

    engine.destroy(stack, options=Options(excludes=(urn(stack, "a"),)))

    assert recorded(engine, stack) == world.names == ["a"]


def test_only_targets_are_refreshed(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))
    world.edit("a", value=7)
    world.edit("c", value=7)

    engine.refresh(stack, options=Options(targets=(urn(stack, "c"),)))

    assert state(engine, stack, "a")["outputs"]["value"] == 1
    assert state(engine, stack, "c")["outputs"]["value"] == 7


def test_a_target_that_does_not_exist_fails(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, three(1))

    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, three(2), options=Options(targets=(urn(stack, "nobody"),)))

    assert any("nobody" in text for text in caught.value.diagnostics)
    assert values(world) == {"a": 1, "b": 1, "c": 1}
