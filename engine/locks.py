"""The lock of a stack: one file per holder in the stack's lock folder, as Pulumi's DIY backend has it.

No lock expires by itself: after a hard kill it stays until it is cancelled. Ours say how long they may stand
untouched (`leases`), so that one which was left behind can be told from one in use; those of Pulumi's CLI do
not. There is no compare-and-swap to build on, so of two contenders both may lose; those who wait try again,
each at its own time.
"""

import contextlib
import datetime
import getpass
import json
import math
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Final

from engine.backend import Backend
from engine.errors import BackendError, ConcurrentUpdateError, UpdateCanceled
from engine.leases import LEASE_SECONDS, Keeper, Lease
from engine.names import ORGANIZATION, StackRef

_OURS: Final = Keeper()
"""The locks that this process holds or is about to take, in any backend, by the names of their files."""

_BESIDE: Final = ".attrs"
"""Ending of the file with a file's attributes, which the CLI writes on `file://` backends."""

_LEASE: Final = "leaseSeconds"
"""The member of a lock file in which its holder says how old it may get; the CLI reads over it."""

_FIRST_DELAY: Final = 0.05
_LONGEST_DELAY: Final = 2.0
"""Seconds between two looks at a held lock; each look is one listing."""


def _never() -> bool:
    return False


class Turns:
    """Lets one thread of this process at a time work on a stack; the others wait without files. Thread-safe.

    The lock files would do, but of two contenders for them both may lose.
    """

    def __init__(self) -> None:
        self._busy: set[StackRef] = set()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(
        self, stack: StackRef, timeout: float = 0.0, given_up: Callable[[], bool] = _never
    ) -> Iterator[None]:
        """Hold the stack; ConcurrentUpdateError if another thread still does after `timeout` seconds.

        UpdateCanceled once `given_up` says so meanwhile.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while stack in self._busy:
                if given_up():
                    raise _canceled(stack)
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise ConcurrentUpdateError(
                        f"the stack is currently locked by 1 lock(s): another operation on {stack} is "
                        "running in this process. Wait for it to end"
                    )
                self._changed.wait(min(remaining, _LONGEST_DELAY))
            self._busy.add(stack)
        try:
            yield
        finally:
            with self._changed:
                self._busy.discard(stack)
                self._changed.notify_all()


@contextlib.contextmanager
def held(
    backend: Backend, stack: StackRef, timeout: float = 0.0, given_up: Callable[[], bool] = _never
) -> Iterator[Lease]:
    """Hold the stack's lock; ConcurrentUpdateError, with the owners, if anybody else still does.

    Whoever writes has the lease confirmed before.

    A held lock is looked at again for `timeout` seconds, or until `given_up` says so: UpdateCanceled then.
    """
    name = f"{uuid.uuid4()}.json"
    key = f"{stack.locks_folder}/{name}"
    lease = Lease(backend, key)
    _OURS.add(name, lease)
    try:
        _wait_for(backend, stack, name, time.monotonic() + timeout, given_up)
        lease.begin()
        try:
            yield lease
        except BaseException:
            lease.end()
            with contextlib.suppress(BackendError):  # why the operation failed is what the user has to know
                backend.delete(key)
            raise
        lease.end()
        backend.delete(key)
    finally:
        _OURS.discard(name)


def _wait_for(
    backend: Backend, stack: StackRef, name: str, deadline: float, given_up: Callable[[], bool]
) -> None:
    delay = _FIRST_DELAY
    while True:
        try:
            return _take(backend, stack, name)
        except ConcurrentUpdateError as error:
            if given_up():
                raise _canceled(stack) from error
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise
        # Contenders that met once must not meet again at the same moment, or both lose for ever.
        time.sleep(min(remaining, delay * random.uniform(0.5, 1.0)))  # noqa: S311 - no secret
        delay = min(2 * delay, _LONGEST_DELAY)


def _canceled(stack: StackRef) -> UpdateCanceled:
    return UpdateCanceled(
        f"the operation on {stack} was canceled while somebody else held the stack's lock; nothing was done"
    )


def _take(backend: Backend, stack: StackRef, name: str) -> None:
    _refuse_if_locked(backend, stack, own=name)
    key = f"{stack.locks_folder}/{name}"
    try:
        backend.create(key, _content())
        _refuse_if_locked(backend, stack, own=name)
    except BaseException:
        backend.delete(key)
        raise


def folder_of(project: str) -> str:
    """Return the folder that holds the lock folders of a project's stacks."""
    return f".pulumi/locks/{ORGANIZATION}/{project}"


