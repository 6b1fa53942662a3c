"""Stacks as a whole: versions, history, export and import, renaming, removal, locks."""

import json
import os
import socket
import threading
from pathlib import Path

import pulumi
import pytest

from engine import (
    CheckpointRefused,
    ConcurrentUpdateError,
    EngineError,
    StackMoved,
    StackNotFound,
    StackRef,
    UpdateCanceled,
)
from engine.cancellation import Cancellation
from engine.options import Options
from engine.protocol import StackEngine
from tests.contract.engines import recorded, state, states
from tests.contract.resources import Thing
from tests.contract.world import World


def one():
    a = Thing("a", value=1)
    pulumi.export("id", a.id)
    pulumi.export("secret", pulumi.Output.secret("hidden"))


def lock(root: Path, stack: StackRef, pid: int | None = None) -> Path:
    """Lock the stack as another process does."""
    folder = root / ".pulumi" / "locks" / "organization" / stack.project / stack.name
    folder.mkdir(parents=True, exist_ok=True)
    content = {"pid": pid or os.getpid(), "username": "somebody", "hostname": socket.gethostname()}
    path = folder / "00000000-0000-4000-8000-000000000000.json"
    path.write_text(json.dumps({**content, "timestamp": "2026-01-02T03:04:05.6Z"}))
    return path


def test_a_version_changes_with_the_state_and_only_with_it(
    engine: StackEngine, world: World, stack: StackRef
):
    absent = engine.outputs(stack)
    created = engine.up(stack, one)
    read = engine.outputs(stack)
    destroyed = engine.destroy(stack)

    assert (absent.values, absent.version) == ({}, "")
    assert read.version == created.version != ""
    assert read.values == created.outputs
    assert read.secret_names == {"secret"}
    assert destroyed.version == ""


def test_an_update_decided_on_an_old_version_does_nothing(engine: StackEngine, world: World, stack: StackRef):
    old = engine.up(stack, one).version
    engine.up(stack, lambda: Thing("a", value=2) and None)
    world.forget_calls()
    before = engine.export(stack)

    with pytest.raises(StackMoved) as caught:
        engine.up(stack, one, expect=old)
    with pytest.raises(StackMoved):
        engine.destroy(stack, expect=old)

    assert caught.value.expected == old
    assert caught.value.present == engine.outputs(stack).version
    assert world.calls() == []
    assert engine.export(stack) == before


def test_an_update_decided_on_the_present_version_goes_ahead(
    engine: StackEngine, world: World, stack: StackRef
):
    first = engine.up(stack, one, expect="")
    second = engine.up(stack, lambda: Thing("a", value=2) and None, expect=first.version)
    engine.destroy(stack, expect=second.version)

    assert world.names == []


def test_a_state_can_be_exported_and_imported_again(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, one)
    kept = engine.export(stack)
    engine.up(stack, lambda: None)
    world.put("a-0", {"value": 1, "name": "a"})

    engine.import_deployment(stack, kept)

    assert kept["version"] == 3
    assert recorded(engine, stack) == ["a"]
    assert engine.outputs(stack).values["secret"] == "hidden"
    assert engine.up(stack, one).changes == {"same": 2}


def test_a_state_can_be_imported_into_a_new_stack(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, one)
    kept = engine.export(stack)
    engine.remove(stack, force=True)

    engine.import_deployment(stack, kept)

    assert engine.up(stack, one).changes == {"same": 2}


def test_what_is_no_state_of_the_stack_is_not_imported(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, one)
    kept = engine.export(stack)
    other = StackRef(stack.project, "other")
    engine.up(other, lambda: None)
    before = engine.export(other)

    for deployment in (kept, {"version": 99, "deployment": {}}):
        with pytest.raises(CheckpointRefused):
            engine.import_deployment(other, deployment)

    assert engine.export(other) == before


def test_a_state_that_contradicts_itself_is_refused_and_kept(
    engine: StackEngine, world: World, stack: StackRef, root: Path
):
    engine.up(stack, one)
    path = root / ".pulumi" / "stacks" / stack.project / f"{stack.name}.json"
    document = json.loads(path.read_text())
    document["checkpoint"]["latest"]["resources"].reverse()
    path.write_text(json.dumps(document))
    before = path.read_text()

    with pytest.raises(EngineError):
        engine.up(stack, one)

    assert path.read_text() == before


def test_history_tells_of_every_operation_newest_first(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, one, message="first")
    engine.refresh(stack, message="second")
    engine.preview(stack, one, message="not kept")
    engine.destroy(stack, message="third")

    told = [(entry["kind"], entry["message"], entry["result"]) for entry in engine.history(stack)]
    assert told == [
        ("destroy", "third", "succeeded"),
        ("refresh", "second", "succeeded"),
        ("update", "first", "succeeded"),
    ]


