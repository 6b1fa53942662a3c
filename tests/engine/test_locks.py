"""Locks: reported with their owner, waited for with a limit, and broken by nobody unasked."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import (
    Backend,
    BackendError,
    Cancellation,
    ConcurrentUpdateError,
    Engine,
    FileBackend,
    Options,
    StackRef,
    UpdateCanceled,
    locks,
    open_backend,
)
from engine.locks import Turns
from tests.engine.fake import Thing, World

STACK = StackRef("proj", "dev")


@pytest.fixture(params=["folder", "bucket"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return f"file://{tmp_path}/state"
    return str(request.getfixturevalue("s3_url"))


def left_by_somebody(backend: Backend, name: str = "1.json") -> str:
    """Put a lock of Pulumi's own there, and return its key."""
    key = f"{STACK.locks_folder}/{name}"
    owner = {"pid": 7, "username": "ann", "hostname": "vm", "timestamp": "2026-01-01T00:00:00.5Z"}
    backend.create(key, json.dumps(owner).encode())
    return key


def test_a_held_lock_is_refused_at_once_with_its_owner(url: str) -> None:
    backend = open_backend(url)
    key = left_by_somebody(backend)
    started = time.monotonic()

    with pytest.raises(ConcurrentUpdateError) as refusal, locks.held(backend, STACK):
        raise AssertionError

    assert time.monotonic() - started < 5
    assert str(refusal.value) == (
        "the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete "
        f"the lock file with `pulumi cancel`.\n  {backend.url}/{key}: created by ann@vm (pid 7) at "
        "2026-01-01T00:00:00.5Z"
    )
    assert backend.list(STACK.locks_folder) == ["1.json"]


def test_a_lock_that_is_given_back_in_time_is_taken(url: str) -> None:
    backend = open_backend(url)
    key = left_by_somebody(backend)
    looked = threading.Event()

    def give_back() -> None:
        assert looked.wait(20)
        backend.delete(key)

    helper = threading.Thread(target=give_back)
    helper.start()

    def note() -> bool:
        looked.set()
        return False

    with locks.held(backend, STACK, timeout=30, given_up=note):
        assert len(backend.list(STACK.locks_folder)) == 1
    helper.join()
    assert backend.list(STACK.locks_folder) == []


def test_waiting_ends_with_the_owner_when_its_time_is_over(url: str) -> None:
    backend = open_backend(url)
    left_by_somebody(backend)
    started = time.monotonic()

    with pytest.raises(ConcurrentUpdateError, match="created by ann@vm"), locks.held(backend, STACK, 0.3):
        raise AssertionError

    assert time.monotonic() - started >= 0.3


def test_who_gives_up_stops_waiting(tmp_path: Path) -> None:
    backend = FileBackend(tmp_path)
    left_by_somebody(backend)

    with pytest.raises(UpdateCanceled), locks.held(backend, STACK, 1000, given_up=lambda: True):
        raise AssertionError
    turns = Turns()
    with turns.taken(STACK), pytest.raises(UpdateCanceled), turns.taken(STACK, 1000, lambda: True):
        raise AssertionError


def test_many_who_wait_get_it_one_after_the_other(tmp_path: Path) -> None:
    """Each with a backend of its own, as if they were processes."""
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with locks.held(FileBackend(tmp_path), STACK, timeout=60):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))

    assert most == [1] * 6
    assert list((tmp_path / STACK.locks_folder).iterdir()) == []


def test_threads_of_one_process_take_turns() -> None:
    turns = Turns()
    inside: list[int] = []

    def work(number: int) -> int:
        with turns.taken(STACK, timeout=60):
            inside.append(number)
            together = len(inside)
            inside.remove(number)
            return together

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(100))) == [1] * 100


def test_another_process_is_waited_for(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from engine import FileBackend, StackRef, locks\n"
        "with locks.held(FileBackend(sys.argv[1]), StackRef('proj', 'dev')):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=os.getcwd(),
        text=True,
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(ConcurrentUpdateError, match=rf"\(pid {other.pid}\)"),
            locks.held(FileBackend(tmp_path), STACK),
        ):
            raise AssertionError
        other.stdin.write("\n")
        other.stdin.flush()
        with locks.held(FileBackend(tmp_path), STACK, timeout=30):
            assert len(list((tmp_path / STACK.locks_folder).iterdir())) == 1


def test_a_lock_that_cannot_be_given_back_does_not_hide_why_an_operation_failed(tmp_path: Path) -> None:
    class Stuck(FileBackend):
        def delete(self, key: str) -> None:
            raise BackendError("cannot delete")

    with pytest.raises(RuntimeError, match="the reason"), locks.held(Stuck(tmp_path), STACK):
        raise RuntimeError("the reason")
    with pytest.raises(BackendError, match="cannot delete"), locks.held(Stuck(tmp_path / "2"), STACK):
        pass


def test_cancelling_breaks_every_lock(url: str) -> None:
    backend = open_backend(url)
    left_by_somebody(backend, "1.json")
    left_by_somebody(backend, "2.json")

    assert locks.break_all(backend, STACK) == 2
    with locks.held(backend, STACK):
        pass


@pytest.mark.parametrize("same_engine", [True, False])
def test_an_update_waits_for_the_one_before_if_it_may(
    make_engine: Callable[..., Engine], world: World, same_engine: bool
) -> None:
    first = make_engine()
    second = first if same_engine else make_engine()
    started, go_on = world.hang("create", "a")
    running = threading.Thread(target=first.up, args=(STACK, lambda: Thing("a", size=1)))
    running.start()
    assert started.wait(20)
    with pytest.raises(ConcurrentUpdateError):
        second.up(STACK, lambda: Thing("a", size=2), options=Options(lock_timeout=0.1))

    release = threading.Timer(0.2, go_on.set)
    release.start()
    result = second.up(STACK, lambda: Thing("a", size=2), options=Options(lock_timeout=60))

    running.join(20)
    assert result.changes == {"same": 1, "update": 1}


def test_waiting_ends_when_the_operation_is_cancelled(make_engine: Callable[..., Engine], root: Path) -> None:
    left_by_somebody(FileBackend(root))
    cancellation = Cancellation()
    cancellation.cancel()

    with pytest.raises(UpdateCanceled, match=r"proj/dev was canceled .* nothing was done"):
        make_engine().destroy(STACK, options=Options(lock_timeout=1000, cancellation=cancellation))


def test_what_the_cli_writes_beside_its_lock_is_no_further_lock(url: str):
    backend = open_backend(url)
    key = left_by_somebody(backend)
    backend.create(f"{key}.attrs", b'{"md5":"..."}')

    with (
        pytest.raises(ConcurrentUpdateError, match=r"locked by 1 lock\(s\)"),
        locks.held(backend, STACK),
    ):
        pytest.fail("it was not locked")

    assert locks.break_all(backend, STACK) == 1
    assert backend.list(STACK.locks_folder) == []
