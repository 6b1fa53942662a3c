"""Stacks are made, listed, renamed, exported, imported and removed; none is ever lost on the way."""

import contextlib
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import (
    ABSENT,
    BackendError,
    CheckpointRefused,
    ConcurrentUpdateError,
    Engine,
    EngineError,
    FileBackend,
    IncorrectPassphrase,
    StackAlreadyExists,
    StackNotFound,
    StackRef,
    crypto,
)
from tests.engine import states
from tests.engine.fake import Group, Thing, World

NEW = StackRef("proj", "prod")


def family() -> None:
    """Have every kind of reference in the state: parent, provider, dependencies, deletedWith, values."""
    group = Group("group")
    first = Thing("first", pulumi.ResourceOptions(parent=group), size=1)
    second = Thing("second", pulumi.ResourceOptions(depends_on=[first], deleted_with=first), of=first.id)
    Thing("third", pulumi.ResourceOptions(replace_with=[second]), ref=first)
    pulumi.export("id", second.id)


class Failing(FileBackend):
    """A folder whose calls that change it fail from the n-th on."""

    def __init__(self, root: Path, calls: int) -> None:
        super().__init__(root)
        self._left = calls

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise BackendError("the disk is gone")

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


def test_a_new_stack_is_the_smallest_checkpoint(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.init(stack)

    document = json.loads(states.checkpoint_file(root, stack).read_text())
    assert document["version"] == 3
    assert document["checkpoint"]["stack"] == "organization/proj/dev"
    assert set(document["checkpoint"]["latest"]) == {"manifest", "metadata"}
    assert engine.outputs(stack).version == ABSENT
    assert engine.history(stack) == []
    assert engine.up(stack, lambda: Thing("a"), expect=ABSENT).changes == {"create": 2}


def test_a_name_that_is_taken_is_refused_in_pulumis_words(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, family)
    engine.init(NEW)

    for attempt in (
        lambda: engine.init(stack),
        lambda: engine.rename(NEW, stack),
        lambda: engine.rename(stack, stack),
    ):
        with pytest.raises(StackAlreadyExists, match="stack 'organization/proj/dev' already exists"):
            attempt()
    assert engine.up(stack, family).changes == {"same": 5}


def test_a_given_salt_record_is_that_of_new_stacks(root: Path, stack: StackRef) -> None:
    """The configuration file has one already; Pulumi expects the same in both places."""
    salt = crypto.new_state("word")
    engine = Engine(FileBackend(root), {}, passphrase="word", salt=salt)

    engine.init(stack)

    assert states.latest(root, stack)["secrets_providers"] == {"type": "passphrase", "state": {"salt": salt}}
    token = engine.secrets(stack).encrypt("hello")
    assert crypto.decrypt(crypto.open_state("word", salt), token) == "hello"


def test_a_renamed_stack_is_the_same_stack(engine: Engine, stack: StackRef, world: World, root: Path) -> None:
    engine.up(stack, family, message="first")
    (root / ".pulumi/stacks/proj/dev.pulumi-tags").write_text('{"version":1,"tags":{"a":"b"}}')
    world.calls.clear()

    engine.rename(stack, NEW)

    states.assert_sound(root, NEW)
    assert "::dev::" not in (text := states.checkpoint_file(root, NEW).read_text())
    assert "urn:pulumi:dev::" not in text
    assert engine.stacks("proj") == ["prod"]
    assert [entry["message"] for entry in engine.history(NEW)] == ["first"]
    assert engine.history(stack) == []
    names = sorted(path.name for path in (root / ".pulumi/history/proj/prod").iterdir())
    assert [name.split("-")[0] for name in names] == ["prod", "prod"]
    assert (root / ".pulumi/stacks/proj/prod.pulumi-tags").exists()
    assert not (root / ".pulumi/stacks/proj/dev.pulumi-tags").exists()
    assert (root / ".pulumi/stacks/proj/dev.json.bak").exists()
    assert engine.up(NEW, family).changes == {"same": 5}
    assert world.names("create") == []
    with pytest.raises(StackNotFound):
        engine.rename(stack, NEW)


def test_a_stack_can_move_to_another_project(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, family)
    elsewhere = StackRef("other", "dev")

    engine.rename(stack, elsewhere)

    assert states.names(root, elsewhere)[0] == "other-dev"
    assert engine.up(elsewhere, family).changes == {"same": 5}


def test_a_rename_needs_no_passphrase(root: Path, stack: StackRef, world: World) -> None:
    engine = Engine(FileBackend(root), {"fake": world.provider}, passphrase="word")
    engine.up(stack, lambda: pulumi.export("word", pulumi.Output.secret("hidden")))

    Engine(FileBackend(root), {}).rename(stack, NEW)

    assert engine.outputs(NEW).values == {"word": "hidden"}


def test_both_stacks_are_locked_while_one_becomes_the_other(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    engine.up(stack, family)
    for name in ("dev", "prod"):
        folder = root / ".pulumi/locks/organization/proj" / name
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / "1.json"
        lock.write_text('{"pid":1,"username":"ann","hostname":"h","timestamp":"2026-01-01T00:00:00Z"}')
        with pytest.raises(ConcurrentUpdateError, match="created by ann@h"):
            engine.rename(stack, NEW)
        lock.unlink()

    assert engine.stacks("proj") == ["dev"]


def test_a_rename_that_is_cut_off_anywhere_can_be_made_again(tmp_path: Path, world: World) -> None:
    stack = StackRef("proj", "dev")
    for calls in range(100):
        folder = tmp_path / str(calls)
        engine = Engine(FileBackend(folder), {"fake": world.provider})
        engine.up(stack, family)
        with contextlib.suppress(BackendError):
            Engine(Failing(folder, calls), {}).rename(stack, NEW)
            break
        for ref in (stack, NEW):
            engine.cancel(ref)
        here = stack if "dev" in engine.stacks("proj") else NEW
        if here == stack:
            engine.rename(stack, NEW)
        assert engine.stacks("proj") == ["prod"], calls
        assert len(engine.history(NEW)) == 1, calls
        assert engine.up(NEW, family).changes == {"same": 5}, calls
    assert calls > 5


def test_stacks_are_listed_with_what_they_are_like(engine: Engine, root: Path) -> None:
    before = datetime.datetime.now(datetime.UTC)
    engine.up(StackRef("proj", "b"), family)
    engine.init(StackRef("proj", "a"))
    engine.up(StackRef("other", "c"), lambda: Thing("x"))
    lock = root / ".pulumi/locks/organization/proj/b/1.json"
    lock.write_text("{}")

    found = engine.list_stacks()

    assert [(str(item.ref), item.resource_count, item.locked) for item in found] == [
        ("other/c", 3, False),
        ("proj/a", 0, False),
        ("proj/b", 6, True),
    ]
    assert all(item.last_update and item.last_update >= before for item in found)
    assert [item.ref.name for item in engine.list_stacks("proj")] == ["a", "b"]
    assert engine.list_stacks("none") == []


def test_what_is_no_stack_is_not_listed(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.init(stack)
    for name in (
        "proj/dev.json.bak",
        "proj/no stack.json",
        "proj/notes.txt",
        "no project/x.json",
        ".DS_Store",
    ):
        path = root / ".pulumi/stacks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("?")

    assert [str(item.ref) for item in engine.list_stacks()] == ["proj/dev"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-08-01T10:00:00.123456789+02:00", "2026-08-01T08:00:00.123456+00:00"),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_the_moment_of_the_last_update_is_what_the_manifest_says(
    engine: Engine, stack: StackRef, root: Path, text: str, moment: str | None
) -> None:
    engine.init(stack)
    path = states.checkpoint_file(root, stack)
    document = json.loads(path.read_text())
    document["checkpoint"]["latest"]["manifest"]["time"] = text
    path.write_text(json.dumps(document))

    [found] = engine.list_stacks("proj")

    assert found.last_update == (moment and datetime.datetime.fromisoformat(moment))


def test_a_stack_with_nothing_but_itself_is_removed(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, lambda: None)
    assert len(engine.resources(stack)) == 1

    engine.remove(stack)

    assert engine.stacks("proj") == []


def test_backups_go_with_the_stack_where_that_is_wanted(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, lambda: Thing("a"))

    engine.remove(stack, force=True, remove_backups=True)

    assert [path.name for path in root.rglob("*") if path.is_file()] == ["meta.yaml"]


def test_history_is_read_in_pages(engine: Engine, stack: StackRef) -> None:
    for number in range(5):
        engine.up(stack, lambda: Thing("a"), message=str(number))

    def page(number: int) -> list[str]:
        return [entry["message"] for entry in engine.history(stack, page_size=2, page=number)]

    assert [page(1), page(2), page(3), page(4)] == [["4", "3"], ["2", "1"], ["0"], []]
    assert page(0) == page(1)


def test_history_tells_who_deployed_and_what_failed(root: Path, stack: StackRef, world: World) -> None:
    engine = Engine(
        FileBackend(root), {"fake": world.provider}, environment={"git.head": "abc", "exec.kind": "cli"}
    )
    world.fail("create", "b")

    with pytest.raises(EngineError):
        engine.up(stack, lambda: (Thing("a"), Thing("b")), message="two", secret_config={"proj:key": "word"})

    [entry] = engine.history(stack)
    assert entry["environment"] == {"git.head": "abc", "exec.kind": "cli"}
    assert (entry["result"], entry["message"]) == ("failed", "two")
    assert set(entry["config"]["proj:key"]) == {"secure"}
    assert engine.secrets(stack).decrypt(entry["config"]["proj:key"]["secure"]) == "word"


def test_an_export_can_show_secrets_and_be_imported_again(root: Path, stack: StackRef, world: World) -> None:
    engine = Engine(FileBackend(root), {"fake": world.provider}, passphrase="word")

    def program() -> None:
        Thing("a", word=pulumi.Output.secret("hidden"), nested=[pulumi.Output.secret({"x": 1})])

    engine.up(stack, program)
    assert "hidden" not in json.dumps(engine.export(stack))

    shown = engine.export(stack, show_secrets=True)

    assert '{"plaintext": "\\"hidden\\""' in json.dumps(shown).replace(
        '"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", ', ""
    )
    assert engine.import_deployment(stack, shown) == ()
    assert "hidden" not in states.checkpoint_file(root, stack).read_text()
    assert engine.up(stack, program).changes == {"same": 2}


def imported(engine: Engine, stack: StackRef, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return the stack's export with something done to its deployment."""
    exported = engine.export(stack)
    change(exported["deployment"])
    return exported


def test_what_is_dangerous_is_imported_by_force_only(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, family)
    before = states.checkpoint_file(root, stack).read_bytes()
    broken = imported(engine, stack, lambda deployment: deployment["resources"].pop(2))

    with pytest.raises(CheckpointRefused, match=r"breaks an invariant: .* Importing this could be dangerous"):
        engine.import_deployment(stack, broken)
    assert states.checkpoint_file(root, stack).read_bytes() == before

    [warning] = engine.import_deployment(stack, broken, force=True)
    assert "breaks an invariant" in warning
    assert len(states.resources(root, stack)) == 5


def test_resources_of_another_stack_are_imported_by_force_only(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    engine.up(stack, lambda: Thing("a"))
    exported = engine.export(stack)

    with pytest.raises(CheckpointRefused, match="belongs to proj/dev, not to proj/prod"):
        engine.import_deployment(NEW, exported)
    assert engine.stacks("proj") == ["dev"]

    assert len(engine.import_deployment(NEW, exported, force=True)) == 3
    assert states.names(root, NEW) == states.names(root, stack)


def test_an_import_tells_which_pending_operations_it_drops(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, lambda: Thing("a"))
    exported = imported(
        engine,
        stack,
        lambda deployment: deployment.update(
            pending_operations=[{"resource": deployment["resources"][2], "type": "creating"}]
        ),
    )

    [warning] = engine.import_deployment(stack, exported)

    assert warning.startswith("removing pending operation 'creating' on 'urn:pulumi:dev::proj::fake:index")
    assert "pending_operations" not in engine.export(stack)["deployment"]


def secret_program() -> None:
    Thing("a", word=pulumi.Output.secret("hidden"), list=[pulumi.Output.secret(["deep", {"er": 1}])])
    pulumi.export("word", pulumi.Output.secret("exported"))


def test_a_passphrase_is_changed(root: Path, stack: StackRef, world: World) -> None:
    old = Engine(FileBackend(root), {"fake": world.provider}, passphrase="old")
    old.up(stack, secret_program)
    ciphertexts = states.checkpoint_file(root, stack).read_text()

    record = old.change_passphrase(stack, "new")

    new = Engine(FileBackend(root), {"fake": world.provider}, passphrase="new")
    assert new.outputs(stack).values == {"word": "exported"}
    assert new.up(stack, secret_program).changes == {"same": 2}
    assert new.secrets(stack).state == record
    with pytest.raises(IncorrectPassphrase):
        old.outputs(stack)
    after = states.checkpoint_file(root, stack).read_text()
    assert not {part for part in ciphertexts.split('"') if part.startswith("v1:")} & set(after.split('"'))


def test_a_passphrase_is_changed_by_who_knows_it_only(root: Path, stack: StackRef, world: World) -> None:
    engine = Engine(FileBackend(root), {"fake": world.provider}, passphrase="old")
    engine.up(stack, secret_program)
    before = states.checkpoint_file(root, stack).read_bytes()

    with pytest.raises(IncorrectPassphrase):
        Engine(FileBackend(root), {}, passphrase="guessed").change_passphrase(stack, "new")

    assert states.checkpoint_file(root, stack).read_bytes() == before


def test_a_stack_without_secrets_gets_its_first_passphrase(
    engine: Engine, stack: StackRef, root: Path, world: World
) -> None:
    engine.up(stack, lambda: Thing("a"))

    record = engine.change_passphrase(stack, "new")

    assert states.latest(root, stack)["secrets_providers"]["state"] == {"salt": record}
    new = Engine(FileBackend(root), {"fake": world.provider}, passphrase="new")
    new.up(stack, secret_program)
    assert new.outputs(stack).values == {"word": "exported"}


@pytest.mark.parametrize("operation", ["up", "destroy", "refresh", "init", "remove", "import"])
def test_a_backend_that_fails_at_any_call_leaves_a_sound_state(
    tmp_path: Path, world: World, stack: StackRef, operation: str
) -> None:
    """Each call that changes a file fails in turn, and all after it."""
    for calls in range(100):
        folder = tmp_path / str(calls)
        healthy = Engine(FileBackend(folder), {"fake": world.provider})
        if operation != "init":
            healthy.up(stack, family)
        exported = None if operation == "init" else healthy.export(stack)
        failing = Engine(Failing(folder, calls), {"fake": world.provider})
        actions: dict[str, Callable[[], object]] = {
            "up": lambda failing=failing: failing.up(stack, lambda: Thing("other")),
            "destroy": lambda failing=failing: failing.destroy(stack),
            "refresh": lambda failing=failing: failing.refresh(stack),
            "init": lambda failing=failing: failing.init(stack),
            "remove": lambda failing=failing: failing.remove(stack, force=True),
            "import": lambda failing=failing, exported=exported: failing.import_deployment(
                stack, exported or {}
            ),
        }
        failed = True
        with contextlib.suppress(EngineError):
            actions[operation]()
            failed = False

        healthy.cancel(stack)
        if stack.name in healthy.stacks("proj"):
            states.assert_sound(folder, stack)
            healthy.outputs(stack)
        assert not list(folder.rglob("*.tmp"))
        if not failed:
            break
    assert 2 < calls < 99
