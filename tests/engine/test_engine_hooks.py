"""Hooks run before and after a resource's steps, and decide on another try."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import ErrorHook, ErrorHookArgs, ResourceHook, ResourceHookArgs, ResourceHookBinding
from pulumi import ResourceOptions as Options

from engine import Engine, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import Group, Thing, World

MOMENTS = ("before_create", "after_create", "before_update", "after_update", "before_delete", "after_delete")


class Log:
    """What hooks were called with, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ResourceHookArgs]] = []
        self.failing: set[str] = set()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def hook(self, name: str, **options: Any) -> ResourceHook:
        def function(args: ResourceHookArgs) -> None:
            self.calls.append((name, args))
            if name in self.failing:
                raise RuntimeError(f"{name} is unhappy")

        return ResourceHook(name, function, pulumi.ResourceHookOptions(**options))

    def all(self, **options: Any) -> ResourceHookBinding:
        return ResourceHookBinding(**{moment: [self.hook(moment, **options)] for moment in MOMENTS})


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture(autouse=True)
def _sound(root: Path, stack: StackRef) -> Iterator[None]:
    yield
    if states.checkpoint_file(root, stack).exists():
        states.assert_sound(root, stack)


def hooked(log: Log, **inputs: Any) -> Callable[[], None]:
    return lambda: Thing("a", Options(hooks=log.all()), **inputs) and None


def test_hooks_run_around_creation_update_and_deletion(
    engine: Engine, stack: StackRef, world: World, log: Log
) -> None:
    engine.up(stack, hooked(log, size=1))
    assert log.names == ["before_create", "after_create"]
    engine.up(stack, hooked(log, size=2))
    assert log.names[2:] == ["before_update", "after_update"]
    engine.up(stack, hooked(log, size=2))
    assert len(log.names) == 4

    def without() -> None:
        log.hook("before_delete")
        log.hook("after_delete")

    engine.up(stack, without)
    assert log.names[4:] == ["before_delete", "after_delete"]
    assert world.resources == {}


def test_hooks_are_told_what_changes(engine: Engine, stack: StackRef, log: Log) -> None:
    engine.up(stack, hooked(log, size=1))
    engine.up(stack, hooked(log, size=2))

    def told(args: ResourceHookArgs) -> tuple[Any, ...]:
        return (args.old_inputs, args.new_inputs, args.old_outputs, args.new_outputs)

    created, updated = {"size": 1, "name": "a"}, {"size": 2, "name": "a"}
    assert [told(args) for _, args in log.calls] == [
        (None, {"size": 1}, None, None),
        (None, {"size": 1}, None, created),
        ({"size": 1}, {"size": 2}, created, None),
        ({"size": 1}, {"size": 2}, created, updated),
    ]
    last = log.calls[-1][1]
    assert (last.urn, last.id, last.name, last.type) == (
        "urn:pulumi:dev::proj::fake:index:Thing::a",
        "a-1",
        "a",
        "fake:index:Thing",
    )
    assert log.calls[0][1].id == ""


def test_secret_inputs_are_secret_outputs_to_a_hook(engine: Engine, stack: StackRef) -> None:
    seen: list[tuple[Any, bool]] = []

    async def hook(args: ResourceHookArgs) -> None:
        key = args.new_inputs["key"]
        seen.append((await key.future(), await key.is_secret()))

    def program() -> None:
        binding = ResourceHookBinding(before_create=[hook])
        Thing("a", Options(hooks=binding), key=pulumi.Output.secret("k3y"))

    engine.up(stack, program)

    assert seen == [("k3y", True)]


def test_the_state_records_the_names_in_version_4(
    engine: Engine, stack: StackRef, root: Path, log: Log
) -> None:
    binding = lambda: ResourceHookBinding(after_create=[log.hook("told")])  # noqa: E731
    engine.up(stack, lambda: Thing("a", Options(hooks=binding())))

    document = json.loads(states.checkpoint_file(root, stack).read_text())
    assert (document["version"], document["features"]) == (4, ["hooks"])
    assert states.named(root, stack, "a")["resourceHooks"] == {"AfterCreate": ["told"]}

    engine.up(stack, lambda: Thing("a"))
    assert json.loads(states.checkpoint_file(root, stack).read_text())["version"] == 3


def test_an_anonymous_hook_may_be_a_coroutine(engine: Engine, stack: StackRef) -> None:
    seen: list[str] = []

    async def hook(args: ResourceHookArgs) -> None:
        await asyncio.sleep(0)
        seen.append(args.name)

    engine.up(stack, lambda: Thing("a", Options(hooks=ResourceHookBinding(before_create=[hook]))))

    assert seen == ["a"]


