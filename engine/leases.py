"""Locks that show that their holder is alive: they are touched while it is, and age when it was killed.

A holder's promise is in its lock file (`leaseSeconds`): the file gets no older than that as long as the
holder is at work. Ages are told by the storage's own clock, so that clocks of hosts need not agree. Most
locks are given back before their first touch is due.

A holder that stood still for so long that its promise may be broken (stopped, swapped out) looks whether the
lock is still there before it writes again: if not, somebody else went on where it stopped.
"""

import contextlib
import os
import threading
import time
from typing import Final

from engine.backend import Backend
from engine.errors import BackendError

LEASE_SECONDS: Final = 60.0
"""How old the file of a lock gets at most while its holder is at work."""

_BEAT_SECONDS: Final = 10.0
"""How often locks are touched that are held for longer than this."""


class Lease:
    """A lock that this process holds, or is about to take. Thread-safe."""

    def __init__(self, backend: Backend, key: str) -> None:
        self._backend = backend
        self._key = key
        self._touched = time.monotonic()
        self._held = False
        self._canceled = False
        self._beating = threading.Lock()

    @property
    def age(self) -> float:
        """The seconds since the file was surely there and fresh."""
        return time.monotonic() - self._touched

    def begin(self) -> None:
        """Take note that the file was written just now."""
        self._touched = time.monotonic()
        self._held = True

    def beat(self) -> None:
        """Touch the file, if it is still held. What goes wrong is for `confirm` to find."""
        with self._beating, contextlib.suppress(BackendError):
            if self._held and not self._touch() and not self._is_doubtful():
                self._canceled = (
                    True  # by a person, for its time is not over: that stops nobody who is at work
                )

    def confirm(self) -> None:
        """Return if nobody can have taken over; BackendError if the lock was broken while we stood still."""
        if not self._is_doubtful():
            return
        with self._beating:
            if self._is_doubtful() and not self._touch(durable=True):
                raise BackendError(
                    f"the lock {self._backend.url}/{self._key} was broken while this process stood still for "
                    f"{self.age:.0f} s: somebody else may have gone on, so nothing more is written; look at "
                    "the stack, and refresh it"
                )

    def end(self) -> None:
        """Touch the file no more; waits for a touch under way, which might bring a deleted file back."""
        with self._beating:
            self._held = False

    def _is_doubtful(self) -> bool:
        return not self._canceled and self.age > LEASE_SECONDS / 2

    def _touch(self, *, durable: bool = False) -> bool:
        moment = time.monotonic()
        if not self._backend.touch(self._key, durable=durable):
            return False
        self._touched = moment
        return True


class Keeper:
    """Has the leases of this process touched, by one thread that is there only while there are any."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}
        self._running = False
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def __contains__(self, name: str) -> bool:
        return name in self._leases

    def add(self, name: str, lease: Lease) -> None:
        """Keep a lock, by the name of its file."""
        with self._lock:
            self._leases[name] = lease
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="engine-leases", daemon=True).start()

    def discard(self, name: str) -> None:
        """Keep a lock no more."""
        with self._lock:
            del self._leases[name]

    def _run(self) -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            with self._lock:
                leases = tuple(self._leases.values())
                if not leases:
                    self._running = False
                    return
            for lease in leases:
                if lease.age >= _BEAT_SECONDS:
                    lease.beat()

    def _forget(self) -> None:
        """Begin anew in a forked process: the locks are its parent's, and the thread is not here."""
        self._leases, self._running, self._lock = {}, False, threading.Lock()
