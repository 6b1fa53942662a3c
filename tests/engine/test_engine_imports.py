"""`import_`: a resource that exists already is taken over, and brought to what the program says."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Engine, StackRef, UpdateFailed
from engine.provider import ReadResult
from tests.engine import states
from tests.engine.fake import FakeProvider, Thing, World

Options = pulumi.ResourceOptions


@pytest.fixture
def existing(world: World) -> str:
    """A resource that nobody recorded; its id."""
    world.resources["a-0"] = {"size": 1, "name": "a"}
    return "a-0"


def thing(import_: str | None = None, **props: Any) -> Any:
    """Return a program with one resource, imported from that id."""
    return lambda: Thing("a", Options(import_=import_), **props)


def test_an_import_records_what_is_there_and_creates_nothing(
    engine: Engine, stack: StackRef, world: World, root: Path, existing: str
) -> None:
    result = engine.up(stack, thing(existing, size=1))

    assert result.changes == {"create": 1, "import": 1}
    recorded = states.named(root, stack, "a")
    assert (recorded["id"], recorded["importID"], recorded["inputs"]) == (existing, existing, {"size": 1})
    assert recorded["created"] == recorded["modified"]
    assert world.names("create") == world.names("update") == []
    states.assert_sound(root, stack)


def test_an_imported_resource_is_the_same_with_and_without_the_option(
    engine: Engine, stack: StackRef, world: World, existing: str
) -> None:
    engine.up(stack, thing(existing, size=1))

    assert engine.up(stack, thing(existing, size=1)).changes == {"same": 2}
    assert engine.up(stack, thing(size=1)).changes == {"same": 2}
    assert list(world.resources) == [existing]


def test_a_difference_is_an_update_in_the_same_run(
    engine: Engine, stack: StackRef, world: World, root: Path, existing: str
) -> None:
    preview = engine.preview(stack, thing(existing, size=2))
    assert world.names("update") == []
    result = engine.up(stack, thing(existing, size=2))

    assert result.changes == preview.changes == {"create": 1, "import": 1, "update": 1}
    assert world.resources[existing]["size"] == 2
    assert states.named(root, stack, "a")["inputs"] == {"size": 2}
    assert states.names(root, stack).count("a") == 1


def test_what_is_not_there_cannot_be_imported(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    with pytest.raises(UpdateFailed, match="'nothing' does not exist"):
        engine.up(stack, thing("nothing"))

    assert states.names(root, stack) == ["proj-dev", "default"]
    assert "pending_operations" not in states.latest(root, stack)


def test_a_provider_that_tells_no_inputs_cannot_import(engine: Engine, stack: StackRef, world: World) -> None:
    world.resources["a-0"] = {"name": "a"}

    with pytest.raises(UpdateFailed, match="does not support importing"):
        engine.up(stack, thing("a-0", size=1))


def test_an_import_that_would_be_replaced_is_refused_and_stays_recorded(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.resources["a-0"] = {"forced": 1, "name": "a"}

    with pytest.raises(UpdateFailed, match="may not be replaced"):
        engine.up(stack, thing("a-0", forced=2))

    assert list(world.resources) == ["a-0"]
    assert states.named(root, stack, "a")["inputs"] == {"forced": 1}
    assert engine.preview(stack, thing("a-0", forced=2)).changes == {"same": 1, "replace": 1}


def test_another_id_replaces_the_recorded_resource(
    engine: Engine, stack: StackRef, world: World, root: Path, existing: str
) -> None:
    engine.up(stack, thing(size=1))

    result = engine.up(stack, thing(existing, size=1))

    assert result.changes == {"same": 1, "replace": 1}
    assert [step.op for step in result.steps if step.urn.endswith("::a")] == [
        "import-replacement",
        "replace",
        "delete-replaced",
    ]
    assert list(world.resources) == [existing]
    assert states.named(root, stack, "a")["id"] == existing


def test_a_resource_that_was_only_read_is_taken_over(
    engine: Engine, stack: StackRef, world: World, root: Path, existing: str
) -> None:
    engine.up(stack, lambda: Thing("a", Options(id=existing)))

    result = engine.up(stack, thing(existing, size=1))

    assert result.changes == {"same": 1, "replace": 1}
    assert "external" not in states.named(root, stack, "a")
    assert list(world.resources) == [existing]


def test_secrets_of_an_import_stay_secret(engine: Engine, stack: StackRef, world: World, root: Path) -> None:
    world.resources["a-0"] = {"key": "s3cr3t", "token": "hidden", "name": "a"}

    engine.up(
        stack,
        lambda: Thing(
            "a",
            Options(import_="a-0", additional_secret_outputs=["token"]),
            key=pulumi.Output.secret("s3cr3t"),
            token="hidden",
        ),
    )

    assert "ciphertext" in states.named(root, stack, "a")["outputs"]["token"]
    assert "s3cr3t" not in states.checkpoint_file(root, stack).read_text()


def test_an_unready_import_is_recorded_with_its_reasons_and_updated(
    engine: Engine, stack: StackRef, world: World, root: Path, existing: str
) -> None:
    world.unready["a"] = ("no endpoints",)

    result = engine.up(stack, thing(existing, size=1))

    assert result.changes == {"create": 1, "import": 1, "update": 1}
    assert world.names("update") == ["a"]


def test_ignored_changes_of_an_import_keep_what_is_there(
    engine: Engine, stack: StackRef, world: World, existing: str
) -> None:
    engine.up(stack, lambda: Thing("a", Options(import_=existing, ignore_changes=["size"]), size=5))

    assert world.resources[existing]["size"] == 1
    assert world.names("update") == []


def test_importing_the_recorded_resource_by_another_spelling_of_its_id_does_not_delete_it(
    engine: Engine, stack: StackRef, world: World, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = FakeProvider.read

    def lenient(self: FakeProvider, *, id: str, **more: Any) -> ReadResult:
        return read(self, id=id.removeprefix("default/"), **more)

    monkeypatch.setattr(FakeProvider, "read", lenient)
    engine.up(stack, thing(size=1))
    [existing] = world.resources

    result = engine.up(stack, thing(f"default/{existing}", size=1))

    assert result.changes == {"same": 1, "import": 1}
    assert list(world.resources) == [existing]
    assert states.named(root, stack, "a")["id"] == existing
    assert engine.up(stack, thing(f"default/{existing}", size=1)).changes == {"same": 2}