def test_a_replacement_creates_and_deletes(engine: Engine, stack: StackRef, log: Log) -> None:
    engine.up(stack, hooked(log, forced=1))
    log.calls.clear()

    engine.up(stack, hooked(log, forced=2))

    assert log.names == ["before_create", "after_create", "before_delete", "after_delete"]


@pytest.mark.parametrize(("on_dry_run", "expected"), [(False, []), (True, ["before_create", "after_create"])])
def test_a_preview_runs_only_hooks_for_dry_runs(
    engine: Engine, stack: StackRef, log: Log, on_dry_run: bool, expected: list[str]
) -> None:
    engine.preview(stack, lambda: Thing("a", Options(hooks=log.all(on_dry_run=on_dry_run))))

    assert log.names == expected


def test_a_failing_hook_before_a_step_prevents_it(
    engine: Engine, stack: StackRef, world: World, root: Path, log: Log
) -> None:
    log.failing.add("before_create")

    with pytest.raises(UpdateFailed, match="before hook 'before_create' failed: before_create is unhappy"):
        engine.up(stack, hooked(log))

    assert world.resources == {}
    assert states.names(root, stack) == ["proj-dev", "default"]


def test_a_failing_hook_after_a_step_fails_the_run_and_keeps_the_result(
    engine: Engine, stack: StackRef, world: World, root: Path, log: Log
) -> None:
    log.failing.add("after_create")

    with pytest.raises(UpdateFailed, match="after hook 'after_create' failed: after_create is unhappy"):
        engine.up(stack, hooked(log))

    assert states.named(root, stack, "a")["id"] in world.resources


def test_a_failing_hook_after_a_deletion_leaves_it_deleted(
    engine: Engine, stack: StackRef, world: World, root: Path, log: Log
) -> None:
    engine.up(stack, hooked(log))
    log.failing.add("after_delete")

    def without() -> None:
        log.hook("before_delete")
        log.hook("after_delete")

    with pytest.raises(UpdateFailed, match="after hook 'after_delete' failed"):
        engine.up(stack, without)

    assert world.resources == {}
    assert "a" not in states.names(root, stack)


def test_errors_of_a_hook_can_be_ignored(engine: Engine, stack: StackRef, world: World, log: Log) -> None:
    log.failing |= {"before_create", "after_create"}
    warnings: list[str] = []

    def note(event: dict[str, Any]) -> None:
        if event.get("diagnosticEvent", {}).get("severity") == "warning":
            warnings.append(event["diagnosticEvent"]["message"])

    program = lambda: Thing("a", Options(hooks=log.all(ignore_errors=True)))  # noqa: E731
    engine.up(stack, program, on_event=note)

    assert len(world.resources) == 1
    assert warnings == [
        "before create hook 'before_create' failed: before_create is unhappy",
        "after create hook 'after_create' failed: after_create is unhappy",
    ]


def test_a_destroy_without_the_program_does_not_delete_what_has_delete_hooks(
    engine: Engine, stack: StackRef, world: World, root: Path, log: Log
) -> None:
    engine.up(stack, hooked(log))

    with pytest.raises(UpdateFailed, match="hook 'before_delete' was not registered"):
        engine.destroy(stack)

    assert len(world.resources) == 1
    assert "a" in states.names(root, stack)


def test_a_destroy_without_the_program_deletes_what_has_no_delete_hooks(
    engine: Engine, stack: StackRef, world: World, log: Log
) -> None:
    binding = lambda: ResourceHookBinding(after_create=[log.hook("told")])  # noqa: E731
    engine.up(stack, lambda: Thing("a", Options(hooks=binding())))

    engine.destroy(stack)

    assert world.resources == {}


def test_a_component_s_hooks_run_when_its_outputs_are_registered(
    engine: Engine, stack: StackRef, log: Log
) -> None:
    def program(size: int) -> Callable[[], object]:
        return lambda: Group("g", Options(hooks=log.all()), {"size": size}, {"made": size})

    engine.up(stack, program(1))
    engine.up(stack, program(2))

    assert log.names == ["before_create", "after_create", "before_update", "after_update"]
    assert log.calls[1][1].new_outputs == {"made": 1}
    assert log.calls[3][1].new_outputs == {"made": 2}


def test_two_hooks_of_one_name_are_refused(engine: Engine, stack: StackRef, log: Log) -> None:
    def program() -> None:
        log.hook("same")
        log.hook("same")

    with pytest.raises(UpdateFailed, match="already registered for name 'same'"):
        engine.up(stack, program)


def test_a_hook_that_a_transform_adds_runs(engine: Engine, stack: StackRef, log: Log) -> None:
    def program() -> None:
        hook = log.hook("told")

        def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult:
            opts = Options.merge(args.opts, Options(hooks=ResourceHookBinding(before_create=[hook])))
            return pulumi.ResourceTransformResult(args.props, opts)

        Thing("a", Options(transforms=[transform]))

    engine.up(stack, program)

    assert log.names == ["told"]


