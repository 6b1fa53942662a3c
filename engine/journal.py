"""The state of a run while it changes, and when it reaches the disk.

A checkpoint during a run is [states finished in this run, in order of completion] + [states of the old file
that were not replaced or removed, in old order]; so what a resource needs always comes before it.

Only one write matters for crash safety: the one before a provider call, which records the call as pending.
Calls that begin while a write is under way share the next one (group commit). What is done while other calls
take long is flushed after a while: to be undone after a crash it would have been in use for too long.

The write before a call does not wait until the disk has the file's new name as well (decision 0037): the next
write sees to that, or the flush.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, Protocol

from engine import integrity
from engine.errors import CheckpointRefused, EngineError
from engine.renaming import renamed
from engine.state import PendingOperation, ResourceState, Snapshot, altered
from engine.values import same

_SETTLED: Final = frozenset({"updating", "deleting"})
"""Pending operations of which a provider can say what became of them."""


class Save(Protocol):
    """Stores a snapshot durably; `forced` as for `backend.Backend.write`."""

    def __call__(self, snapshot: Snapshot, *, forced: bool) -> None:
        """Return once it is stored."""


class Closed(EngineError):
    """The operation was given up: nothing is written any more, and no call may begin."""


class Entry:
    """A resource of the old checkpoint: its state, which the run may mark, and whether it is gone.

    One that was carried over is written among the new states, unchanged.
    """

    __slots__ = ("carried", "gone", "state")

    def __init__(self, state: ResourceState) -> None:
        self.state = state
        self.gone = False
        self.carried = False


class Journal:
    """Old and new states of a run. Thread-safe.

    `save` stores a snapshot durably; None keeps everything in memory, for previews.
    """

    def __init__(self, snapshot: Snapshot, save: Save | None) -> None:
        self._save = save
        self._extra = snapshot.extra
        self._base = [Entry(state) for state in snapshot.resources]
        self._live = {entry.state.urn: entry for entry in self._base if not entry.state.delete}
        self._done: dict[str, ResourceState] = {}
        self._renamed: dict[str, str] = {}
        # Only `creating` is carried on: such a resource may exist without anybody knowing its id.
        self._carried = tuple(op for op in snapshot.pending if op.kind == "creating")
        self._unsettled = {op.resource.urn: op for op in snapshot.pending if op.kind in _SETTLED}
        self._pending: dict[int, PendingOperation] = {}
        self._tokens = 0
        self._lock = threading.Condition()
        self._written = 0
        self._forced = 0  # up to which revision a crash of the machine leaves what was written
        # What is neither carried on nor to be settled is written off.
        self._revision = len(snapshot.pending) - len(self._carried) - len(self._unsettled)
        self._writing = False
        self._closed = False

    def old(self, urn: str) -> Entry | None:
        """Return the old checkpoint's live entry of a URN, unless this run replaced or removed it."""
        entry = self._live.get(urn)
        return None if entry is None or entry.gone else entry

    def new(self, urn: str) -> ResourceState | None:
        """Return what this run recorded for a URN."""
        return self._done.get(urn)

    def awaits_creation(self, urns: Collection[str]) -> bool:
        """Say whether one of the resources, or one within the components among them, has no id yet."""
        if not urns:
            return False
        wanted = set(urns)
        for urn, state in list(self._done.items()):  # parents come before their children
            if urn in wanted or state.parent in wanted:
                if state.custom and not state.id:
                    return True
                if not state.custom:
                    wanted.add(urn)
        return False

    def provider(self, urn: str, id_: str) -> ResourceState | None:
        """Return the state of a provider by URN and id.

        Recorded in this run, or anywhere in the old checkpoint.
        """
        states = (*self._done.values(), *(entry.state for entry in self._base))
        return next((state for state in states if state.urn == urn and state.id == id_), None)

    def entries(self) -> list[Entry]:
        """Return the old checkpoint's entries that are still there, in file order."""
        return [entry for entry in self._base if not (entry.gone or entry.carried)]

    def begin(self, kind: str, state: ResourceState) -> int:
        """Record a provider call as pending, durably, and return its token."""
        with self._lock:
            self._tokens += 1
            token = self._tokens
            self._pending[token] = PendingOperation(state, kind)
            self._revision += 1
        try:
            self.commit(forced=False)
        except BaseException:
            self.abandon(token)  # the call is not going to be made
            raise
        return token

    def abandon(self, token: int) -> None:
        """Take back a pending call that changed nothing."""
        with self._lock:
            del self._pending[token]
            self._revision += 1

    def record(self, state: ResourceState, *, old: Entry | None = None, token: int | None = None) -> None:
        """Add a finished state.

        `old` is the entry that it takes the place of, `token` the call that is over.
        """
        with self._lock:
            if old is not None:
                self._rename(old.state.urn, state.urn)
                self._succeed(old, state)
                old.gone = True
            if old is None or old.state is not state:
                self._revision += 1
            self._done[state.urn] = state
            self._end(token)

    def carry(self, urns: Iterable[str]) -> None:
        """Move old entries, and what they need, in front of what is recorded next and needs them.

        They are taken over as they are, without having been looked at.
        """
        with self._lock:
            for urn in urns:
                self._carry(urn)

    def supersede(self, state: ResourceState, old: Entry, *, token: int | None = None) -> None:
        """Add the new half of a replacement.

        The old half waits for its deletion unless that was done before.
        """
        with self._lock:
            self._succeed(old, state)
            if old.state.pending_replacement:
                old.gone = True
                self._rename(old.state.urn, state.urn)  # what is not registered yet still refers to it
            else:
                old.state = altered(old.state, delete=True)
            self._done[state.urn] = state
            self._revision += 1
            self._end(token)

    def mark(self, entry: Entry, *, token: int | None = None, **changes: Any) -> None:
        """Change fields of an old entry that stays."""
        with self._lock:
            self._set_down(entry)
            entry.state = altered(entry.state, **changes)
            self._revision += 1
            self._end(token)

    def remove(self, entry: Entry, *, token: int | None = None) -> None:
        """Drop an old entry: the resource is gone, or no longer ours."""
        with self._lock:
            self._set_down(entry)
            entry.gone = True
            self._revision += 1
            self._end(token)

    def amend(self, urn: str, **changes: Any) -> ResourceState:
        """Change fields of a state recorded in this run, and return it."""
        with self._lock:
            state = self._done[urn]
            if any(not same(getattr(state, name), value) for name, value in changes.items()):
                self._done[urn] = state = altered(state, **changes)
                self._revision += 1
            return state

    def rename(self, old: str, new: str) -> None:
        """Note that every reference to one URN means another from now on."""
        with self._lock:
            self._rename(old, new)

    def rearrange(self, change: Callable[[ResourceState], ResourceState]) -> None:
        """Apply a change to every remaining old entry.

        A state that comes back as it is counts as unchanged.
        """
        with self._lock:
            for entry in self.entries():
                state = change(entry.state)
                if state is not entry.state:
                    entry.state = state
                    self._revision += 1

    def touch(self) -> None:
        """Have the state written although no resource changed."""
        with self._lock:
            self._revision += 1

    def rebase(self) -> None:
        """Make what was recorded so far the old state of what follows."""
        with self._lock:
            snapshot = self.snapshot()
            self._base = [Entry(state) for state in snapshot.resources]
            self._live = {entry.state.urn: entry for entry in self._base if not entry.state.delete}
            self._done.clear()
            self._renamed.clear()

    def forget_pending_creates(self) -> None:
        """Drop the carried entries of calls that never reported back."""
        with self._lock:
            self._revision += bool(self._carried)
            self._carried = ()

    def settle_create(self, operation: PendingOperation) -> None:
        """Drop one of `pending_creates`, whose outcome is known now."""
        with self._lock:
            self._carried = tuple(op for op in self._carried if op is not operation)
            self._revision += 1

    def settle(self, urn: str) -> None:
        """Drop what `interrupted` says of a resource: it is known now what became of it."""
        with self._lock:
            self._revision += self._unsettled.pop(urn, None) is not None

    @property
    def interrupted(self) -> tuple[str, ...]:
        """The URNs of recorded resources whose update or deletion was begun and never reported back.

        They stay on record as pending until they are settled, whatever else the run does.
        """
        return tuple(op.resource.urn for op in self._interrupted())

    @property
    def pending_creates(self) -> tuple[PendingOperation, ...]:
        """The creations of earlier runs that never reported back."""
        return self._carried

    @property
    def deployed(self) -> bool:
        """Whether the state holds any resource or pending operation."""
        return bool(self._done or self._carried or self._pending or self.entries())

    @property
    def calling(self) -> bool:
        """Whether a provider call is under way."""
        return bool(self._pending)

    @property
    def closed(self) -> bool:
        """Whether the operation was given up."""
        return self._closed

    def commit(self, *, forced: bool = True) -> None:
        """Return once everything recorded so far is on the disk. Raises what `save` raises, or Closed."""
        with self._lock:
            wanted = self._revision if self._save is not None else 0
            while (self._forced if forced else self._written) < wanted and not self._closed:
                if self._writing:
                    self._lock.wait()
                else:
                    self._write(forced=forced)
            if self._closed:
                raise Closed("the operation was given up")

    def flush(self) -> None:
        """Write what is recorded so far, if anything is. An error is met again by whoever commits next."""
        with self._lock, contextlib.suppress(EngineError):
            due = self._save is not None and self._forced < self._revision
            if due and not (self._closed or self._writing):
                self._write()

    def close(self) -> None:
        """Write what is recorded so far, calls that are under way as pending, and nothing from now on.

        A write that is under way is waited for.
        """
        with self._lock:
            self._closed = True
            self._lock.wait_for(lambda: not self._writing)
            if self._save is not None and self._forced < self._revision:
                self._write()

    def snapshot(self) -> Snapshot:
        """Return the state as it would be written now."""
        resources: Iterable[ResourceState] = (
            *self._done.values(),
            *(entry.state for entry in self.entries()),
        )
        if self._renamed:
            resources = renamed(tuple(resources), self._renamed)
        return Snapshot(
            resources=tuple(resources),
            pending=(*self._carried, *self._interrupted(), *self._pending.values()),
            extra=self._extra,
        )

    def _interrupted(self) -> Iterator[PendingOperation]:
        return (op for urn, op in self._unsettled.items() if self.old(urn) is not None)

    def _write(self, *, forced: bool = True) -> None:
        """Write once, without holding the lock meanwhile; it is held on entry and on return."""
        revision, snapshot, save = self._revision, self.snapshot(), self._save
        assert save is not None
        self._writing = True
        self._lock.release()
        try:
            _save_checked(snapshot, save, forced=forced)
        finally:
            self._lock.acquire()
            self._writing = False
            self._lock.notify_all()
        self._written = revision
        if forced:
            self._forced = revision

    def _carry(self, urn: str) -> None:
        entry = self.old(urn)
        if entry is None or entry.carried or urn in self._done:
            return
        entry.carried = True
        for needed in sorted(entry.state.needs()):
            self._carry(needed)
        self._done[urn] = entry.state
        self._revision += 1

    def _set_down(self, entry: Entry) -> None:
        """Take back that an entry was carried over."""
        if entry.carried:
            entry.carried = False
            del self._done[entry.state.urn]

    def _succeed(self, entry: Entry, state: ResourceState) -> None:
        """Let a state have the place of an entry that was carried, in front of what needs it."""
        if entry.state.urn == state.urn:
            entry.carried = False
        else:
            self._set_down(entry)

    def _end(self, token: int | None) -> None:
        if token is not None:
            del self._pending[token]
            self._revision += 1

    def _rename(self, old: str, new: str) -> None:
        if old != new:
            self._renamed[old] = new
            self._revision += 1


def _save_checked(snapshot: Snapshot, save: Save, *, forced: bool) -> None:
    broken = integrity.problem(snapshot.resources)
    if broken is None:
        save(snapshot, forced=forced)
        return
    # Losing what was done to real resources would be worse than a state that needs repair.
    save(dataclasses.replace(snapshot, integrity_error=broken), forced=True)
    raise CheckpointRefused(
        f"the run led to a state that breaks an invariant: {broken}; it was stored as it is"
    )
