"""When something fails: what is kept, what is reported, and that the next update carries on."""

import threading
from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Engine, StackRef, UpdateFailed
from engine.provider import OutcomeUnknown, Properties
from tests.engine import states
from tests.engine.fake import FakeCloud, Thing, World

Options = pulumi.ResourceOptions


def things(**named: Properties) -> Any:
    """Return a program with independent resources of these names and inputs."""

    def program() -> None:
        for name, props in named.items():
            Thing(name, **props)

    return program


def test_a_failed_create_leaves_no_entry_and_the_next_update_creates(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.fail("create", "a", "quota exceeded")

    with pytest.raises(UpdateFailed) as failure:
        engine.up(stack, things(a={}))

    assert failure.value.diagnostics == ("urn:pulumi:dev::proj::fake:index:Thing::a: quota exceeded",)
    assert states.names(root, stack) == ["proj-dev", "default"]
    assert "pending_operations" not in states.latest(root, stack)

    world.heal()
    assert engine.up(stack, things(a={})).changes == {"same": 1, "create": 1}


def test_what_depends_on_a_failed_resource_is_not_tried(
    engine: Engine, stack: StackRef, world: World
) -> None:
    world.fail("create", "a")

    def program() -> None:
        first = Thing("a")
        Thing("b", of=first.id)

    with pytest.raises(UpdateFailed):
        engine.up(stack, program)

    assert world.names("create") == ["a"]


def test_steps_that_run_when_another_fails_end_and_are_recorded(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    started, go_on = world.hang("create", "slow")

    def broken(_: str, __: Properties) -> None:
        assert started.wait(20)
        threading.Timer(0.05, go_on.set).start()
        raise RuntimeError("the wire was cut")

    world.faults["create", "broken"] = broken

    with pytest.raises(UpdateFailed, match="the wire was cut"):
        engine.up(stack, things(slow={}, broken={}))

    assert states.named(root, stack, "slow")["id"] in world.resources


def test_a_failed_update_keeps_the_old_entry(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a={"size": 1}))
    before = states.named(root, stack, "a")
    world.fail("update", "a")

    with pytest.raises(UpdateFailed):
        engine.up(stack, things(a={"size": 2}))

    assert states.named(root, stack, "a") == before


def test_no_deletes_after_a_failure(engine: Engine, stack: StackRef, world: World) -> None:
    engine.up(stack, things(a={}, old={}))
    world.fail("create", "new")

    with pytest.raises(UpdateFailed):
        engine.up(stack, things(a={}, new={}))

    assert world.names("delete") == []


def test_a_partly_failed_create_is_recorded_and_continued(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.fail_partially("create", "a", "no endpoints")

    with pytest.raises(UpdateFailed, match="no endpoints"):
        engine.up(stack, things(a={"size": 1}))

    recorded = states.named(root, stack, "a")
    assert (recorded["id"], recorded["initErrors"]) == ("a-1", ["no endpoints"])

    world.heal()
    result = engine.up(stack, things(a={"size": 1}))

    assert result.changes == {"same": 1, "update": 1}
    assert "initErrors" not in states.named(root, stack, "a")
    assert list(world.resources) == ["a-1"]


def test_a_partly_failed_update_keeps_the_old_inputs(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a={"size": 1}))
    world.fail_partially("update", "a", "rollout stalled")

    with pytest.raises(UpdateFailed):
        engine.up(stack, things(a={"size": 2}))

    recorded = states.named(root, stack, "a")
    assert recorded["inputs"] == {"size": 1}
    assert recorded["outputs"]["size"] == 2
    assert recorded["initErrors"] == ["rollout stalled"]


def test_a_provider_that_raises_anything_leaves_its_call_pending(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    """Nobody knows whether the resource exists.

    The next run warns, goes on, and the note stays until cleared.
    """

    def explode(_: str, __: Properties) -> None:
        raise ValueError("not a provider's error")

    world.faults["create", "a"] = explode
    with pytest.raises(UpdateFailed, match="not a provider's error"):
        engine.up(stack, things(a={}))
    [pending] = states.latest(root, stack)["pending_operations"]
    assert (pending["type"], pending["resource"]["urn"].split("::")[-1]) == ("creating", "a")
    assert "id" not in pending["resource"]

    world.heal()
    events: list[dict[str, Any]] = []
    engine.up(stack, things(a={}), on_event=events.append)
    warnings = [event["diagnosticEvent"]["message"] for event in events if "diagnosticEvent" in event]
    assert any("1 pending operations" in text for text in warnings)
    assert len(states.latest(root, stack)["pending_operations"]) == 1

    engine.refresh(stack)
    assert len(states.latest(root, stack)["pending_operations"]) == 1
    engine.refresh(stack, clear_pending_creates=True)
    assert "pending_operations" not in states.latest(root, stack)


def test_an_exception_of_the_program_fails_the_update_and_keeps_what_was_done(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a={}, old={}))

    def program() -> None:
        Thing("a")
        Thing("b")
        raise LookupError("no such parser")

    with pytest.raises(UpdateFailed, match="LookupError: no such parser") as failure:
        engine.up(stack, program)

    assert isinstance(failure.value.__cause__, LookupError)
    assert "b" in states.names(root, stack)
    assert world.names("delete") == []
    assert engine.history(stack)[0]["result"] == "failed"


def test_an_exception_in_an_output_fails_the_update(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        thing = Thing("a")
        pulumi.export("x", thing.id.apply(lambda _: 1 / 0))

    with pytest.raises(UpdateFailed, match="division by zero"):
        engine.up(stack, program)


def test_refused_inputs_are_reported_property_by_property(
    engine: Engine, stack: StackRef, world: World
) -> None:
    with pytest.raises(UpdateFailed) as failure:
        engine.up(stack, things(a={"invalid": 1}))

    [text] = failure.value.diagnostics
    assert "Thing resource 'a' has a problem: it is not allowed. Examine values at 'a.invalid'." in text
    assert world.names("create") == []


def test_outputs_of_a_failed_run_lie_over_the_old_ones(engine: Engine, stack: StackRef, world: World) -> None:
    def program(version: int) -> Any:
        def run() -> None:
            pulumi.export("version", version)
            if version == 1:
                pulumi.export("only_first", True)
            Thing("a", size=version)

        return run

    engine.up(stack, program(1))
    world.fail("update", "a")
    with pytest.raises(UpdateFailed):
        engine.up(stack, program(2))

    assert engine.outputs(stack).values["only_first"] is True
    world.heal()
    assert engine.up(stack, program(2)).outputs == {"version": 2}


def test_the_old_half_of_a_replacement_is_retried_until_it_is_gone(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a={"forced": 1}))
    world.fail("delete", "a")
    for _ in range(2):
        with pytest.raises(UpdateFailed):
            engine.up(stack, things(a={"forced": 2}))
        states.assert_sound(root, stack)
        [left] = [item for item in states.resources(root, stack) if item.get("delete")]
        assert left["id"] == "a-1"

    world.heal()
    result = engine.up(stack, things(a={"forced": 2}))

    assert result.changes == {"same": 2}
    assert list(world.resources) == ["a-2"]
    assert not any(item.get("delete") for item in states.resources(root, stack))


def test_a_resource_deleted_first_waits_for_its_creation(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a={"first": 1}))
    world.fail("create", "a")
    with pytest.raises(UpdateFailed):
        engine.up(stack, things(a={"first": 2}))
    assert states.named(root, stack, "a")["pendingReplacement"] is True
    assert world.resources == {}

    world.heal()
    world.calls.clear()
    engine.up(stack, things(a={"first": 2}))

    assert world.names("delete") == []
    assert len(world.resources) == 1
    assert "pendingReplacement" not in states.named(root, stack, "a")


