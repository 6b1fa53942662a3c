"""Resource options: each does what Pulumi's documentation says, and is recorded."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Engine, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import Group, Thing, World

Options = pulumi.ResourceOptions


def one(opts: Options | None = None, **props: Any) -> Any:
    """Return a program with one resource, `a`."""
    return lambda: Thing("a", opts, **props)


def nothing() -> None:
    """Be a program without resources."""


def existing(world: World) -> set[str]:
    """Return the names of what exists."""
    return {id_.rsplit("-", 1)[0] for id_ in world.resources}


def test_a_protected_resource_stays_with_what_it_needs_while_others_are_deleted(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program(protect: bool) -> Any:
        def run() -> None:
            base = Thing("base")
            Thing("safe", Options(protect=protect), of=base.id)
            Thing("other")

        return run

    engine.up(stack, program(True))
    with pytest.raises(UpdateFailed, match="Thing::safe' cannot be deleted because it is protected"):
        engine.up(stack, nothing)
    assert existing(world) == {"base", "safe"}
    states.assert_sound(root, stack)

    engine.up(stack, program(False))
    engine.up(stack, nothing)
    assert existing(world) == set()


def test_a_protected_resource_is_not_replaced(engine: Engine, stack: StackRef, world: World) -> None:
    engine.up(stack, one(Options(protect=True), forced=1))

    with pytest.raises(UpdateFailed, match="unable to replace resource"):
        engine.up(stack, one(Options(protect=True), forced=2))

    assert list(world.resources) == ["a-1"]
    engine.up(stack, one(Options(protect=False), forced=2))
    assert list(world.resources) == ["a-2"]


def test_a_retained_resource_leaves_the_state_but_not_the_world(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, one(Options(retain_on_delete=True)))

    assert engine.up(stack, nothing).changes == {"same": 1, "delete": 1}

    assert existing(world) == {"a"}
    assert states.names(root, stack) == ["proj-dev"]


def test_retention_is_inherited_from_the_parent(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        group = Group("group", Options(retain_on_delete=True))
        Thing("a", Options(parent=group))

    engine.up(stack, program)
    engine.destroy(stack)

    assert existing(world) == {"a"}


def test_what_is_deleted_with_another_needs_no_call(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        cluster = Thing("cluster")
        Thing("inside", Options(deleted_with=cluster))

    engine.up(stack, program)

    assert engine.destroy(stack).changes == {"delete": 3}
    assert world.names("delete") == ["cluster"]


def test_what_is_deleted_with_another_is_replaced_with_it(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program(version: int) -> Any:
        def run() -> None:
            cluster = Thing("cluster", forced=version)
            Thing("inside", Options(deleted_with=cluster))

        return run

    engine.up(stack, program(1))

    assert engine.up(stack, program(2)).changes == {"same": 1, "replace": 2}


def test_a_resource_is_replaced_with_the_one_it_names(engine: Engine, stack: StackRef, root: Path) -> None:
    def program(version: int) -> Any:
        def run() -> None:
            cluster = Thing("cluster", forced=version)
            Thing("inside", Options(replace_with=[cluster]))

        return run

    engine.up(stack, program(1))
    assert engine.up(stack, program(2)).changes == {"same": 1, "replace": 2}

    document = states.json.loads(states.checkpoint_file(root, stack).read_text())
    assert (document["version"], document["features"]) == (4, ["replaceWith"])


def test_a_changed_trigger_replaces(engine: Engine, stack: StackRef, world: World) -> None:
    engine.up(stack, one(Options(replacement_trigger="one")))
    assert engine.up(stack, one(Options(replacement_trigger="one"))).changes == {"same": 2}

    assert engine.up(stack, one(Options(replacement_trigger="two"))).changes == {"same": 1, "replace": 1}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        pytest.param("size", {"size": 2, "data": {"x": 1, "y": [1, 2]}}, id="a property"),
        pytest.param("data.x", {"size": 1, "data": {"x": 2, "y": [1, 2]}}, id="below an object"),
        pytest.param("data.y[1]", {"size": 1, "data": {"x": 1, "y": [1, 3]}}, id="an item"),
        pytest.param('data["x"]', {"size": 1, "data": {"x": 2, "y": [1, 2]}}, id="quoted"),
        pytest.param("data.*", {"size": 1, "data": {"x": 2, "y": []}}, id="all of an object"),
        pytest.param("size", {"data": {"x": 1, "y": [1, 2]}}, id="a removed property"),
        pytest.param("added", {"size": 1, "data": {"x": 1, "y": [1, 2]}, "added": 1}, id="an added property"),
    ],
)
def test_ignored_changes_are_no_changes(
    engine: Engine, stack: StackRef, root: Path, path: str, changed: dict[str, Any]
) -> None:
    original = {"size": 1, "data": {"x": 1, "y": [1, 2]}}
    engine.up(stack, one(**original))

    result = engine.up(stack, one(Options(ignore_changes=[path]), **changed))

    assert result.changes == {"same": 2}
    assert states.named(root, stack, "a")["inputs"] == original
    assert engine.up(stack, one(**changed)).changes == {"same": 1, "update": 1}


@pytest.mark.parametrize("path", ["size", "*"])
def test_changes_replace_where_the_program_says_so(
    engine: Engine, stack: StackRef, world: World, path: str
) -> None:
    opts = Options(replace_on_changes=[path])
    engine.up(stack, one(opts, size=1, other=1))

    assert engine.up(stack, one(opts, size=2, other=1)).changes == {"same": 1, "replace": 1}
    expected = {"same": 1, "replace": 1} if path == "*" else {"same": 1, "update": 1}
    assert engine.up(stack, one(opts, size=2, other=2)).changes == expected


def test_timeouts_reach_the_provider_in_seconds(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    timeouts = pulumi.CustomTimeouts(create="1h30m", delete="500ms", read="90s")

    engine.up(stack, one(Options(custom_timeouts=timeouts)))
    engine.refresh(stack)

    assert world.timeouts["create", "a"] == 5400
    assert world.timeouts["read", "a"] == 90
    assert states.named(root, stack, "a")["customTimeouts"] == {"create": 5400, "delete": 0.5, "read": 90}


def test_dependencies_are_recorded(engine: Engine, stack: StackRef, root: Path) -> None:
    def program() -> None:
        first, second = Thing("first"), Thing("second")
        Thing("a", Options(depends_on=[first]), of=second.id, plain=1)

    engine.up(stack, program)

    prefix = "urn:pulumi:dev::proj::fake:index:Thing::"
    recorded = states.named(root, stack, "a")
    assert recorded["dependencies"] == [f"{prefix}first", f"{prefix}second"]
    assert recorded["propertyDependencies"] == {"of": [f"{prefix}second"], "plain": []}


@pytest.mark.parametrize(
    "alias",
    [
        pytest.param(pulumi.Alias(name="old"), id="by name"),
        pytest.param("urn:pulumi:dev::proj::fake:index:Thing::old", id="by URN"),
    ],
)
def test_a_renamed_resource_stays_the_same(
    engine: Engine, stack: StackRef, world: World, root: Path, alias: Any
) -> None:
    def before() -> None:
        old = Thing("old", size=1)
        Thing("user", of=old.id)

    def after() -> None:
        new = Thing("new", Options(aliases=[alias]), size=1)
        Thing("user", of=new.id)

    engine.up(stack, before)

    result = engine.up(stack, after)

    assert result.changes == {"same": 3}
    assert set(world.resources) == {"old-1", "user-2"}
    assert "old" not in states.names(root, stack)
    states.assert_sound(root, stack)


def test_children_follow_their_renamed_parent(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program(name: str, opts: Options | None = None) -> Any:
        def run() -> None:
            group = Group(name, opts)
            Thing(f"{name}-child", Options(parent=group))
            Thing("other-child", Options(parent=group))

        return run

    engine.up(stack, program("c"))

    result = engine.up(stack, program("cnew", Options(aliases=[pulumi.Alias(name="c")])))

    assert result.changes == {"same": 4}
    assert {"cnew", "cnew-child", "other-child"} <= set(states.names(root, stack))
    assert existing(world) == {"c-child", "other-child"}


def test_a_resource_that_moves_under_a_parent_stays_the_same(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    engine.up(stack, one())

    def program() -> None:
        group = Group("group")
        Thing("a", Options(parent=group, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))

    assert engine.up(stack, program).changes == {"same": 2, "create": 1}


def test_references_to_a_renamed_resource_are_rewritten_even_if_the_run_fails(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def before() -> None:
        old = Thing("old")
        Thing("user", of=old.id)

    def after() -> None:
        Thing("new", Options(aliases=[pulumi.Alias(name="old")]))
        raise RuntimeError("stop here")

    engine.up(stack, before)
    with pytest.raises(UpdateFailed):
        engine.up(stack, after)

    prefix = "urn:pulumi:dev::proj::fake:index:Thing::"
    assert states.named(root, stack, "user")["dependencies"] == [f"{prefix}new"]
    states.assert_sound(root, stack)


def test_protection_and_companionship_are_inherited_from_the_parent(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    def program() -> None:
        host = Thing("host")
        group = Group("g", Options(protect=True, deleted_with=host))
        Thing("a", Options(parent=group))
        Thing("b", Options(parent=group, protect=False))

    engine.up(stack, program)

    a, b = states.named(root, stack, "a"), states.named(root, stack, "b")
    assert (a["protect"], a["deletedWith"].split("::")[-1]) == (True, "host")
    assert "protect" not in b


def test_a_retained_resource_that_is_replaced_stays_in_the_world(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, one(Options(retain_on_delete=True), forced=1))

    engine.up(stack, one(Options(retain_on_delete=True), forced=2))

    assert list(world.resources) == ["a-1", "a-2"]
    assert states.names(root, stack).count("a") == 1


def test_a_protected_dependent_prevents_deleting_first(engine: Engine, stack: StackRef, world: World) -> None:
    def program(first: int) -> Any:
        def run() -> None:
            base = Thing("base", first=first)
            Thing("safe", Options(protect=True), forced=base.id)

        return run

    engine.up(stack, program(1))
    with pytest.raises(UpdateFailed, match=r"as part of replacing .*: it is protected"):
        engine.up(stack, program(2))

    assert world.names("delete") == []


def test_a_preview_shows_the_replacement_that_protection_forbids(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program(forced: int) -> Any:
        def run() -> None:
            Thing("a", Options(protect=True), forced=forced)
            Thing("b", Options(protect=True), forced=forced)

        return run

    engine.up(stack, program(1))
    events: list[dict[str, Any]] = []
    with pytest.raises(UpdateFailed) as failure:
        engine.preview(stack, program(2), on_event=events.append)

    assert len(failure.value.diagnostics) == 2
    [summary] = [event["summaryEvent"] for event in events if "summaryEvent" in event]
    assert summary["resourceChanges"] == {"same": 1, "replace": 2}


def test_a_tainted_resource_is_replaced_and_the_mark_is_gone(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, one())
    deployment = engine.export(stack)
    [thing] = [item for item in deployment["deployment"]["resources"] if item["urn"].endswith("::a")]
    thing["taint"] = True
    engine.import_deployment(stack, {**deployment, "version": 4, "features": ["taint"]})

    assert engine.up(stack, one()).changes == {"same": 1, "replace": 1}
    assert "taint" not in states.named(root, stack, "a")
    assert engine.up(stack, one()).changes == {"same": 2}


def test_an_alias_is_claimed_once(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        Thing("x", Options(aliases=[pulumi.Alias(name="a")]))
        Thing("y", Options(aliases=[pulumi.Alias(name="a")]))

    engine.up(stack, one())

    assert engine.up(stack, program).changes == {"same": 2, "create": 1}
    assert len(world.resources) == 2
    assert world.names("delete") == []


def test_a_resource_that_had_no_parent_is_found_by_an_alias_that_says_so(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def moved() -> None:
        Thing("a", Options(parent=Group("g"), aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))

    engine.up(stack, one())

    assert engine.up(stack, moved).changes == {"same": 2, "create": 1}


def test_an_unready_resource_is_replaced_where_the_program_says_so(
    engine: Engine, stack: StackRef, world: World
) -> None:
    world.fail_partially("create", "a")
    program = one(Options(replace_on_changes=["*"]))
    with pytest.raises(UpdateFailed):
        engine.up(stack, program)
    world.heal()

    result = engine.up(stack, program)

    assert result.changes == {"same": 1, "replace": 1}
    assert [step.keys for step in result.steps if step.op == "replace"] == [("#initerror",)]


def test_a_component_is_replaced_with_the_resource_it_names(engine: Engine, stack: StackRef) -> None:
    def program(forced: int) -> Any:
        def run() -> None:
            Group("g", Options(replace_with=[Thing("a", forced=forced)]))

        return run

    engine.up(stack, program(1))

    assert engine.up(stack, program(2)).changes == {"same": 1, "replace": 2}


def test_what_an_alias_takes_over_cannot_be_registered_as_well(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    """Both would go on with the one recorded object: two records of it, or one taken from under the other."""

    def program() -> None:
        new = Thing("new", Options(aliases=[pulumi.Alias(name="old")]))
        Thing("old", Options(depends_on=[new]), size=3)

    engine.up(stack, lambda: Thing("old", size=1))

    with pytest.raises(UpdateFailed, match="::new' takes over what is recorded there, by an alias"):
        engine.up(stack, program)

    assert len(world.resources) == 1
    assert [item["id"] for item in states.resources(root, stack)[2:]] == list(world.resources)
    states.assert_sound(root, stack)


def test_the_leftover_of_a_replacement_takes_nothing_along_that_is_in_the_new_one(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program(cluster: int, *, inside: bool) -> Any:
        def run() -> None:
            host = Thing("cluster", forced=cluster)
            if inside:
                Thing("inside", Options(deleted_with=host))

        return run

    engine.up(stack, program(1, inside=True))
    world.fail("delete", "cluster")
    with pytest.raises(UpdateFailed):
        engine.up(stack, program(2, inside=True))
    world.heal()

    engine.up(stack, program(2, inside=False))

    assert world.names("delete").count("inside") == 1
    assert [item["forced"] for item in world.resources.values() if item["name"] == "cluster"] == [2]
