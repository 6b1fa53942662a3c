"""What a killed engine leaves behind, and how the next goes on: lock, pending operations, old halves."""

from pathlib import Path

import pytest

from engine import ConcurrentUpdateError, StackRef
from engine.protocol import StackEngine
from tests.contract import programs
from tests.contract.crashing import crash
from tests.contract.engines import name_of, pending, recorded, states
from tests.contract.world import World

PROGRAMS = programs.__name__


def test_a_killed_create_stays_pending_until_it_is_cleared(
    kind: str, engine: StackEngine, root: Path, world: World, stack: StackRef
):
    crash(kind, root, world, f"{PROGRAMS}:two", during=("create", "b"))

    assert recorded(engine, stack) == ["a"]
    assert pending(engine, stack) == [("creating", "b")]
    with pytest.raises(ConcurrentUpdateError):
        engine.up(stack, programs.two)
    assert engine.cancel(stack) == 1

    events: list[dict] = []
    result = engine.up(stack, programs.two, on_event=events.append)

    assert result.changes == {"same": 2, "create": 1}
    assert any(
        "pending operations" in event.get("diagnosticEvent", {}).get("message", "") for event in events
    )
    assert pending(engine, stack) == [("creating", "b")]
    engine.refresh(stack, clear_pending_creates=True)
    assert pending(engine, stack) == []
    assert engine.up(stack, programs.two).changes == {"same": 3}
    assert world.names == ["a", "b"]


def test_a_killed_update_is_done_by_the_next(
    kind: str, engine: StackEngine, root: Path, world: World, stack: StackRef
):
    engine.up(stack, programs.two)
    crash(kind, root, world, f"{PROGRAMS}:two_changed", during=("update", "a"))
    assert pending(engine, stack) == [("updating", "a")]
    engine.cancel(stack)

    result = engine.up(stack, programs.two_changed)

    assert result.changes == {"same": 2, "update": 1}
    assert pending(engine, stack) == []
    assert {outputs["name"]: outputs.get("value") for outputs in world.resources.values()} == {
        "a": 2,
        "b": None,
    }


def test_a_killed_delete_is_done_by_the_next(
    kind: str, engine: StackEngine, root: Path, world: World, stack: StackRef
):
    engine.up(stack, programs.two)
    crash(kind, root, world, f"{PROGRAMS}:nothing", during=("delete", "b"))
    assert pending(engine, stack) == [("deleting", "b")]
    engine.cancel(stack)

    engine.up(stack, programs.nothing)

    assert recorded(engine, stack) == world.names == []
    assert pending(engine, stack) == []


def test_the_old_half_of_a_killed_replacement_is_deleted_by_the_next(
    kind: str, engine: StackEngine, root: Path, world: World, stack: StackRef
):
    engine.up(stack, programs.replaced)
    crash(kind, root, world, f"{PROGRAMS}:replaced_anew", during=("delete", "a"))
    halves = [bool(item.get("delete")) for item in states(engine, stack) if name_of(item) == "a"]
    assert halves == [False, True]
    engine.cancel(stack)

    engine.up(stack, programs.replaced_anew)

    assert recorded(engine, stack) == ["a"]
    assert [outputs["forced"] for outputs in world.resources.values()] == [2]
