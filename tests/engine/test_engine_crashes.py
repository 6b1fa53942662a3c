"""A run that is cut at any of its writes loses no resource, and the next run carries on.

The backend of these tests dies at its n-th write: that write and everything after it fails, the release of
the lock too, as if the process had been killed. What may be left over is what Pulumi leaves: a resource that
was created but not recorded, noted in the state as a pending creation.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import BackendError, Engine, EngineError, FileBackend, StackRef, UpdateFailed
from engine import program as running
from tests.engine import states
from tests.engine.fake import Group, Thing, World

STACK = StackRef("proj", "dev")
Options = pulumi.ResourceOptions
Program = Callable[[], object]


class DyingBackend(FileBackend):
    """A folder that works for a number of changes and then never again."""

    def __init__(self, root: Path, changes: int) -> None:
        super().__init__(root)
        self._left = changes

    @property
    def died(self) -> bool:
        """Whether the end was reached."""
        return self._left < 0

    def write(self, key: str, data: bytes, *, durable: bool = True, forced: bool = True) -> None:
        self._count()
        super().write(key, data, durable=durable, forced=forced)

    def create(self, key: str, data: bytes) -> None:
        self._count()
        super().create(key, data)

    def copy(self, source: str, target: str) -> None:
        self._count()
        super().copy(source, target)

    def delete(self, key: str) -> None:
        self._count()
        super().delete(key)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise BackendError("the power went out")


def engine_on(backend: FileBackend, world: World) -> Engine:
    """Return an engine that works on one thing at a time, so that every run is cut at the same points."""
    return Engine(backend, {"fake": world.provider}, parallel=1)


def cut_at_every_write(
    root: Path, before: Program | None, change: Callable[[Engine], object], after: Program
) -> int:
    """Cut `change` at each of its writes in turn, recover with `after`, and check.

    Returns the number of cuts.
    """
    for writes in range(1000):
        world, folder = World(), root / str(writes)
        healthy = engine_on(FileBackend(folder), world)
        if before is not None:
            healthy.up(STACK, before)
        backend = DyingBackend(folder, writes)
        cut(engine_on(backend, world), change)
        if not backend.died:
            return writes
        recover(healthy, folder, world, after)
    raise AssertionError("the run never ended")


def cut(engine: Engine, change: Callable[[Engine], object]) -> None:
    """Carry out a change that may be cut."""
    try:
        change(engine)
    except EngineError as error:
        if "the power went out" not in f"{error} {error.__cause__}":
            raise


def recover(engine: Engine, folder: Path, world: World, program: Program) -> None:
    """Break the lock, run the program, and check that the world, the state and the program agree."""
    engine.cancel(STACK)
    exists = states.checkpoint_file(folder, STACK).exists()
    if exists:
        states.assert_sound(folder, STACK)
    unsure = (
        {name_of(op["resource"]) for op in pending(folder) if op["type"] == "creating"} if exists else set()
    )

    engine.up(STACK, program)

    states.assert_sound(folder, STACK)
    recorded = {
        item["id"]: name_of(item) for item in states.resources(folder, STACK) if "Thing" in item["type"]
    }
    assert recorded.keys() <= world.resources.keys(), "a recorded resource was lost"
    orphans = {id_.rsplit("-", 1)[0] for id_ in world.resources.keys() - recorded.keys()}
    assert orphans <= unsure, "a resource exists that the state does not know of"
    assert sorted(recorded.values()) == sorted(set(recorded.values())), "a resource is recorded twice"
    assert engine.up(STACK, program).changes.keys() == {"same"}


def pending(folder: Path) -> list[dict[str, Any]]:
    """Return the pending operations in the state."""
    return states.latest(folder, STACK).get("pending_operations", [])


def name_of(item: dict[str, Any]) -> str:
    """Return a resource's name."""
    return item["urn"].rsplit("::", 1)[-1]


def program(*, size: int = 1, forced: int = 1, first: int = 1, extra: bool = True) -> Program:
    """Return a program with every kind of relation; the arguments change it."""

    def run() -> None:
        group = Group("group", outputs={"size": size})
        base = Thing("base", Options(parent=group), size=size, first=first)
        Thing("user", Options(parent=group), of=base.id, forced=forced)
        Thing("follower", forced=base.id)
        if extra:
            Thing("extra", Options(depends_on=[base]))
        pulumi.export("size", size)

    return run


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, program(), id="create"),
        pytest.param(program(), program(size=2), id="update"),
        pytest.param(program(), program(forced=2), id="replace, creating first"),
        pytest.param(program(), program(first=2), id="replace, deleting first"),
        pytest.param(program(), program(extra=False), id="delete"),
        pytest.param(program(), program(size=2, forced=2, first=2, extra=False), id="all at once"),
    ],
)
def test_an_update_that_is_cut_anywhere_is_carried_on(
    tmp_path: Path, before: Program | None, after: Program
) -> None:
    cuts = cut_at_every_write(tmp_path, before, lambda engine: engine.up(STACK, after), after)

    assert cuts >= 6  # lock, at least one state with its backup, three files of history, unlock


