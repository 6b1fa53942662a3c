"""Files of a backend: Pulumi's layout, locks, history, and what other writers leave there."""

import datetime
import gzip
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import (
    ABSENT,
    BackendError,
    CheckpointRefused,
    ConcurrentUpdateError,
    Engine,
    EngineError,
    FileBackend,
    StackMoved,
    StackNotFound,
    StackRef,
)
from tests.engine import states
from tests.engine.fake import Thing, World


def one(size: int = 1) -> Callable[[], object]:
    """Return a program with one resource."""
    return lambda: Thing("a", size=size)


def files(root: Path) -> set[str]:
    """Return the relative paths of all files, with identifiers and times replaced."""
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {re.sub(r"\d{19}", "<ns>", path) for path in found}


def test_the_layout_is_pulumis(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, one())

    assert files(root) == {
        ".pulumi/meta.yaml",
        ".pulumi/stacks/proj/dev.json",
        ".pulumi/stacks/proj/dev.json.bak",
        ".pulumi/history/proj/dev/dev-<ns>.history.json",
        ".pulumi/history/proj/dev/dev-<ns>.checkpoint.json",
        ".pulumi/backups/proj/dev/dev.<ns>.json",
    }
    assert (root / ".pulumi/meta.yaml").read_bytes() == b"version: 1\n"
    assert b"\n" not in states.checkpoint_file(root, stack).read_bytes()


def test_the_backup_is_the_state_before_the_last_write(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, one(1))
    before = states.checkpoint_file(root, stack).read_bytes()

    engine.destroy(stack)

    written = json.loads((root / ".pulumi/stacks/proj/dev.json.bak").read_bytes())
    assert "pending_operations" in written["checkpoint"]["latest"]
    copies = sorted((root / ".pulumi/backups/proj/dev").iterdir())
    assert copies[0].read_bytes() == before


def test_history_tells_what_was_done_newest_first(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, one(1), message="first", config={"proj:x": "1"})
    engine.up(stack, one(2))
    engine.refresh(stack)
    engine.destroy(stack)

    entries = engine.history(stack)

    assert [entry["kind"] for entry in entries] == ["destroy", "refresh", "update", "update"]
    last = entries[-1]
    assert (last["message"], last["config"], last["result"], last["version"]) == (
        "first",
        {"proj:x": "1"},
        "succeeded",
        0,
    )
    assert last["resourceChanges"] == {"create": 2}
    assert last["startTime"] <= last["endTime"]


def test_only_the_newest_history_is_kept_where_a_limit_is_set(world: World, root: Path) -> None:
    engine = Engine(FileBackend(root), {"fake": world.provider}, history_limit=2)
    stack = StackRef("proj", "dev")
    for message in ("one", "two", "three", "four"):
        engine.up(stack, one(), message=message)

    assert [entry["message"] for entry in engine.history(stack)] == ["four", "three"]
    kept = [path for folder in ("history", "backups") for path in (root / ".pulumi" / folder).rglob("*.json")]
    assert len(kept) == 2 * 3


def test_a_locked_stack_is_refused_with_the_locks_owner(
    engine: Engine, stack: StackRef, root: Path, world: World
) -> None:
    engine.up(stack, one())
    folder = root / ".pulumi/locks/organization/proj/dev"
    content = {"pid": 7, "username": "ann", "hostname": "vm", "timestamp": "2026-01-01T00:00:00Z"}
    (folder / "11111111-2222-3333-4444-555555555555.json").write_text(json.dumps(content))

    for operation in (
        lambda: engine.up(stack, one(2)),
        lambda: engine.refresh(stack),
        lambda: engine.remove(stack),
    ):
        with pytest.raises(ConcurrentUpdateError) as refusal:
            operation()
        text = str(refusal.value)
        assert text.startswith(
            "the stack is currently locked by 1 lock(s). Either wait for the other process(es)"
        )
        assert (
            f"file://{folder}/11111111-2222-3333-4444-555555555555.json: created by ann@vm (pid 7) at 2026"
            in text
        )

    assert engine.outputs(stack).version != ABSENT
    assert engine.cancel(stack) == 1
    assert engine.up(stack, one(2)).changes == {"same": 1, "update": 1}