def break_all(backend: Backend, stack: StackRef) -> int:
    """Delete every lock file of the stack and return how many there were. Does not stop their holders."""
    names = _names(backend, stack)
    for name in names:
        _break(backend, stack, name)
    return len(names)


def break_abandoned(backend: Backend, stack: StackRef, older_than_seconds: float) -> int:
    """Delete the locks whose holders cannot be at work any more, and return how many there were.

    That is a lock of a process of this host that does not exist, or of this very process number from an
    earlier life of the host (a restarted container); one of another host that is older than it says that it
    may get; or any lock older than the limit. One that cannot be read stays.
    """
    abandoned = [
        name for name in _names(backend, stack) if _is_abandoned(backend, stack, name, older_than_seconds)
    ]
    for name in abandoned:
        _break(backend, stack, name)
    return len(abandoned)


def _names(backend: Backend, stack: StackRef) -> list[str]:
    """Return the names of the lock files. What the CLI writes beside each file of its own is none."""
    return [name for name in backend.list(stack.locks_folder) if not name.endswith(_BESIDE)]


def _break(backend: Backend, stack: StackRef, name: str) -> None:
    backend.delete(f"{stack.locks_folder}/{name}")
    backend.delete(f"{stack.locks_folder}/{name}{_BESIDE}")


def _is_abandoned(backend: Backend, stack: StackRef, name: str, older_than_seconds: float) -> bool:
    if name in _OURS:
        return False
    key = f"{stack.locks_folder}/{name}"
    try:
        lock = json.loads(backend.read(key) or b"")
        near = lock["hostname"] == socket.gethostname()
        if near and not _lives(int(lock["pid"])):
            return True
        # Of a process that can be seen to live no lease is over: the clock may have been put forward.
        lease = math.inf if near else float(lock.get(_LEASE, math.inf))
        age = backend.age(key)
        return age is not None and age > min(older_than_seconds, lease)
    except (ValueError, KeyError, TypeError):
        return False


def _lives(pid: int) -> bool:
    """Say whether another process has this number; ours, on a lock that we do not hold, is old."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _refuse_if_locked(backend: Backend, stack: StackRef, own: str) -> None:
    others = [name for name in _names(backend, stack) if name != own]
    if others:
        owners = "".join(f"\n  {_owner(backend, f'{stack.locks_folder}/{name}')}" for name in others)
        raise ConcurrentUpdateError(
            f"the stack is currently locked by {len(others)} lock(s). Either wait for the other process(es) "
            f"to end or delete the lock file with `pulumi cancel`.{owners}"
        )


def _owner(backend: Backend, key: str) -> str:
    try:
        lock = json.loads(backend.read(key) or b"{}")
        return (
            f"{backend.url}/{key}: created by {lock['username']}@{lock['hostname']} (pid {lock['pid']}) "
            f"at {lock['timestamp']}"
        )
    except (ValueError, KeyError, TypeError, BackendError):
        return f"{backend.url}/{key}: its owner cannot be read"


def _content() -> bytes:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    lock = {
        "pid": os.getpid(),
        "username": _user(),
        "hostname": socket.gethostname(),
        "timestamp": f"{moment}.{nanoseconds:09d}Z",
        _LEASE: LEASE_SECONDS,
    }
    return json.dumps(lock, separators=(",", ":")).encode()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not be in the password file
        return str(os.getuid())