def test_a_destroy_that_is_cut_anywhere_can_be_repeated(tmp_path: Path) -> None:
    for writes in range(1000):
        world, folder = World(), tmp_path / str(writes)
        healthy = engine_on(FileBackend(folder), world)
        healthy.up(STACK, program())
        backend = DyingBackend(folder, writes)
        cut(engine_on(backend, world), lambda engine: engine.destroy(STACK))
        if not backend.died:
            break
        healthy.cancel(STACK)
        states.assert_sound(folder, STACK)
        healthy.destroy(STACK)
        assert world.resources == {}
        assert states.resources(folder, STACK) == []
    assert writes > 10


def test_a_refresh_that_is_cut_anywhere_can_be_repeated(tmp_path: Path) -> None:
    for writes in range(100):
        world, folder = World(), tmp_path / str(writes)
        healthy = engine_on(FileBackend(folder), world)
        healthy.up(STACK, program())
        lost = next(id_ for id_ in world.resources if id_.startswith("base"))
        del world.resources[lost]
        backend = DyingBackend(folder, writes)
        cut(engine_on(backend, world), lambda engine: engine.refresh(STACK))
        if not backend.died:
            break
        healthy.cancel(STACK)
        healthy.refresh(STACK)
        states.assert_sound(folder, STACK)
        assert "base" not in states.names(folder, STACK)


edits = st.fixed_dictionaries(
    {
        "size": st.integers(1, 2),
        "forced": st.integers(1, 2),
        "first": st.integers(1, 2),
        "extra": st.booleans(),
    }
)
faults = st.none() | st.tuples(
    st.sampled_from(["create", "update", "delete"]),
    st.sampled_from(["base", "user", "follower", "extra"]),
    st.booleans(),
)


