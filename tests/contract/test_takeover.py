"""Two engines, one state: what one wrote the other takes over, without a change, in both directions."""

from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from automation.adapters.automation_api.workers import Workers
from components.engines import AUTOMATION_API, EMBEDDED, ENGINES
from engine import StackRef
from engine.protocol import StackEngine
from tests.contract import programs
from tests.contract.conftest import needs_cli
from tests.contract.crashing import crash
from tests.contract.engines import make_engine, pending, recorded, states
from tests.contract.resources import Thing
from tests.contract.world import World
from tests.engine import s3server

pytestmark = needs_cli

CONFIG = {"config": {"testbed:region": "south"}, "secret_config": {"proj:token": "hidden"}}


@pytest.fixture(params=[(EMBEDDED, AUTOMATION_API), (AUTOMATION_API, EMBEDDED)], ids="-then-".join)
def pair(request: pytest.FixtureRequest, make: Callable[..., StackEngine]) -> tuple[StackEngine, StackEngine]:
    """The engine that writes first, and the one that takes over."""
    first, second = request.param
    return make(first), make(second)


def test_what_one_engine_deployed_is_the_same_to_the_other(
    pair: tuple[StackEngine, StackEngine], world: World, stack: StackRef
):
    first, second = pair
    world.put("seen", {"name": "seen", "value": 1})
    created = first.up(stack, programs.variety, **CONFIG)
    world.forget_calls()

    announced = second.preview(stack, programs.variety, **CONFIG)
    taken_over = second.up(stack, programs.variety, **CONFIG)
    back = first.preview(stack, programs.variety, **CONFIG)

    assert set(announced.changes) == set(taken_over.changes) == set(back.changes) == {"same"}
    assert not world.called("create", "update", "delete")
    assert taken_over.outputs == created.outputs == first.outputs(stack).values
    assert taken_over.secret_names == created.secret_names == {"token", "mixed"}


def test_both_engines_record_the_same(make: Callable[..., StackEngine], world: World):
    kept = {}
    for kind in (EMBEDDED, AUTOMATION_API):
        world.put("seen", {"name": "seen", "value": 1})
        stack = StackRef("proj", "dev")
        engine = make(kind)
        engine.up(stack, programs.variety, **CONFIG)
        kept[kind] = {item["urn"]: comparable(item) for item in states(engine, stack)}
        engine.destroy(stack)
        engine.remove(stack)

    assert kept[EMBEDDED] == kept[AUTOMATION_API]


def test_a_stack_is_changed_and_destroyed_by_turns(
    pair: tuple[StackEngine, StackEngine], world: World, stack: StackRef
):
    first, second = pair

    def program(value):
        def declare():
            a = Thing("a", value=value, forced=value // 2)
            pulumi.export("id", a.id)
            Thing("b", of=a.id, first=value // 3)

        return declare

    for value in range(6):
        engine = (first, second)[value % 2]
        engine.up(stack, program(value))
        assert recorded(engine, stack) == world.names == ["a", "b"]
    first.refresh(stack)
    assert second.preview(stack, program(5)).changes == {"same": 3}
    second.destroy(stack)
    assert world.names == []
    first.remove(stack)
    assert second.stacks(stack.project) == []


@pytest.mark.parametrize("pair", [(EMBEDDED, AUTOMATION_API), (AUTOMATION_API, EMBEDDED)], ids="-then-".join)
def test_what_one_engine_left_in_a_crash_the_other_brings_to_an_end(
    pair: tuple[str, str], make: Callable[..., StackEngine], root: Path, world: World, stack: StackRef
):
    crashed, other = pair
    engine = make(other)
    engine.up(stack, programs.two)
    crash(crashed, root, world, f"{programs.__name__}:two_changed", during=("update", "a"))
    assert pending(engine, stack) == [("updating", "a")]
    engine.cancel(stack)

    engine.up(stack, programs.two_changed)

    assert pending(engine, stack) == []
    assert {outputs["name"]: outputs.get("value") for outputs in world.resources.values()} == {
        "a": 2,
        "b": None,
    }


def test_states_in_a_bucket_are_shared_too(
    plugin_path: None, workers: Workers, world: World, stack: StackRef, monkeypatch: pytest.MonkeyPatch
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with s3server.running() as address:
        backend = s3server.fresh(address, "some/prefix")
        first, second = (make_engine(kind, backend, world, workers=workers) for kind in ENGINES)
        first.up(stack, programs.two)
        assert second.up(stack, programs.two_changed).changes == {"same": 2, "update": 1}
        assert first.preview(stack, programs.two_changed).changes == {"same": 3}
        second.destroy(stack)
        assert states(first, stack) == []
        assert second.cancel(stack) == 0
        second.close()


def comparable(item: dict) -> dict:
    """A recorded resource without what differs from run to run, or is free to be left out."""
    free = {"id", "created", "modified", "sourcePosition", "stackTrace", "provider", "inputs", "outputs"}
    kept = {key: value for key, value in item.items() if key not in free}
    if "dependencies" in kept:
        kept["dependencies"] = sorted(kept["dependencies"])
    kept["provider"] = item.get("provider", "").rpartition("::")[0]
    kept["inputs"], kept["outputs"] = shape(item.get("inputs")), shape(item.get("outputs"))
    return kept


def shape(value):
    """A value with what is encrypted or made up left out."""
    if isinstance(value, dict):
        return {
            key: "..." if key in ("ciphertext", "kept", "id", "of") and isinstance(item, str) else shape(item)
            for key, item in value.items()
        }
    return [shape(item) for item in value] if isinstance(value, list) else value
