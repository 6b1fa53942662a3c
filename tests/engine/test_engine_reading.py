"""Resources that are read, not managed: `.get`, how they become managed and the other way round."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Engine, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import Thing, World

Options = pulumi.ResourceOptions


@pytest.fixture
def existing(world: World) -> str:
    """A resource that nobody manages; its id."""
    world.resources["a-0"] = {"size": 1, "name": "a"}
    return "a-0"


def get(id_: Any) -> Any:
    """Return a program that reads `a`."""
    return lambda: Thing("a", Options(id=id_))


def ops(result: Any) -> list[str]:
    """Return what was done to `a`."""
    return [step.op for step in result.steps if step.urn.endswith("::a")]


def test_a_read_counts_only_if_what_it_found_changed(
    engine: Engine, stack: StackRef, world: World, root: Path, existing: str
) -> None:
    assert engine.up(stack, get(existing)).changes == {"create": 1, "read": 1}
    assert "created" not in states.named(root, stack, "a")
    assert engine.up(stack, get(existing)).changes == {"same": 1}

    world.resources[existing]["size"] = 2

    assert engine.up(stack, get(existing)).changes == {"same": 1, "read": 1}
    assert "modified" in states.named(root, stack, "a")


def test_what_was_read_is_dropped_without_a_call(
    engine: Engine, stack: StackRef, world: World, existing: str
) -> None:
    engine.up(stack, get(existing))

    assert engine.up(stack, lambda: None).changes == {"same": 1, "discard": 1}

    assert world.names("delete") == []


def test_a_managed_resource_takes_the_place_of_one_that_was_read(
    engine: Engine, stack: StackRef, world: World, root: Path, existing: str
) -> None:
    engine.up(stack, get(existing))

    result = engine.up(stack, lambda: Thing("a", size=1))

    assert ops(result) == ["create-replacement", "replace", "discard-replaced"]
    assert world.names("delete") == []
    assert set(world.resources) == {existing, states.named(root, stack, "a")["id"]}


def test_reading_another_id_replaces_the_managed_resource(
    engine: Engine, stack: StackRef, world: World, root: Path, existing: str
) -> None:
    engine.up(stack, lambda: Thing("a", size=1))

    result = engine.up(stack, get(existing))

    assert ops(result) == ["read-replacement", "replace", "delete-replaced"]
    assert result.changes == {"same": 1, "replace": 1}
    assert list(world.resources) == [existing]


def test_reading_its_own_id_gives_a_managed_resource_up(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, lambda: Thing("a", size=1))

    engine.up(stack, get("a-1"))
    engine.destroy(stack)

    assert world.names("delete") == []
    assert list(world.resources) == ["a-1"]


def test_an_id_that_a_preview_does_not_know_yet_is_not_read(
    engine: Engine, stack: StackRef, world: World
) -> None:
    seen: list[str] = []

    def program() -> None:
        found = Thing("found", Options(id=Thing("made").id))
        found.name.apply(seen.append)

    result = engine.preview(stack, program)

    assert world.names("read") == []
    assert seen == []
    assert result.changes == {"create": 2, "read": 1}


def test_a_read_happens_in_previews_too(engine: Engine, stack: StackRef, world: World, existing: str) -> None:
    engine.preview(stack, get(existing))
    with pytest.raises(UpdateFailed, match="nothing"):
        engine.preview(stack, get("nothing"))

    assert world.names("read") == ["a", "a"]


def test_outputs_of_a_read_can_be_secret(engine: Engine, stack: StackRef, world: World, root: Path) -> None:
    world.resources["a-0"] = {"token": "s3cr3t", "name": "a"}

    engine.up(stack, lambda: Thing("a", Options(id="a-0", additional_secret_outputs=["token"])))

    assert "s3cr3t" not in states.checkpoint_file(root, stack).read_text()


def test_children_of_a_renamed_component_are_read_under_their_new_name(
    engine: Engine, stack: StackRef, world: World, root: Path, existing: str
) -> None:
    class Holder(pulumi.ComponentResource):
        def __init__(self, kind: str, opts: Options | None = None) -> None:
            super().__init__(kind, "h", None, opts)
            Thing("a", Options(parent=self, id=existing))

    engine.up(stack, lambda: Holder("x:y:Old"))
    result = engine.up(stack, lambda: Holder("x:y:New", Options(aliases=[pulumi.Alias(type_="x:y:Old")])))

    assert result.changes == {"same": 2}
    assert states.names(root, stack).count("a") == 1
