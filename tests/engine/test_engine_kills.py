"""A process that is killed (SIGKILL) at any write or call of any operation leaves a stack that can go on.

After `cancel` and one update world, state and program agree, and nothing is left over.
"""

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import ConcurrentUpdateError, Engine, StackRef, open_backend
from engine.backend import Backend
from engine.options import Options
from tests.engine import states
from tests.engine.fake import Group, Thing
from tests.engine.killing import KILLED, FileWorld, Moments, MortalBackend, engine_on, in_a_process

STACK = StackRef("proj", "dev")
ADOPTED = "adopted-77"
"""What exists before the stack does, and is imported by one of its programs."""
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
            Thing("adopted", Resource(import_=ADOPTED), size=1)
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
    """A backend by its address, and a folder with a world."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.world = folder / "world.json"
        self._url = url or str(folder / "state")
        self._opened: dict[int, Backend] = {}

    @property
    def backend(self) -> Backend:
        """The backend, opened anew in each process: connections cannot be shared."""
        process = os.getpid()
        if process not in self._opened:
            self._opened[process] = open_backend(self._url)
        return self._opened[process]

    def engine(self, last: int | None = None) -> Engine:
        """Return an engine whose process ends at a moment, if one is given."""
        moments, world = Moments(last), FileWorld(self.world)
        return engine_on(MortalBackend(self.backend, moments), world, moments, self.recorded)

    def exists(self) -> set[str]:
        """Return the ids of what exists in the world and is ours."""
        return json.loads(self.world.read_text()).keys() - {ADOPTED}

    def latest(self) -> dict[str, Any]:
        """Return the deployment in the checkpoint file; an empty one if there is none."""
        data = self.backend.read(STACK.checkpoint_key)
        return {} if data is None else json.loads(data)["checkpoint"]["latest"]

    def recorded(self) -> set[str]:
        """Return the ids of the recorded things."""
        return {item["id"] for item in self.latest().get("resources", []) if "Thing" in item["type"]}

    def locked(self) -> bool:
        """Say whether a lock was left."""
        return bool(self.backend.list(STACK.locks_folder))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process wrote survives its death without that, and there are hundreds of deaths here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.parametrize(("before", "operation", "after"), OPERATIONS)
def test_a_run_that_is_killed_anywhere_is_carried_on(
    tmp_path: Path, before: Program | None, operation: Operation, after: Program
) -> None:
    template = tmp_path / "template"
    begin(Place(template), before)

    for last in itertools.count():
        folder = tmp_path / str(last)
        shutil.copytree(template, folder)
        if not killed(Place(folder), operation, last):
            break
        carried_on(Place(folder), after)
        shutil.rmtree(folder)

    assert last > 10


def test_so_is_one_whose_state_is_in_a_bucket(tmp_path: Path, s3_url: str) -> None:
    """At every fifth moment: what differs from a folder is how a single file is written."""
    for last in itertools.count(step=5):
        place = Place(tmp_path / str(last), s3_url.replace("?", f"/{last}?"))
        begin(place, program())
        if not killed(place, up(EVERYTHING), last):
            break
        carried_on(place, EVERYTHING)

    assert last > 20


def begin(place: Place, before: Program | None) -> None:
    """Make a world with something to adopt, and a stack if there is to be one."""
    place.world.parent.mkdir()
    place.world.write_text(json.dumps({ADOPTED: {"size": 1, "name": "adopted"}}))
    if before is not None:
        place.engine().up(STACK, before)


def killed(place: Place, operation: Operation, last: int) -> bool:
    """Carry the operation out in a process that ends at a moment; say whether it came to that."""
    return in_a_process(lambda: operation(place.engine(last))) == KILLED


def carried_on(place: Place, after: Program) -> None:
    """Go on after a kill, and check that all is as it should be."""
    if place.locked():
        with pytest.raises(ConcurrentUpdateError):
            place.engine().up(STACK, after)
        place.engine().cancel(STACK)
    states.assert_in_order(place.latest().get("resources", []))

    place.engine().up(STACK, after)

    resources = place.latest()["resources"]
    states.assert_in_order(resources)
    assert "pending_operations" not in place.latest()
    assert place.exists() == place.recorded() - {ADOPTED}
    assert len({item["urn"] for item in resources}) == len(resources)
    assert place.engine().up(STACK, after).changes.keys() == {"same"}
