"""Previews say what an update would do and touch nothing; refreshes record what is."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Engine, StackNotFound, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import FakeCloud, Group, Thing, World

Options = pulumi.ResourceOptions


def chain(version: int = 1) -> Any:
    """Return a program where one resource needs another's id."""

    def program() -> None:
        first = Thing("first", size=version)
        Thing("second", Options(parent=Group("group")), of=first.id)
        pulumi.export("id", first.id)

    return program


def test_a_preview_of_a_new_stack_creates_nothing_at_all(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    result = engine.preview(stack, chain())

    assert result.changes == {"create": 4}
    assert world.resources == {}
    assert not root.exists()


def test_a_preview_counts_what_the_update_then_does(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program(version: int) -> Any:
        def run() -> None:
            base = Thing("base", forced=version)
            Thing("user", of=base.id)
            Thing("size", size=version)
            if version == 1:
                Thing("old")

        return run

    engine.up(stack, program(1))
    before = states.checkpoint_file(root, stack).read_bytes()

    previewed = engine.preview(stack, program(2))

    assert previewed.changes == {"same": 1, "replace": 1, "update": 2, "delete": 1}
    assert states.checkpoint_file(root, stack).read_bytes() == before
    assert engine.up(stack, program(2)).changes == previewed.changes


def test_unknown_values_reach_the_provider_as_unknown_and_never_in_a_real_run(
    engine: Engine, stack: StackRef, world: World
) -> None:
    """The provider of the tests asserts that creates of a real run hold nothing unknown."""
    seen: list[Any] = []

    def program() -> None:
        first = Thing("first")
        first.id.apply(seen.append)
        Thing("second", of=first.id, computed=True)

    engine.preview(stack, program)
    assert seen == []

    engine.up(stack, program)
    assert seen == ["first-1"]


def test_a_preview_with_a_provider_that_is_not_configured_yet_supposes_creation(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program() -> None:
        first = Thing("first")
        cloud = FakeCloud("cloud", zone=first.id)
        Thing("a", Options(provider=cloud))

    assert engine.preview(stack, program).changes == {"create": 4}
    assert engine.up(stack, program).changes == {"create": 4}
    assert {"zone": "first-1"} in world.configs


def test_a_preview_takes_no_lock(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, chain())
    folder = root / ".pulumi/locks/organization/proj/dev"
    (folder / "somebody.json").write_text("{}")

    assert engine.preview(stack, chain()).changes == {"same": 4}


def test_a_preview_reports_refused_inputs(engine: Engine, stack: StackRef) -> None:
    with pytest.raises(UpdateFailed, match="it is not allowed"):
        engine.preview(stack, lambda: Thing("a", invalid=True))


def test_a_refresh_records_drift_and_the_next_update_corrects_it(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, chain())
    world.resources["first-1"] = {"size": 99, "name": "first"}

    result = engine.refresh(stack)

    assert result.changes == {"same": 3, "update": 1}
    assert states.named(root, stack, "first")["inputs"] == {"size": 99}
    assert result.outputs == {"id": "first-1"}

    assert engine.up(stack, chain()).changes == {"same": 3, "update": 1}
    assert world.resources["first-1"]["size"] == 1


def test_a_refresh_drops_what_is_gone_and_the_next_update_makes_it_again(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, chain())
    del world.resources["first-1"]

    result = engine.refresh(stack)

    assert result.changes == {"same": 3, "delete": 1}
    assert "first" not in states.names(root, stack)
    assert "dependencies" not in states.named(root, stack, "second")
    states.assert_sound(root, stack)
    assert engine.up(stack, chain()).changes == {"same": 2, "create": 1, "update": 1}


def test_a_refresh_without_drift_changes_nothing(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    before = engine.up(stack, chain())

    after = engine.refresh(stack)

    assert after.changes == {"same": 4}
    assert after.version == before.version


def test_a_failing_read_fails_the_refresh_and_keeps_the_entry(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, chain())
    world.fail("read", "first", "no route")

    with pytest.raises(UpdateFailed, match="no route"):
        engine.refresh(stack)

    assert "first" in states.names(root, stack)


def test_what_was_never_deployed_cannot_be_refreshed_or_destroyed(engine: Engine, stack: StackRef) -> None:
    for operation in (engine.refresh, engine.destroy, engine.resources, engine.export, engine.remove):
        with pytest.raises(StackNotFound, match="no stack named 'dev' found"):
            operation(stack)
