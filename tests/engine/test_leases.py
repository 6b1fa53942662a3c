"""Locks are touched while their holder is at work; one who stood still looks before it writes again."""

import threading
from pathlib import Path

import pytest

from engine import BackendError, FileBackend, StackRef, leases, locks, open_backend
from engine.leases import Keeper, Lease
from engine.storage import Storage
from tests.engine.fake import World

STACK = StackRef("proj", "dev")


@pytest.fixture(params=["folder", "bucket"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return f"file://{tmp_path}/state"
    return str(request.getfixturevalue("s3_url"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have locks touched a thousand times as often."""
    monkeypatch.setattr(leases, "_BEAT_SECONDS", 0.01)


class Touched(FileBackend):
    """Counts the touches; `late` is how long each one takes."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.touches = 0
        self.going = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def touch(self, key: str, *, durable: bool = False) -> bool:
        self.touches += 1
        self.going.set()
        assert self.go_on.wait(20)
        return super().touch(key, durable=durable)


def stood_still(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have this process's clock say that so much time has passed."""
    now = leases.time.monotonic()
    monkeypatch.setattr(leases.time, "monotonic", lambda: now + seconds)


def test_a_touched_file_is_as_young_as_the_storage_says(url: str) -> None:
    backend = open_backend(url)
    assert backend.age("a.json") is None
    assert backend.touch("a.json") is False
    assert backend.read("a.json") is None

    backend.create("a.json", b"1")
    age = backend.age("a.json")

    assert age is not None
    assert age < 5
    assert backend.touch("a.json", durable=True) is True
    assert backend.read("a.json") == b"1"


def test_the_age_is_counted_from_the_last_touch(tmp_path: Path) -> None:
    backend = FileBackend(tmp_path)
    backend.create(".pulumi/a.json", b"1")
    path = tmp_path / ".pulumi/a.json"
    leases.os.utime(path, (1e9, 1e9))

    assert (backend.age(".pulumi/a.json") or 0) > 1e8
    backend.touch(".pulumi/a.json")
    assert (backend.age(".pulumi/a.json") or 0) < 5
    assert [found.name for found in path.parent.iterdir()] == ["a.json"]


@pytest.mark.usefixtures("quick")
def test_a_lock_that_is_held_for_long_is_touched_until_it_is_given_back(tmp_path: Path) -> None:
    backend = Touched(tmp_path)

    with locks.held(backend, STACK):
        World.wait_for(lambda: backend.touches >= 3)
    touched = backend.touches

    assert backend.list(STACK.locks_folder) == []
    with locks.held(FileBackend(tmp_path), STACK):
        assert backend.touches == touched


@pytest.mark.usefixtures("quick")
def test_a_lock_is_not_given_back_while_it_is_being_touched(tmp_path: Path) -> None:
    """A touch that comes after the deletion would bring the lock back, where the storage copies."""
    backend = Touched(tmp_path)
    over = threading.Event()

    def hold() -> None:
        with locks.held(backend, STACK):
            backend.go_on.clear()
            assert backend.going.wait(20)
        over.set()

    holder = threading.Thread(target=hold)
    backend.going.clear()
    holder.start()
    assert backend.going.wait(20)
    assert not over.wait(0.1)
    backend.go_on.set()
    holder.join(20)

    assert over.is_set()
    assert backend.list(STACK.locks_folder) == []


def test_who_stood_still_goes_on_if_the_lock_is_still_there(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(open_backend(url))

    with storage.locked(STACK):
        stood_still(monkeypatch, 100)
        storage.save(STACK, b"{}")

    assert storage.load(STACK) == b"{}"


def test_who_stood_still_writes_no_more_if_the_lock_was_broken(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(open_backend(url))
    with storage.locked(STACK):
        storage.save(STACK, b'"before"')
        locks.break_all(storage.backend, STACK)
        stood_still(monkeypatch, 100)

        with pytest.raises(BackendError, match="was broken while this process stood still for 100 s"):
            storage.save(STACK, b'"after"')

    assert storage.load(STACK) == b'"before"'


@pytest.mark.usefixtures("quick")
def test_a_person_who_breaks_a_lock_stops_nobody_who_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Touched(tmp_path)
    storage = Storage(backend)

    with storage.locked(STACK):
        storage.cancel(STACK)
        seen = backend.touches
        World.wait_for(lambda: backend.touches > seen + 1)
        stood_still(monkeypatch, 100)
        storage.save(STACK, b"{}")

    assert storage.load(STACK) == b"{}"


@pytest.mark.usefixtures("quick")
def test_the_thread_ends_when_no_lock_is_held_and_comes_back(tmp_path: Path) -> None:
    backend, keeper = Touched(tmp_path), Keeper()
    backend.create("a.json", b"")

    for _ in range(2):
        lease = Lease(backend, "a.json")
        lease.begin()
        keeper.add("a", lease)
        seen = backend.touches
        World.wait_for(lambda seen=seen: backend.touches > seen)  # type: ignore[misc]
        keeper.discard("a")
        World.wait_for(lambda: not keeper._running)
