"""How many provider calls and writes of the state an update costs: no more than Pulumi, and none missing.

Pulumi writes the state before each create, update, delete, read and import, and after it, and once at the
end. Only the write before the call is needed: here the record of its outcome goes with the next write.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from engine import Engine, StackRef
from tests.engine.fake import Thing, World
from tests.engine.memory import MemoryBackend

STACK = StackRef("proj", "dev")
Options = pulumi.ResourceOptions
READS = ("check", "diff")


class Watched(MemoryBackend):
    """Notes with every write of the state which operations it says are pending, and what is recorded."""

    def __init__(self, world: World) -> None:
        super().__init__({})
        self.states: list[tuple[list[tuple[str, str]], int]] = []
        self.forced: list[bool] = []
        self._world = world

    def write(self, key: str, data: bytes, *, durable: bool = True, forced: bool = True) -> None:
        super().write(key, data, durable=durable, forced=forced)
        if key == STACK.checkpoint_key:
            latest = json.loads(data)["checkpoint"]["latest"]
            pending = [(op["type"], _name(op["resource"])) for op in latest.get("pending_operations", [])]
            self.states.append((pending, len(self._world.calls)))
            self.forced.append(forced)
            assert durable, "a state that may not survive is no protection"


@pytest.fixture
def watched(world: World) -> Watched:
    return Watched(world)


@pytest.fixture
def engine(watched: Watched, world: World) -> Engine:
    return Engine(watched, {"fake": world.provider}, parallel=1)


def chain(*names: str, **props: Any) -> Callable[[], None]:
    """Return a program in which each resource waits for the one before it."""

    def program() -> None:
        last: list[Any] = []
        for name in names:
            last = [Thing(name, Options(depends_on=last, **props.get("options", {})), **props.get(name, {}))]

    return program


def cost(engine: Engine, watched: Watched, world: World, change: Callable[[Engine], object]) -> Any:
    """Carry something out; return its calls, reads apart, and the pending operations of each write."""
    watched.states.clear()
    world.calls.clear()
    change(engine)
    calls = [call for call in world.calls if call[0] not in READS]
    return calls, [pending for pending, _ in watched.states]


def up(program: Callable[[], None]) -> Callable[[Engine], object]:
    return lambda engine: engine.up(STACK, program)


def test_a_creation_costs_one_call_and_one_write_before_it(
    engine: Engine, watched: Watched, world: World
) -> None:
    calls, writes = cost(engine, watched, world, up(chain("a", "b", "c")))

    assert calls == [("create", "a"), ("create", "b"), ("create", "c")]
    assert writes == [[("creating", "a")], [("creating", "b")], [("creating", "c")], []]


def test_an_update_that_changes_nothing_costs_no_call_and_no_write(
    engine: Engine, watched: Watched, world: World
) -> None:
    engine.up(STACK, chain("a", "b"))

    assert cost(engine, watched, world, up(chain("a", "b"))) == ([], [])
    assert Counter(call for call, _ in world.calls) == {"check": 2, "diff": 2}


def test_a_change_costs_the_calls_and_writes_of_what_changes_only(
    engine: Engine, watched: Watched, world: World
) -> None:
    engine.up(STACK, chain("a", "b", "c"))

    calls, writes = cost(engine, watched, world, up(chain("a", "b", "c", b={"size": 2})))

    assert calls == [("update", "b")]
    assert writes == [[("updating", "b")], []]


def test_a_replacement_costs_a_creation_and_a_deletion(
    engine: Engine, watched: Watched, world: World
) -> None:
    engine.up(STACK, chain("a", "b"))

    calls, writes = cost(engine, watched, world, up(chain("a", "b", b={"forced": 2})))

    assert calls == [("create", "b"), ("delete", "b")]
    assert writes == [[("creating", "b")], [("deleting", "b")], []]


def test_a_replacement_that_deletes_first_costs_the_same_in_the_other_order(
    engine: Engine, watched: Watched, world: World
) -> None:
    engine.up(STACK, chain("a", "b"))

    calls, writes = cost(engine, watched, world, up(chain("a", "b", b={"first": 2})))

    assert calls == [("delete", "b"), ("create", "b")]
    assert writes == [[("deleting", "b")], [("creating", "b")], []]


def test_a_deletion_costs_one_call_and_one_write_before_it(
    engine: Engine, watched: Watched, world: World
) -> None:
    engine.up(STACK, chain("a", "b", "c"))

    calls, writes = cost(engine, watched, world, up(chain("a")))

    assert calls == [("delete", "c"), ("delete", "b")]
    assert writes == [[("deleting", "c")], [("deleting", "b")], []]


def test_a_destroy_costs_a_call_and_a_write_for_each_resource(
    engine: Engine, watched: Watched, world: World
) -> None:
    engine.up(STACK, chain("a", "b"))

    calls, writes = cost(engine, watched, world, lambda engine: engine.destroy(STACK))

    assert calls == [("delete", "b"), ("delete", "a")]
    assert writes == [[("deleting", "b")], [("deleting", "a")], []]


def test_a_refresh_costs_one_read_each_and_a_write_only_for_changes(
    engine: Engine, watched: Watched, world: World
) -> None:
    engine.up(STACK, chain("a", "b"))
    unchanged = cost(engine, watched, world, lambda engine: engine.refresh(STACK))
    [lost] = [id_ for id_ in world.resources if id_.startswith("b")]
    del world.resources[lost]

    calls, writes = cost(engine, watched, world, lambda engine: engine.refresh(STACK))

    assert (sorted(unchanged[0]), unchanged[1]) == ([("read", "a"), ("read", "b")], [])
    assert (sorted(calls), writes) == ([("read", "a"), ("read", "b")], [[]])


def test_no_call_that_changes_something_is_made_before_it_is_on_the_disk(
    engine: Engine, watched: Watched, world: World
) -> None:
    """Pulumi's rule for crash safety, seen from the calls: each finds itself in the last written state."""
    seen: list[tuple[str, str]] = []

    def look(call: str, name: str) -> None:
        def behave(_: str, __: Any) -> None:
            seen.append((call, name))
            pending, _calls = watched.states[-1]
            assert ({"create": "creating", "update": "updating", "delete": "deleting"}[call], name) in pending

        world.faults[call, name] = behave

    for call in ("create", "update", "delete"):
        for name in ("a", "b", "c"):
            look(call, name)

    engine.up(STACK, chain("a", "b", "c"))
    engine.up(STACK, chain("a", "b", "c", a={"size": 2}, b={"forced": 2}, c={"first": 2}))
    engine.destroy(STACK)

    assert Counter(call for call, _ in seen) == {"create": 5, "update": 1, "delete": 5}


def _name(item: dict[str, Any]) -> str:
    return str(item["urn"]).rsplit("::", 1)[-1]


def test_an_operation_ends_when_the_disk_is_sure_to_have_its_last_state(
    engine: Engine, watched: Watched, world: World
) -> None:
    engine.up(STACK, chain("a", "b"))

    assert watched.forced == [False, False, True]