def dead_pid() -> int:
    """Return the number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("lock", "broken"),
    [
        pytest.param({}, 1, id="a process of this host that has ended"),
        pytest.param({"pid": 1}, 0, id="a process of this host that lives"),
        pytest.param({"pid": os.getpid()}, 1, id="our own number, from an earlier life"),
        pytest.param({"hostname": "elsewhere"}, 0, id="another host"),
        pytest.param({"hostname": "elsewhere", "age": 1000}, 1, id="too old"),
        pytest.param({"hostname": "elsewhere", "age": 100, "leaseSeconds": 60}, 1, id="not touched for long"),
        pytest.param({"pid": 1, "age": 100, "leaseSeconds": 60}, 0, id="of a process that is seen to live"),
        pytest.param({"pid": 1, "age": 1000, "leaseSeconds": 60}, 1, id="too old even so"),
        pytest.param({"hostname": "elsewhere", "age": 30, "leaseSeconds": 60}, 0, id="touched of late"),
        pytest.param({"hostname": "elsewhere", "age": 100}, 0, id="of the CLI, which touches none"),
        pytest.param({"hostname": "elsewhere", "age": 100, "leaseSeconds": "60 s"}, 0, id="unreadable"),
        pytest.param({"pid": "?"}, 0, id="of nobody knows whom"),
    ],
)
def test_only_abandoned_locks_are_broken(
    engine: Engine, stack: StackRef, root: Path, lock: dict[str, Any], broken: int
) -> None:
    """`age` is that of the file: what its holder's clock said does not count."""
    engine.up(stack, one())
    folder = root / ".pulumi/locks/organization/proj/dev"
    folder.mkdir(parents=True, exist_ok=True)
    ahead = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)).isoformat()
    owner = {"pid": dead_pid(), "username": "ann", "hostname": socket.gethostname(), "timestamp": ahead}
    (folder / "1.json").write_text(json.dumps({**owner, **lock}))
    written = time.time() - lock.get("age", 0)
    os.utime(folder / "1.json", (written, written))

    assert engine.cancel_abandoned(stack, older_than_seconds=900) == broken
    if broken:
        assert engine.up(stack, one(2)).changes == {"same": 1, "update": 1}
    else:
        with pytest.raises(ConcurrentUpdateError):
            engine.up(stack, one(2))


def test_anything_in_the_lock_folder_is_a_lock(engine: Engine, stack: StackRef, root: Path) -> None:
    folder = root / ".pulumi/locks/organization/proj/dev"
    folder.mkdir(parents=True)
    (folder / "half.tmp").write_bytes(b"\xff{")

    with pytest.raises(ConcurrentUpdateError, match="its owner cannot be read"):
        engine.up(stack, one())