@given(
    story=st.lists(st.tuples(edits, faults, st.none() | st.integers(0, 30)), min_size=1, max_size=4),
    last=edits,
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_story_of_edits_failures_and_cuts_the_world_is_what_the_program_says(
    tmp_path_factory: pytest.TempPathFactory, story: list[Any], last: dict[str, Any]
) -> None:
    world, folder = World(), tmp_path_factory.mktemp("story")
    healthy = engine_on(FileBackend(folder), world)
    unsure: set[str] = set()
    for edit, fault, cut_after in story:
        world.heal()
        if fault is not None:
            call, name, partly = fault
            (world.fail_partially if partly and call != "delete" else world.fail)(call, name)
        backend = FileBackend(folder) if cut_after is None else DyingBackend(folder, cut_after)
        try:
            engine_on(backend, world).up(STACK, program(**edit))
        except EngineError:
            healthy.cancel(STACK)
        if states.checkpoint_file(folder, STACK).exists():
            states.assert_sound(folder, STACK)
            unsure |= {name_of(op["resource"]) for op in pending(folder) if op["type"] == "creating"}
    world.heal()

    healthy.up(STACK, program(**last))

    states.assert_sound(folder, STACK)
    recorded = {
        item["id"]: name_of(item) for item in states.resources(folder, STACK) if "Thing" in item["type"]
    }
    expected = {"base", "user", "follower"} | ({"extra"} if last["extra"] else set())
    assert sorted(recorded.values()) == sorted(expected)
    assert recorded.keys() <= world.resources.keys()
    assert {id_.rsplit("-", 1)[0] for id_ in world.resources.keys() - recorded.keys()} <= unsure
    base = next(id_ for id_, name in recorded.items() if name == "base")
    assert (world.resources[base]["size"], world.resources[base]["first"]) == (last["size"], last["first"])


@pytest.mark.parametrize("kind", ["updating", "deleting"])
def test_what_became_of_an_interrupted_call_is_found_out_first(tmp_path: Path, kind: str) -> None:
    """Pulumi would go by its old record here, and see no difference."""
    world, folder = World(), tmp_path
    engine = engine_on(FileBackend(folder), world)
    engine.up(STACK, program(size=1))
    base = states.named(folder, STACK, "base")
    if kind == "updating":
        world.resources[base["id"]] = {**world.resources[base["id"]], "size": 2}
    else:
        del world.resources[base["id"]]
    path = states.checkpoint_file(folder, STACK)
    document = states.json.loads(path.read_text())
    document["checkpoint"]["latest"]["pending_operations"] = [{"resource": base, "type": kind}]
    path.write_text(states.json.dumps(document))

    engine.up(STACK, program(size=1))

    again = states.named(folder, STACK, "base")
    assert world.resources[again["id"]]["size"] == 1
    assert pending(folder) == []


def test_an_interrupted_call_that_cannot_be_asked_about_stops_the_update(tmp_path: Path) -> None:
    world, folder = World(), tmp_path
    engine = engine_on(FileBackend(folder), world)
    engine.up(STACK, program())
    path = states.checkpoint_file(folder, STACK)
    document = states.json.loads(path.read_text())
    base = states.named(folder, STACK, "base")
    document["checkpoint"]["latest"]["pending_operations"] = [{"resource": base, "type": "deleting"}]
    path.write_text(states.json.dumps(document))
    world.fail("read", "base", "no route")

    with pytest.raises(EngineError, match="cannot find out what became of it: no route"):
        engine.up(STACK, program(extra=False))

    assert world.names("delete") == []


@pytest.mark.parametrize("operation", ["destroy", "update"])
def test_what_is_not_found_out_yet_stays_on_record(tmp_path: Path, operation: str) -> None:
    """Found by the model: a failed destroy forgot it, and the next update took what was lost as the same."""
    world, folder = World(), tmp_path

    def protected() -> None:
        Thing("base", size=1)
        Thing("other", Options(protect=True, depends_on=[Thing("needed")]))

    engine = engine_on(FileBackend(folder), world)
    engine.up(STACK, protected)
    path = states.checkpoint_file(folder, STACK)
    document = states.json.loads(path.read_text())
    base = states.named(folder, STACK, "base")
    document["checkpoint"]["latest"]["pending_operations"] = [{"resource": base, "type": "deleting"}]
    path.write_text(states.json.dumps(document))
    del world.resources[base["id"]]
    world.fail("read" if operation == "update" else "delete", "base")

    with pytest.raises(EngineError):
        engine.destroy(STACK) if operation == "destroy" else engine.up(STACK, protected)
    world.heal()
    assert [op["type"] for op in pending(folder)] == ["deleting"]
    engine.up(STACK, protected)

    assert pending(folder) == []
    assert states.named(folder, STACK, "base")["id"] in world.resources


def test_what_is_done_reaches_the_disk_while_another_call_takes_long(
    engine: Engine, stack: StackRef, world: World, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process that is killed minutes later would have it deleted, with what it holds by then."""
    monkeypatch.setattr("engine.program.FLUSH_SECONDS", 0.05)
    _, go_on = world.hang("create", "slow")

    def both() -> None:
        Thing("slow")
        Thing("quick")

    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(engine.up, stack, both)
        try:
            world.wait_for(lambda: "quick" in recorded_now(root, stack))
            pending = states.latest(root, stack)["pending_operations"]
        finally:
            go_on.set()
        update.result(20)

    assert [operation["resource"]["urn"].rsplit("::", 1)[-1] for operation in pending] == ["slow"]


def test_what_is_done_reaches_the_disk_also_after_a_failure_ended_the_program(
    engine: Engine, stack: StackRef, world: World, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "FLUSH_SECONDS", 0.05)
    finish, ended = running._finish_steps, threading.Event()

    def finishing(*arguments: Any) -> None:
        ended.set()
        finish(*arguments)

    monkeypatch.setattr(running, "_finish_steps", finishing)
    go_on = threading.Event()

    def be_slow(*_: object) -> None:
        go_on.wait(60)

    world.faults["create", "slow"] = be_slow
    _, be_quick = world.hang("create", "quick")
    world.fail("create", "bad")

    def three() -> None:
        for name in ("slow", "quick", "bad"):
            Thing(name)

    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(engine.up, stack, three)
        try:
            assert ended.wait(20)
            be_quick.set()
            world.wait_for(lambda: "quick" in recorded_now(root, stack))
        finally:
            go_on.set()
            be_quick.set()
        with pytest.raises(UpdateFailed, match="it broke"):
            update.result(20)


def recorded_now(root: Path, stack: StackRef) -> list[str]:
    """Return the names of the recorded resources; none as long as there is no state."""
    return states.names(root, stack) if states.checkpoint_file(root, stack).exists() else []