def test_a_resource_that_waits_for_its_creation_is_dropped_when_no_longer_wanted(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, things(a={"first": 1}))
    world.fail("create", "a")
    with pytest.raises(UpdateFailed):
        engine.up(stack, things(a={"first": 2}))
    world.calls.clear()

    engine.up(stack, things())

    assert world.names("delete") == []
    assert states.names(root, stack) == ["proj-dev"]


def test_a_failed_deletion_keeps_what_the_resource_needs(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program() -> None:
        base = Thing("base", Options(provider=FakeCloud("cloud")))
        Thing("leaf", Options(provider=base._provider), of=base.id)
        Thing("apart")

    engine.up(stack, program)
    world.fail("delete", "leaf")

    with pytest.raises(UpdateFailed):
        engine.destroy(stack)

    assert {"proj-dev", "cloud", "base", "leaf"} <= set(states.names(root, stack))
    states.assert_sound(root, stack)
    world.heal()
    engine.destroy(stack)
    assert world.resources == {}


def test_registering_a_name_twice_is_an_error(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        Thing("a")
        Thing("a")

    with pytest.raises(UpdateFailed, match="duplicate resource URN"):
        engine.up(stack, program)


@pytest.mark.parametrize(
    ("program", "named"),
    [
        pytest.param(
            lambda: pulumi.CustomResource("aws:s3:Bucket", "b", {}),
            "no provider for package 'aws'",
            id="package",
        ),
        pytest.param(
            lambda: pulumi.ComponentResource("fake:index:Remote", "c", {}, None, remote=True),
            "remote component",
            id="remote",
        ),
        pytest.param(
            lambda: pulumi.export("x", pulumi.runtime.call("fake:index:Thing/method", {})),
            "method",
            id="call",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name_with_nothing_changed(
    engine: Engine, stack: StackRef, world: World, program: Any, named: str
) -> None:
    with pytest.raises(UpdateFailed, match=named):
        engine.up(stack, program)

    assert world.resources == {}
    assert world.names("create") == []


def test_an_update_without_an_answer_is_undone_by_who_goes_back_to_the_old_program(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, lambda: Thing("a", size=1))

    def take_effect(id_: str, outputs: Properties) -> None:
        world.resources[id_] = outputs
        raise OutcomeUnknown("no answer")

    world.faults["update", "a"] = take_effect
    with pytest.raises(UpdateFailed, match="no answer"):
        engine.up(stack, lambda: Thing("a", size=2))
    world.heal()

    assert engine.up(stack, lambda: Thing("a", size=1)).changes == {"same": 1, "update": 1}
    assert world.named("a")["size"] == 1
    assert "pending_operations" not in states.latest(root, stack)
