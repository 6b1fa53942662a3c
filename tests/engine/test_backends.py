"""What every backend has to do, whether a folder or a bucket."""

import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import Backend, BackendError, Engine, FileBackend, StackRef, open_backend
from tests.engine import s3server
from tests.engine.fake import Thing, World


@pytest.fixture(params=["folder", "bucket"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return f"file://{tmp_path}/state"
    return str(request.getfixturevalue("s3_url"))


@pytest.fixture
def backend(url: str) -> Backend:
    return open_backend(url)


def test_what_is_written_is_read(backend: Backend) -> None:
    backend.write("a/b/file.json", b"one")
    backend.write("a/b/file.json", b"two")
    backend.write("a/b/empty", b"", durable=False)

    assert backend.read("a/b/file.json") == b"two"
    assert backend.read("a/b/empty") == b""
    assert backend.read("a/b/other") is None
    assert backend.read("nowhere/file") is None


def test_a_file_is_created_deleted_and_deleted_again(backend: Backend) -> None:
    backend.create("locks/1.json", b"mine")
    assert backend.read("locks/1.json") == b"mine"

    backend.delete("locks/1.json")
    backend.delete("locks/1.json")
    backend.delete("nowhere/1.json")

    assert backend.read("locks/1.json") is None


def test_a_copy_keeps_what_was_there_when_it_was_made(backend: Backend) -> None:
    backend.write("a/file", b"one")
    backend.copy("a/file", "a/file.bak")
    backend.copy("a/file", "elsewhere/file")
    backend.write("a/file", b"two")

    assert backend.read("a/file.bak") == b"one"
    assert backend.read("elsewhere/file") == b"one"
    backend.copy("a/file", "a/file.bak")
    assert backend.read("a/file.bak") == b"two"


def test_a_copy_of_nothing_changes_nothing(backend: Backend) -> None:
    backend.write("a/file.bak", b"old")

    backend.copy("a/file", "a/file.bak")
    backend.copy("a/file", "new/file")

    assert backend.read("a/file.bak") == b"old"
    assert backend.list("new") == []


def test_a_folder_lists_what_is_directly_in_it(backend: Backend) -> None:
    for key in ("top/b", "top/a", "top/folder/x", "top/folder/y", "topper/z", "top-"):
        backend.write(key, b"")

    assert backend.list("top") == ["a", "b", "folder"]
    assert backend.list("top/folder") == ["x", "y"]
    assert backend.list("to") == []
    assert backend.list("top/a") == []


def test_long_folders_are_listed_completely(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one answer does not hold all names."""
    monkeypatch.setattr("engine.s3.PAGE", 7)
    names = [f"{number:02d}" for number in range(30)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: backend.write(f"long/{name}", b"", durable=False), names))

    assert backend.list("long") == names


def test_files_tell_when_they_were_written(backend: Backend) -> None:
    backend.write("a/stack.json", b"")
    backend.write("a/stack.json.bak", b"")
    backend.write("other", b"")

    found = backend.modified("a/stack.json", "a/stack.json.gz")

    assert set(found) == {"a/stack.json"}
    assert abs(found["a/stack.json"] - time.time()) < 60
    assert set(backend.modified("a/stack.json", "other")) == {"a/stack.json", "other"}
    assert backend.modified("nowhere") == {}


def test_threads_share_a_backend(backend: Backend) -> None:
    def work(number: int) -> bytes | None:
        backend.write(f"t/{number}", str(number).encode(), durable=False)
        return backend.read(f"t/{number}")

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(100))) == [str(number).encode() for number in range(100)]


def test_a_stack_lives_in_it(url: str, world: World) -> None:
    """From nothing to nothing, each time by an engine that knows only the address."""
    stack = StackRef("proj", "dev")

    def engine() -> Engine:
        return Engine(open_backend(url), {"fake": world.provider})

    assert engine().up(stack, lambda: Thing("a", size=1)).changes == {"create": 2}
    assert engine().up(stack, lambda: Thing("a", size=2)).changes == {"same": 1, "update": 1}
    assert engine().stacks("proj") == ["dev"]
    assert [entry["kind"] for entry in engine().history(stack)] == ["update", "update"]
    engine().rename(stack, StackRef("proj", "prod"))
    assert engine().destroy(StackRef("proj", "prod")).changes == {"delete": 2}
    engine().remove(StackRef("proj", "prod"))

    assert engine().list_stacks() == []
    assert open_backend(url).list(".pulumi/locks/organization/proj/dev") == []


@pytest.mark.parametrize("url", ["azblob://states", "gs://states", "postgres://host/db", "https://x"])
def test_other_schemes_are_refused_by_name(url: str) -> None:
    with pytest.raises(BackendError, match=f"states in {url.partition(':')[0]}:// are not supported"):
        open_backend(url)


def test_addresses_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    found = [
        open_backend(text).url
        for text in ("state", "file://state", "file://./state?no_tmp_dir=true", "~/s", "file://~/s")
    ]

    assert found == [f"file://{tmp_path}/state"] * 3 + [f"file://{tmp_path}/home/s"] * 2


@pytest.mark.parametrize("call", ["write", "copy", "create"])
def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """In the folder of locks, whatever is left would lock the stack."""
    backend = FileBackend(tmp_path)
    backend.write("folder/file", b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.backend.os.replace", full)
    monkeypatch.setattr("engine.backend.os.fdopen", full)
    actions: dict[str, Callable[[], None]] = {
        "write": lambda: backend.write("folder/file", b"new"),
        "copy": lambda: backend.copy("folder/file", "folder/copy"),
        "create": lambda: backend.create("folder/lock", b"{}"),
    }
    with pytest.raises(BackendError, match="No space left on device"):
        actions[call]()

    assert backend.list("folder") == ["file"]
    assert backend.read("folder/file") == b"old"


def test_a_server_out_of_reach_is_an_error_that_names_the_place(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.s3.ATTEMPTS", 1)
    backend = s3server.opened(s3server.url("http://127.0.0.1:9", "bucket", "pre"))

    with pytest.raises(BackendError, match=r"cannot read s3://bucket/pre/a: Could not connect"):
        backend.read("a")


@pytest.mark.parametrize(
    ("options", "synced"),
    [({}, ["file", "folder"]), ({"forced": False}, ["file"]), ({"durable": False}, [])],
)
def test_a_folder_forces_to_the_disk_what_it_promises_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, bool], synced: list[str]
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        "os.fsync", lambda number: seen.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
    )

    FileBackend(tmp_path).write("a/file", b"one", **options)

    assert seen == synced