def test_a_stack_can_be_made_before_its_first_update(engine: StackEngine, world: World, stack: StackRef):
    engine.init(stack)

    assert engine.stacks(stack.project) == [stack.name]
    assert states(engine, stack) == []
    with pytest.raises(EngineError, match="already exists"):
        engine.init(stack)
    assert engine.up(stack, one, expect="").changes == {"create": 2}


def test_a_stack_with_resources_is_removed_only_by_force(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, one)
    with pytest.raises(EngineError, match="resource"):
        engine.remove(stack)
    assert recorded(engine, stack) == ["a"]

    engine.remove(stack, force=True)

    assert engine.stacks(stack.project) == []
    assert engine.history(stack) == []
    assert world.names == ["a"]
    with pytest.raises(StackNotFound):
        engine.remove(stack)


def test_a_renamed_stack_goes_on_under_its_new_name(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, one)
    new = StackRef(stack.project, "production")

    engine.rename(stack, new)

    assert engine.stacks(stack.project) == ["production"]
    assert state(engine, new, "a")["urn"].startswith("urn:pulumi:production::proj::")
    assert engine.outputs(new).values["secret"] == "hidden"
    assert len(engine.history(new)) >= 1
    assert engine.up(new, one).changes == {"same": 2}
    assert world.names == ["a"]


def test_a_stack_is_not_renamed_to_one_that_exists(engine: StackEngine, world: World, stack: StackRef):
    other = StackRef(stack.project, "other")
    engine.up(stack, one)
    engine.up(other, lambda: None)

    with pytest.raises(EngineError, match="already exists"):
        engine.rename(stack, other)

    assert recorded(engine, stack) == ["a"]
    assert recorded(engine, other) == []


def test_what_is_locked_is_not_changed_and_the_owner_is_named(
    engine: StackEngine, world: World, stack: StackRef, root: Path
):
    engine.up(stack, one)
    path = lock(root, stack)
    operations = [
        lambda: engine.up(stack, lambda: None),
        lambda: engine.refresh(stack),
        lambda: engine.destroy(stack),
        lambda: engine.remove(stack, force=True),
        lambda: engine.rename(stack, StackRef(stack.project, "new")),
        lambda: engine.import_deployment(stack, engine.export(stack)),
    ]

    for operation in operations:
        with pytest.raises(ConcurrentUpdateError, match=r"currently locked by 1 lock[\s\S]*somebody@"):
            operation()

    assert path.exists()
    assert recorded(engine, stack) == ["a"]
    assert engine.preview(stack, one).changes == {"same": 2}
    assert engine.cancel(stack) == 1
    assert engine.up(stack, one).changes == {"same": 2}


def test_an_abandoned_lock_can_be_told_from_one_in_use(
    engine: StackEngine, world: World, stack: StackRef, root: Path
):
    engine.up(stack, one)
    lock(root, stack, pid=os.getppid())
    assert engine.cancel_abandoned(stack, older_than_seconds=1e9) == 0

    lock(root, stack, pid=2**22 + 1)
    assert engine.cancel_abandoned(stack, older_than_seconds=1e9) == 1
    assert engine.up(stack, one).changes == {"same": 2}


def test_a_lock_is_waited_for_as_long_as_asked(
    engine: StackEngine, world: World, stack: StackRef, root: Path
):
    engine.up(stack, one)
    path = lock(root, stack)
    seen: list[bool] = []

    def unlock():
        seen.append(path.exists())
        path.unlink()

    timer = threading.Timer(1.0, unlock)
    timer.start()
    result = engine.up(stack, one, options=Options(lock_timeout=60))
    timer.join()

    assert seen == [True]
    assert result.changes == {"same": 2}


def test_who_cancels_while_waiting_for_a_lock_is_told_so(
    engine: StackEngine, world: World, stack: StackRef, root: Path
):
    engine.up(stack, one)
    path = lock(root, stack)
    cancellation = Cancellation()
    timer = threading.Timer(1.0, cancellation.cancel)
    timer.start()

    with pytest.raises(UpdateCanceled, match="canceled"):
        engine.up(stack, one, options=Options(lock_timeout=600, cancellation=cancellation))

    timer.join()
    assert path.exists()


def test_operations_on_an_absent_stack_say_so(engine: StackEngine, world: World, stack: StackRef):
    for operation in (engine.refresh, engine.destroy, engine.export, engine.resources, engine.remove):
        with pytest.raises(StackNotFound, match="dev"):
            operation(stack)

    assert engine.outputs(stack).values == {}
    assert engine.history(stack) == []
    assert engine.stacks(stack.project) == []
