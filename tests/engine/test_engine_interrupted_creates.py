"""A creation that nobody saw the end of is undone and made again, by providers that can find what it made."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import (
    BackendError,
    Cancellation,
    Engine,
    FileBackend,
    Options,
    StackRef,
    UpdateCanceled,
    UpdateFailed,
    threads,
)
from engine.provider import CreateResult, OutcomeUnknown, Properties, ProviderError
from tests.engine import states
from tests.engine.fake import FakeProvider, Thing, World

STACK = StackRef("proj", "dev")


class FindingProvider(FakeProvider):
    """Finds resources by their names, as a provider of Kubernetes objects does; a name is given once."""

    def create(
        self, *, urn: str, inputs: Properties, timeout: float | None = None, preview: bool = False
    ) -> CreateResult:
        if not preview and self.find_created(urn=urn, inputs=inputs) is not None:
            raise ProviderError("it exists already")
        return super().create(urn=urn, inputs=inputs, timeout=timeout, preview=preview)

    def find_created(self, *, urn: str, inputs: Properties) -> CreateResult | None:
        self._world.note("find", urn)
        name = urn.rsplit("::", 1)[-1]
        found = [id_ for id_ in self._world.resources if id_.rsplit("-", 1)[0] == name]
        return CreateResult(id=found[0], outputs=self._world.resources[found[0]]) if found else None


class Cut(FileBackend):
    """A folder that is lost once the world holds a resource, which therefore is never recorded."""

    def __init__(self, root: Path, world: World) -> None:
        super().__init__(root)
        self._world = world

    def write(self, key: str, data: bytes, *, durable: bool = True, forced: bool = True) -> None:
        if self._world.resources:
            raise BackendError("the power went out")
        super().write(key, data, durable=durable, forced=forced)


@pytest.fixture
def engine(root: Path, world: World) -> Engine:
    return Engine(FileBackend(root), {"fake": lambda: FindingProvider(world)})


@pytest.fixture
def cut(root: Path, world: World, engine: Engine) -> None:
    """A first update that was killed between the creation of `a` and its record."""
    with pytest.raises(UpdateFailed, match="power"):
        Engine(Cut(root, world), {"fake": lambda: FindingProvider(world)}).up(STACK, one)
    assert [op["type"] for op in states.latest(root, STACK)["pending_operations"]] == ["creating"]


def one() -> None:
    Thing("a", size=1)


def test_what_was_created_and_not_recorded_is_made_anew(
    engine: Engine, world: World, root: Path, cut: None
) -> None:
    engine.up(STACK, one)

    assert list(world.resources) == [states.named(root, STACK, "a")["id"]]
    assert world.names("delete") == ["a"]
    assert not states.latest(root, STACK).get("pending_operations")
    assert engine.up(STACK, one).changes.keys() == {"same"}


def test_a_creation_that_did_not_take_effect_is_forgotten(
    engine: Engine, world: World, root: Path, cut: None
) -> None:
    world.resources.clear()

    engine.up(STACK, one)

    assert world.names("delete") == []
    assert not states.latest(root, STACK).get("pending_operations")


def test_what_the_program_no_longer_wants_is_gone(engine: Engine, world: World, cut: None) -> None:
    engine.up(STACK, lambda: None)
    assert world.resources == {}


def test_a_destroy_takes_it_along(engine: Engine, world: World, cut: None) -> None:
    engine.destroy(STACK)
    assert world.resources == {}


def test_a_preview_deletes_nothing(engine: Engine, world: World, cut: None) -> None:
    engine.preview(STACK, one)
    assert len(world.resources) == 1


def test_without_knowing_what_was_made_nothing_else_is_done(
    engine: Engine, world: World, root: Path, cut: None
) -> None:
    world.fail("find", "a", "no answer")
    with pytest.raises(UpdateFailed, match="cannot undo its creation, which was cut off: no answer"):
        engine.up(STACK, one)
    assert [op["type"] for op in states.latest(root, STACK)["pending_operations"]] == ["creating"]


def test_what_is_recorded_is_never_taken_for_it(engine: Engine, world: World, root: Path) -> None:
    engine.up(STACK, one)
    operation = {"resource": states.named(root, STACK, "a"), "type": "creating"}
    path = states.checkpoint_file(root, STACK)
    document = json.loads(path.read_text())
    document["checkpoint"]["latest"]["pending_operations"] = [operation]
    path.write_text(json.dumps(document))

    engine.up(STACK, one)

    assert world.names("delete") == []
    assert list(world.resources) == [states.named(root, STACK, "a")["id"]]


def test_a_creation_without_an_answer_counts_as_cut_off(engine: Engine, world: World, root: Path) -> None:
    def no_answer(_: str, __: Properties) -> None:
        world.resources["a-7"] = {"name": "a"}
        raise OutcomeUnknown("no answer from the server")

    world.faults["create", "a"] = no_answer
    with pytest.raises(UpdateFailed, match="no answer from the server"):
        engine.up(STACK, one)
    world.heal()

    engine.up(STACK, one)

    assert list(world.resources) == [states.named(root, STACK, "a")["id"]]
    assert "a-7" not in world.resources


def test_resources_of_other_providers_stay_noted(world: World, root: Path, cut: None) -> None:
    engine = Engine(FileBackend(root), {"fake": world.provider})
    engine.up(STACK, one)
    assert len(states.latest(root, STACK)["pending_operations"]) == 1


def two() -> None:
    Thing("a")
    Thing("b")


@pytest.fixture
def cut_twice(root: Path, world: World, engine: Engine) -> None:
    """A first update that was killed while `a` and `b` were being created; both are there."""
    interrupted(engine, two)
    assert sorted(item["name"] for item in world.resources.values()) == ["a", "b"]


def interrupted(engine: Engine, program: Callable[[], None]) -> None:
    """Run an update of which no creation comes to an end that anybody sees."""
    world = engine._providers["fake"]()._world
    for name in ("a", "b"):
        world.faults["create", name] = lose_answer
    with pytest.raises(UpdateFailed):
        engine.up(STACK, program, options=Options(continue_on_error=True))
    for index, name in enumerate(("a", "b"), 70):
        world.resources[f"{name}-{index}"] = {"name": name}
    world.heal()
    world.calls.clear()


def lose_answer(*_: object) -> None:
    raise OutcomeUnknown("the connection broke")


def test_a_terminated_update_deletes_nothing_more_of_what_was_cut_off(
    engine: Engine, world: World, cut_twice: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is given back: another update may have made the object anew meanwhile."""
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.01)  # a thread ends as soon as its work does
    finding, go_on = threading.Event(), threading.Event()
    found_by: list[threading.Thread] = []

    def hang(*_: object) -> None:
        found_by.append(threading.current_thread())
        finding.set()
        assert go_on.wait(20)

    world.faults["find", "a"] = world.faults["find", "b"] = hang
    cancellation = Cancellation()
    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(engine.up, STACK, two, options=Options(cancellation=cancellation))
        assert finding.wait(20)
        cancellation.terminate()
        with pytest.raises(UpdateCanceled):
            update.result(20)

    go_on.set()
    found_by[0].join(20)

    assert len(world.names("find")) == 1
    assert world.names("delete") == []


def test_what_is_no_target_is_not_undone(engine: Engine, world: World, cut_twice: None) -> None:
    target = "urn:pulumi:dev::proj::fake:index:Thing::a"

    engine.up(STACK, two, options=Options(targets=(target,)))

    assert world.names("delete") == ["a"]
    assert engine.up(STACK, two).changes == {"same": 2, "create": 1}
