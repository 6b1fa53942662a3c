"""Targets, excludes and forced replacements: what an operation touches, and what it leaves as it is."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Engine, Options, StackRef, UpdateFailed
from engine.state import ResourceState
from engine.targets import Patterns, Targets
from tests.engine import states
from tests.engine.fake import FakeCloud, Group, Thing, World

PREFIX = "urn:pulumi:dev::proj::fake:index:Thing::"


def urn(name: str) -> str:
    """Return the URN of a thing without a parent."""
    return PREFIX + name


def things(*names: str, **sizes: int) -> Any:
    """Return a program with independent resources, some of them with a size."""

    def program() -> None:
        for name in (*names, *sizes):
            Thing(name, **({"size": sizes[name]} if name in sizes else {}))

    return program


def chain(size: int, *, first: bool = True) -> Any:
    """Return a program in which `c` needs `b` and `b` needs `a`, all of the same size."""

    def program() -> None:
        a = Thing("a", size=size) if first else None
        b = Thing("b", size=size, **({"of": a.id} if a else {}))
        Thing("c", size=size, of=b.id)

    return program


def sizes(world: World) -> dict[str, Any]:
    """Return the sizes of what exists, by name."""
    return {item["name"]: item["size"] for item in world.resources.values()}


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        pytest.param(urn("a"), True, id="the URN"),
        pytest.param(urn("b"), False, id="another URN"),
        pytest.param(PREFIX + "*", True, id="a name"),
        pytest.param("urn:pulumi:*::fake:index:Thing::a", False, id="one star stops at colons"),
        pytest.param("urn:pulumi:**::a", True, id="two stars do not"),
        pytest.param("**", True, id="everything"),
        pytest.param("*Thing::a", False, id="not in the middle"),
        pytest.param("**Thing::.", False, id="a dot is a dot"),
    ],
)
def test_patterns_match_as_those_of_the_cli_do(pattern: str, matched: bool) -> None:
    assert Patterns([pattern]).match(urn("a")) is matched


def test_only_targets_are_updated(engine: Engine, stack: StackRef, world: World, root: Path) -> None:
    engine.up(stack, things(a=1, b=1))
    before = states.named(root, stack, "b")

    result = engine.up(stack, things(a=2, b=2), options=Options(targets=(urn("a"),)))

    assert result.changes == {"same": 2, "update": 1}
    assert sizes(world) == {"a": 2, "b": 1}
    assert states.named(root, stack, "b") == before
    states.assert_sound(root, stack)


def test_a_preview_announces_what_a_targeted_update_then_does(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, things("gone", a=1, b=1))
    options = Options(targets=(urn("a"), urn("gone")))

    preview = engine.preview(stack, things(a=2, b=2), options=options)

    assert preview.changes == {"same": 2, "update": 1, "delete": 1}
    assert engine.up(stack, things(a=2, b=2), options=options).changes == preview.changes


def test_an_untargeted_new_resource_is_not_created_and_its_outputs_stay_unknown(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    seen: list[str] = []

    def program() -> None:
        Thing("a")
        Thing("b").name.apply(seen.append)

    result = engine.up(stack, program, options=Options(targets=(urn("a"),)))

    assert world.names("create") == ["a"]
    assert result.changes == {"create": 2, "same": 1}
    assert seen == []
    assert "b" not in states.names(root, stack)


def test_a_target_that_needs_an_untargeted_new_resource_fails(
    engine: Engine, stack: StackRef, world: World
) -> None:
    options = Options(targets=(urn("c"),))

    with pytest.raises(UpdateFailed, match=r"depends on .*::b' which was not specified in --target list"):
        engine.up(stack, chain(1), options=options)
    with pytest.raises(UpdateFailed, match="which was not specified in --target list"):
        engine.preview(stack, chain(1), options=options)

    assert world.names("create") == []


def test_what_a_target_needs_is_recorded_before_it(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    """The untargeted `b` needs `a`, which the program no longer has; `a` is no target and has to stay."""
    engine.up(stack, chain(1))

    result = engine.up(stack, chain(2, first=False), options=Options(targets=(urn("c"),)))

    assert sizes(world) == {"a": 1, "b": 1, "c": 2}
    assert result.changes == {"same": 2, "update": 1}
    states.assert_sound(root, stack)
    assert engine.up(stack, chain(2)).changes == {"same": 2, "update": 2}


def test_dependents_of_targets_come_along_when_asked_for(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, chain(1))

    engine.up(stack, chain(2), options=Options(targets=(urn("b"),), target_dependents=True))

    assert sizes(world) == {"a": 1, "b": 2, "c": 2}


def test_excluded_resources_stay_as_they_are(engine: Engine, stack: StackRef, world: World) -> None:
    engine.up(stack, things("old", a=1, b=1))

    engine.up(stack, things(a=2, b=2), options=Options(excludes=(urn("b"), urn("old"))))

    assert {item["name"]: item.get("size") for item in world.resources.values()} == {
        "old": None,
        "a": 2,
        "b": 1,
    }


def test_excluded_dependents_stay_too_when_asked_for(engine: Engine, stack: StackRef, world: World) -> None:
    engine.up(stack, chain(1))

    engine.up(stack, chain(2), options=Options(excludes=(urn("b"),), exclude_dependents=True))

    assert sizes(world) == {"a": 2, "b": 1, "c": 1}


def test_what_an_excluded_resource_needs_is_not_deleted(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, chain(1))

    engine.destroy(stack, options=Options(excludes=(urn("b"),)))

    assert sizes(world) == {"a": 1, "b": 1}


def test_an_unknown_target_fails_after_the_run(engine: Engine, stack: StackRef, world: World) -> None:
    with pytest.raises(UpdateFailed, match=r"::none' could not be found in the stack"):
        engine.up(stack, things("a"), options=Options(targets=(urn("a"), urn("none"))))

    assert world.names("create") == ["a"]


def test_an_unknown_target_fails_a_destroy_before_anything_is_deleted(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, things("a"))

    with pytest.raises(UpdateFailed, match=r"::none' could not be found in the stack"):
        engine.destroy(stack, options=Options(targets=(urn("a"), urn("none"))))

    assert world.names("delete") == []


def test_outputs_of_what_was_not_created_are_told_as_unknown(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        Thing("a")
        pulumi.export("id", Thing("b").id)

    result = engine.up(stack, program, options=Options(targets=(urn("a"),)))

    assert result.outputs == engine.outputs(stack).values == {"id": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}


def test_an_unknown_replacement_fails_before_the_run(engine: Engine, stack: StackRef, world: World) -> None:
    with pytest.raises(UpdateFailed, match="could not be found"):
        engine.up(stack, things("a"), options=Options(replace=(urn("a"),)))

    assert world.calls == []


def test_deletes_are_limited_to_targets(engine: Engine, stack: StackRef, world: World, root: Path) -> None:
    engine.up(stack, things("a", "b", "c"))

    result = engine.up(stack, things("a"), options=Options(targets=(urn("b"),)))

    assert result.changes == {"same": 2, "delete": 1}
    assert states.names(root, stack) == ["proj-dev", "default", "a", "c"]


def test_a_targeted_destroy_refuses_to_delete_dependents_unasked(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, chain(1))

    with pytest.raises(UpdateFailed, match="pass --target-dependents"):
        engine.destroy(stack, options=Options(targets=(urn("b"),)))
    assert world.names("delete") == []

    engine.destroy(stack, options=Options(targets=(urn("b"),), target_dependents=True))
    assert sizes(world) == {"a": 1}


def test_a_target_that_an_untargeted_resource_needs_stays_and_fails(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, chain(1))

    with pytest.raises(UpdateFailed, match="it was not deleted: what is left out needs it"):
        engine.up(stack, chain(2, first=False), options=Options(targets=(urn("a"),)))

    assert sizes(world) == {"a": 1, "b": 1, "c": 1}
    states.assert_sound(root, stack)


def test_a_refresh_reads_targets_only(engine: Engine, stack: StackRef, world: World) -> None:
    engine.up(stack, things("a", "b"))
    world.resources.clear()

    result = engine.refresh(stack, options=Options(targets=(urn("a"),)))

    assert world.names("read") == ["a"]
    assert result.changes == {"delete": 1}
    with pytest.raises(UpdateFailed, match="could not be found"):
        engine.refresh(stack, options=Options(targets=(urn("a"),)))


def test_a_forced_replacement_replaces_what_did_not_change(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, things(a=1, b=1))

    result = engine.up(stack, things(a=1, b=2), options=Options(replace=(PREFIX + "a*",)))

    assert result.changes == {"same": 1, "replace": 1, "update": 1}
    assert [step.keys for step in result.steps if step.op == "replace"] == [("id",)]


def test_a_component_can_be_replaced_by_force(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, lambda: Group("g"))

    result = engine.up(
        stack, lambda: Group("g"), options=Options(replace=("urn:pulumi:dev::proj::fake:index:Group::g",))
    )

    assert result.changes == {"same": 1, "replace": 1}


def test_children_of_an_untargeted_component_can_be_targets(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program(size: int) -> Any:
        def run() -> None:
            group = Group("g", outputs={"size": size})
            Thing("a", pulumi.ResourceOptions(parent=group), size=size)

        return run

    engine.up(stack, program(1))
    engine.up(stack, program(2), options=Options(targets=("**$fake:index:Thing::a",)))

    assert sizes(world) == {"a": 2}
    states.assert_sound(root, stack)


def test_providers_are_always_included(engine: Engine, stack: StackRef, world: World) -> None:
    def program(region: str) -> Any:
        def run() -> None:
            cloud = FakeCloud("cloud", note=region)
            Thing("a", pulumi.ResourceOptions(provider=cloud))
            Thing("b", pulumi.ResourceOptions(provider=cloud))

        return run

    engine.up(stack, program("x"))
    result = engine.up(stack, program("y"), options=Options(targets=(urn("a"),)))

    assert result.changes == {"same": 3, "update": 1}
    assert world.configs[-1] == {"note": "y"}


def test_targets_without_any_cover_everything() -> None:
    state = ResourceState(urn=urn("a"), custom=True, type="fake:index:Thing")

    assert Targets(Options()).covers(state)
    assert not Targets(Options(targets=(urn("b"),))).covers(state)
