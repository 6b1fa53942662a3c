"""Refreshing before an update, preview or destroy; reasons that reads give; how a refresh is reported."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import DiffKind, Engine, EngineError, Options, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import Group, Thing, World

REFRESH = Options(refresh=True)


def things(**sizes: int) -> Any:
    """Return a program with independent resources of these sizes."""

    def program() -> None:
        for name, size in sizes.items():
            Thing(name, size=size)

    return program


def test_an_update_with_refresh_repairs_drift(engine: Engine, stack: StackRef, world: World) -> None:
    engine.up(stack, things(a=1, b=1))
    world.named("a")["size"] = 7
    world.lose("b")

    assert engine.up(stack, things(a=1, b=1)).changes == {"same": 3}
    preview = engine.preview(stack, things(a=1, b=1), options=REFRESH)
    result = engine.up(stack, things(a=1, b=1), options=REFRESH)

    assert preview.changes == result.changes == {"same": 1, "update": 1, "create": 1}
    assert {item["name"]: item["size"] for item in world.resources.values()} == {"a": 1, "b": 1}


def test_refresh_steps_are_told_apart_from_what_follows(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, things(a=1))
    world.named("a")["size"] = 7

    result = engine.up(stack, things(a=1), options=REFRESH)

    steps = [step for step in result.steps if step.urn.endswith("::a")]
    assert [(step.op, step.diffs) for step in steps] == [("refresh", ("size",)), ("update", ("size",))]
    assert steps[0].old_inputs == {"size": 1}
    assert steps[0].new_inputs == {"size": 7}


def test_a_preview_with_refresh_stores_nothing(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a=1))
    before = states.checkpoint_file(root, stack).read_bytes()
    world.resources.clear()

    assert engine.preview(stack, things(a=1), options=REFRESH).changes == {"same": 1, "create": 1}

    assert states.checkpoint_file(root, stack).read_bytes() == before


def test_a_destroy_with_refresh_deletes_only_what_is_still_there(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, things(a=1, b=1))
    world.lose("a")

    engine.destroy(stack, options=REFRESH)

    assert world.names("delete") == ["b"]


def test_a_refresh_that_fails_stops_the_update_but_no_other_read(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a=1, b=1))
    world.named("b")["size"] = 7
    world.fail("read", "a")

    with pytest.raises(UpdateFailed, match="it broke"):
        engine.up(stack, things(a=1, b=1), options=REFRESH)

    assert world.names("update") == []
    assert states.named(root, stack, "b")["inputs"] == {"size": 7}


def test_reasons_of_a_read_are_recorded_told_and_make_the_next_update_try_again(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a=1))
    world.unready["a"] = ("no endpoints", "image missing")
    events: list[dict[str, Any]] = []

    result = engine.refresh(stack, on_event=events.append)

    assert result.changes == {"same": 2}
    recorded = states.named(root, stack, "a")
    assert recorded["initErrors"] == ["no endpoints", "image missing"]
    assert recorded["modified"] == recorded["created"]
    [warning] = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
    assert warning["severity"] == "warning"
    assert warning["message"].endswith("\n* no endpoints\n* image missing")

    assert engine.up(stack, things(a=1)).changes == {"same": 1, "update": 1}
    assert "initErrors" not in states.named(root, stack, "a")


def test_a_refresh_that_finds_a_resource_ready_clears_its_reasons(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a=1))
    world.unready["a"] = ("no endpoints",)
    engine.refresh(stack)

    world.unready.clear()
    engine.refresh(stack)

    assert "initErrors" not in states.named(root, stack, "a")
    assert engine.up(stack, things(a=1)).changes == {"same": 2}


def test_a_resource_that_is_only_read_and_not_ready_fails_the_update(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.resources["x-0"] = {"name": "x"}
    world.unready["x"] = ("no endpoints",)

    with pytest.raises(UpdateFailed, match="no endpoints"):
        engine.up(stack, lambda: Thing("x", pulumi.ResourceOptions(id="x-0")))

    assert states.named(root, stack, "x")["initErrors"] == ["no endpoints"]


def test_a_refresh_tells_differences_from_the_side_of_what_is(
    engine: Engine, stack: StackRef, world: World
) -> None:
    """What somebody added is an addition, though an update back to the program would delete it."""
    engine.up(stack, things(a=1))
    world.named("a")["more"] = 1
    world.detailed = True

    [step] = [step for step in engine.refresh(stack).steps if step.urn.endswith("::a")]

    assert step.op == "update"
    assert {path: diff.kind for path, diff in step.detailed.items()} == {"more": DiffKind.ADD}


def test_a_refresh_announces_components_too(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, lambda: Group("g"))
    events: list[dict[str, Any]] = []

    engine.refresh(stack, on_event=events.append)

    for kind in ("resourcePreEvent", "resOutputsEvent"):
        urns = [event[kind]["metadata"]["urn"].rsplit("::", 1)[-1] for event in events if kind in event]
        assert sorted(urns) == ["g", "proj-dev"]


def test_refresh_and_destroy_can_be_asked_what_they_would_do(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a=1, b=1))
    world.lose("b")
    before = sorted(path for path in root.rglob("*") if path.is_file())
    content = states.checkpoint_file(root, stack).read_bytes()
    asked = Options(preview_only=True)

    refresh = engine.refresh(stack, options=asked)
    destroy = engine.destroy(stack, options=asked)

    assert refresh.changes == {"same": 2, "delete": 1}
    assert destroy.changes == {"delete": 3}
    assert world.names("delete") == []
    assert sorted(path for path in root.rglob("*") if path.is_file()) == before
    assert states.checkpoint_file(root, stack).read_bytes() == content


def test_an_update_that_is_to_change_nothing_is_refused(
    engine: Engine, stack: StackRef, world: World
) -> None:
    with pytest.raises(EngineError, match="call preview"):
        engine.up(stack, things(a=1), options=Options(preview_only=True))

    assert world.calls == []