def test_the_lock_is_held_while_the_program_runs_and_free_afterwards(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    folder = root / ".pulumi/locks/organization/proj/dev"
    seen: list[dict[str, Any]] = []

    def program() -> None:
        [lock] = folder.iterdir()
        seen.append(json.loads(lock.read_text()))

    engine.up(stack, program)

    assert seen[0]["pid"] == os.getpid()
    assert set(seen[0]) == {"pid", "username", "hostname", "timestamp", "leaseSeconds"}
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("same_engine", [True, False])
def test_a_second_writer_is_refused_at_once(
    make_engine: Callable[..., Engine], stack: StackRef, world: World, same_engine: bool
) -> None:
    first = make_engine()
    second = first if same_engine else make_engine()
    started, go_on = world.hang("create", "a")
    running = threading.Thread(target=first.up, args=(stack, one()))
    running.start()
    assert started.wait(20)

    with pytest.raises(ConcurrentUpdateError, match="the stack is currently locked by"):
        second.up(stack, one())

    go_on.set()
    running.join(20)
    assert second.up(stack, one()).changes == {"same": 2}


def test_an_expected_version_that_is_present_is_accepted(engine: Engine, stack: StackRef) -> None:
    first = engine.up(stack, one(1), expect=ABSENT)

    second = engine.up(stack, one(2), expect=first.version)

    assert second.version not in (first.version, ABSENT)
    assert engine.outputs(stack).version == second.version


@pytest.mark.parametrize("expected", [ABSENT, "an older one"])
def test_a_stack_that_moved_is_not_changed(
    engine: Engine, stack: StackRef, world: World, expected: str
) -> None:
    engine.up(stack, one(1))
    world.calls.clear()
    ran: list[int] = []

    with pytest.raises(StackMoved) as refusal:
        engine.up(stack, lambda: ran.append(1), expect=expected)

    assert (refusal.value.expected, refusal.value.present) == (expected, engine.outputs(stack).version)
    assert (ran, world.calls, len(engine.history(stack))) == ([], [], 1)


def test_a_stack_without_deployment_counts_as_absent(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, one())
    engine.destroy(stack)

    engine.up(stack, one(), expect=ABSENT)

    assert engine.outputs(stack).version != ABSENT


def test_stacks_are_listed_and_removed(engine: Engine, root: Path) -> None:
    for name in ("b", "a", "with.dots"):
        engine.up(StackRef("proj", name), one())
    engine.up(StackRef("other", "c"), one())
    assert engine.stacks("proj") == ["a", "b", "with.dots"]
    assert engine.stacks("none") == []

    with pytest.raises(EngineError, match="still has 3 resource"):
        engine.remove(StackRef("proj", "a"))
    engine.remove(StackRef("proj", "a"), force=True)
    engine.destroy(StackRef("proj", "b"))
    engine.remove(StackRef("proj", "b"))

    assert engine.stacks("proj") == ["with.dots"]
    assert engine.history(StackRef("proj", "b")) == []
    assert (root / ".pulumi/stacks/proj/b.json.bak").exists()
    assert list((root / ".pulumi/backups/proj/b").iterdir())
    with pytest.raises(StackNotFound):
        engine.remove(StackRef("proj", "b"))


def test_a_compressed_checkpoint_is_read_and_replaced_by_a_plain_one(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    engine.up(stack, one(1))
    plain = states.checkpoint_file(root, stack)
    packed = plain.with_name("dev.json.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert engine.stacks("proj") == ["dev"]

    assert engine.up(stack, one(2)).changes == {"same": 1, "update": 1}

    assert plain.exists()
    assert not packed.exists()


def test_the_newest_variant_of_a_checkpoint_counts(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, one(1))
    plain = states.checkpoint_file(root, stack)
    packed = plain.with_name("dev.json.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.write_bytes(b'{"version":3,"checkpoint":{"latest":null}}')
    os.utime(plain, (1, 1))

    assert engine.outputs(stack).version != ABSENT


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(lambda folder: (folder / "meta.yaml").write_text("version: 2\n"), id="newer layout"),
        pytest.param(
            lambda folder: ((folder / "stacks").mkdir(), (folder / "stacks/dev.json").write_text("{}")),
            id="legacy",
        ),
    ],
)
def test_other_layouts_are_refused(
    engine: Engine, stack: StackRef, root: Path, prepare: Callable[[Path], object]
) -> None:
    (root / ".pulumi").mkdir(parents=True)
    prepare(root / ".pulumi")

    with pytest.raises(CheckpointRefused):
        engine.up(stack, one())
    with pytest.raises(CheckpointRefused):
        engine.outputs(stack)


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 101, "späti", "a b"])
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(EngineError, match="is no stack name"):
        StackRef("proj", name)


def test_a_folder_can_be_given_as_url_or_path(tmp_path: Path, world: World) -> None:
    folder = tmp_path / "with space"
    by_url = Engine(FileBackend(f"file://{tmp_path}/with%20space"), {"fake": world.provider})
    by_url.up(StackRef("proj", "dev"), one())

    assert Engine(FileBackend(folder), {}).stacks("proj") == ["dev"]
    with pytest.raises(BackendError, match="is no folder"):
        FileBackend("s3://bucket")


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path, world: World) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")

    with pytest.raises(BackendError, match=r"file/\.pulumi"):
        Engine(FileBackend(blocked), {"fake": world.provider}).up(StackRef("proj", "dev"), one())


def test_resources_can_be_listed(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, one(3))

    found = {record.urn.rsplit("::", 1)[-1]: record for record in engine.resources(stack)}

    assert list(found) == ["proj-dev", "default", "a"]
    assert (found["a"].id, found["a"].inputs, found["a"].outputs["size"]) == ("a-1", {"size": 3}, 3)


def test_a_stack_that_moved_is_not_destroyed(engine: Engine, stack: StackRef, world: World) -> None:
    first = engine.up(stack, one(1))
    second = engine.up(stack, one(2))

    with pytest.raises(StackMoved):
        engine.destroy(stack, expect=first.version)
    assert list(world.resources) == ["a-1"]

    engine.destroy(stack, expect=second.version)
    assert world.resources == {}