def test_a_step_s_hook_still_runs_when_the_program_has_failed_meanwhile(
    engine: Engine, stack: StackRef, world: World, log: Log
) -> None:
    started, go_on = world.hang("create", "a")

    async def program() -> None:
        Thing("a", Options(hooks=log.all()))
        await asyncio.to_thread(started.wait, 20)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        raise ValueError("no more")

    with pytest.raises(UpdateFailed, match="no more"):
        engine.up(stack, program)

    assert log.names == ["before_create", "after_create"]


class Retries:
    """An error hook that asks for another try so many times, and mends the world before the last."""

    def __init__(self, times: int, mend: Callable[[], None] = lambda: None) -> None:
        self.seen: list[ErrorHookArgs] = []
        self._times = times
        self._mend = mend

    def binding(self) -> ResourceHookBinding:
        return ResourceHookBinding(on_error=[ErrorHook("again", self._decide)])

    def _decide(self, args: ErrorHookArgs) -> bool:
        self.seen.append(args)
        if len(self.seen) == self._times:
            self._mend()
        return len(self.seen) <= self._times


def test_an_error_hook_has_a_creation_tried_again(engine: Engine, stack: StackRef, world: World) -> None:
    world.fail("create", "a")
    retries = Retries(2, world.heal)

    engine.up(stack, lambda: Thing("a", Options(hooks=retries.binding()), size=1))

    assert world.names("create") == ["a", "a", "a"]
    assert len(world.resources) == 1
    assert [args.errors for args in retries.seen] == [["it broke"], ["it broke", "it broke"]]
    args = retries.seen[0]
    assert (args.failed_operation, args.name, args.new_inputs, args.old_inputs) == (
        "create",
        "a",
        {"size": 1},
        None,
    )


def test_an_error_hook_may_give_up(engine: Engine, stack: StackRef, world: World) -> None:
    world.fail("create", "a")
    retries = Retries(1)

    with pytest.raises(UpdateFailed, match="it broke"):
        engine.up(stack, lambda: Thing("a", Options(hooks=retries.binding())))

    assert world.names("create") == ["a", "a"]


def test_error_hooks_see_updates_and_deletions(engine: Engine, stack: StackRef, world: World) -> None:
    def program(size: int) -> Callable[[], object]:
        return lambda: Thing("a", Options(hooks=Retries(0).binding()), size=size)

    engine.up(stack, program(1))
    world.fail("update", "a")
    retries = Retries(1, world.heal)
    engine.up(stack, lambda: Thing("a", Options(hooks=retries.binding()), size=2))
    world.fail("delete", "a")
    other = Retries(1, world.heal)
    engine.up(stack, lambda: other.binding() and None)

    [update], [delete] = retries.seen, other.seen
    assert (update.failed_operation, update.old_inputs, update.new_inputs) == (
        "update",
        {"size": 1},
        {"size": 2},
    )
    assert (delete.failed_operation, delete.old_inputs, delete.new_inputs) == ("delete", {"size": 2}, None)
    assert world.resources == {}


def test_error_hooks_are_asked_a_hundred_times_at_most(engine: Engine, stack: StackRef, world: World) -> None:
    world.fail("create", "a")
    retries = Retries(1000)

    with pytest.raises(UpdateFailed, match="it broke"):
        engine.up(stack, lambda: Thing("a", Options(hooks=retries.binding())))

    assert len(world.names("create")) == 100


def test_what_was_created_in_part_is_not_created_again(engine: Engine, stack: StackRef, world: World) -> None:
    world.fail_partially("create", "a")
    retries = Retries(5)

    with pytest.raises(UpdateFailed, match="not ready"):
        engine.up(stack, lambda: Thing("a", Options(hooks=retries.binding())))

    assert len(world.resources) == 1
    assert retries.seen == []


def test_a_destroy_without_the_program_asks_no_error_hooks(
    engine: Engine, stack: StackRef, world: World
) -> None:
    engine.up(stack, lambda: Thing("a", Options(hooks=Retries(0).binding())))
    world.fail("delete", "a")

    with pytest.raises(UpdateFailed, match="it broke"):
        engine.destroy(stack)

    world.heal()
    engine.destroy(stack)
    assert world.resources == {}


def test_an_error_hook_that_raises_fails_the_step(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.fail("create", "a")

    def decide(args: ErrorHookArgs) -> bool:
        raise RuntimeError("no idea")

    with pytest.raises(UpdateFailed, match="error hook 'again' failed: no idea"):
        engine.up(
            stack,
            lambda: Thing("a", Options(hooks=ResourceHookBinding(on_error=[ErrorHook("again", decide)]))),
        )

    assert "pending_operations" not in states.latest(root, stack)
