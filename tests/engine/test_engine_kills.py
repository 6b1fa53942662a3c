"""A process that is killed (SIGKILL) at any write or call of any operation leaves a stack that can go on.

After `cancel` and one update world, state and program agree, and nothing is left over.
"""

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from engine import ConcurrentUpdateError, Engine, FileBackend, StackRef
from engine.options import Options
from tests.engine import states
from tests.engine.fake import Group, Thing
from tests.engine.killing import KILLED, FileWorld, Moments, MortalBackend, engine_on, in_a_process

STACK = StackRef("proj", "dev")
Resource = pulumi.ResourceOptions
Program = Callable[[], object]
Operation = Callable[[Engine], object]


def program(
    *, size: int = 1, forced: int = 1, first: int = 1, extra: bool = True, adopted: bool = False
) -> Program:
    """Return a program with every kind of relation; the arguments change it."""

    def run() -> None:
        group = Group("group", outputs={"size": size})
        base = Thing("base", Resource(parent=group), size=size, first=first)
        Thing("user", Resource(parent=group), of=base.id, forced=forced)
        Thing("follower", forced=base.id)
        if extra:
            Thing("extra", Resource(depends_on=[base]))
        if adopted:
            Thing("adopted", Resource(import_="adopted-77"), size=1)
        pulumi.export("size", size)

    return run


def up(after: Program, **options: object) -> Operation:
    return lambda engine: engine.up(STACK, after, options=Options(**options))


EVERYTHING = program(size=2, forced=2, first=2, extra=False, adopted=True)
OPERATIONS = [
    pytest.param(None, up(program()), program(), id="create"),
    pytest.param(program(), up(program(size=2)), program(size=2), id="update"),
    pytest.param(program(), up(program(forced=2)), program(forced=2), id="replace, creating first"),
    pytest.param(program(), up(program(first=2)), program(first=2), id="replace, deleting first"),
    pytest.param(program(), up(program(extra=False)), program(extra=False), id="delete"),
    pytest.param(program(), up(program(adopted=True)), program(adopted=True), id="import"),
    pytest.param(program(), up(program(size=2), refresh=True), program(size=2), id="refresh and update"),
    pytest.param(program(), lambda engine: engine.refresh(STACK), program(), id="refresh"),
    pytest.param(program(), lambda engine: engine.destroy(STACK), program(), id="destroy"),
    pytest.param(program(), up(EVERYTHING), EVERYTHING, id="everything at once"),
]


class Place:
    """A folder with a backend and a world."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"

    def engine(self, last: int | None = None) -> Engine:
        """Return an engine whose process ends at a moment, if one is given."""
        moments, world = Moments(last), FileWorld(self.folder / "world.json")
        return engine_on(MortalBackend(FileBackend(self.state), moments), world, moments, self.recorded)

    def exists(self) -> dict[str, object]:
        """Return what exists in the world."""
        path = self.folder / "world.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def recorded(self) -> set[str]:
        """Return the ids of the recorded things."""
        if not states.checkpoint_file(self.state, STACK).exists():
            return set()
        return {item["id"] for item in states.resources(self.state, STACK) if "Thing" in item["type"]}

    def locked(self) -> bool:
        """Say whether a lock was left."""
        return any((self.state / ".pulumi/locks/organization/proj/dev").glob("*.json"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process wrote survives its death without that, and there are hundreds of deaths here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.parametrize(("before", "operation", "after"), OPERATIONS)
def test_a_run_that_is_killed_anywhere_is_carried_on(
    tmp_path: Path, before: Program | None, operation: Operation, after: Program
) -> None:
    template = Place(tmp_path / "template")
    template.folder.mkdir()
    (template.folder / "world.json").write_text(json.dumps({"adopted-77": {"size": 1, "name": "adopted"}}))
    if before is not None:
        template.engine().up(STACK, before)

    for last in itertools.count():
        place = Place(tmp_path / str(last))
        shutil.copytree(template.folder, place.folder)
        if in_a_process(lambda place=place, last=last: operation(place.engine(last))) != KILLED:
            break
        carried_on(place, after)
        shutil.rmtree(place.folder)

    assert last > 10


def carried_on(place: Place, after: Program) -> None:
    """Go on after a kill, and check that all is as it should be."""
    if place.locked():
        with pytest.raises(ConcurrentUpdateError):
            place.engine().up(STACK, after)
        place.engine().cancel(STACK)
    if states.checkpoint_file(place.state, STACK).exists():
        states.assert_sound(place.state, STACK)

    place.engine().up(STACK, after)

    states.assert_sound(place.state, STACK)
    assert not states.latest(place.state, STACK).get("pending_operations")
    assert place.exists().keys() - {"adopted-77"} == place.recorded() - {"adopted-77"}
    assert len(set(states.names(place.state, STACK))) == len(states.names(place.state, STACK))
    assert place.engine().up(STACK, after).changes.keys() == {"same"}
