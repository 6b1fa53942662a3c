"""A stack's files: the checkpoint with its backup, and what else Pulumi's layout has.

Where a stack's lock is held nobody else writes its files, so what was seen of them once is not asked again:
on S3 each question costs as much as a write.
"""

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine import compression, locks
from engine.backend import Backend
from engine.compression import EXTENSIONS, Compression
from engine.errors import CheckpointRefused, StackNotFound
from engine.history import History
from engine.leases import Lease
from engine.names import StackRef, is_name

_META_KEY: Final = ".pulumi/meta.yaml"
_META: Final = b"version: 1\n"
_STACKS: Final = ".pulumi/stacks"
_CHECKPOINT: Final = re.compile(r"(?P<stack>.+)\.json(\.gz|\.zst)?")

ABSENT: Final = ""
"""The version of a stack that does not exist or has nothing deployed."""


def version_of(data: bytes) -> str:
    """Return the version token of a checkpoint's bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What is kept beside the checkpoints, and how: Pulumi's PULUMI_DIY_BACKEND_ switches."""

    compression: Compression = "none"
    """How checkpoints, history and backups are packed when they are written; all are read always."""
    backups: bool = True
    """Whether each operation leaves a copy of the checkpoint (not DISABLE_CHECKPOINT_BACKUPS)."""
    retain_checkpoints: bool = False
    """Whether every checkpoint that is ever written is kept beside it (RETAIN_CHECKPOINTS)."""
    history_limit: int | None = None
    """How many entries of each stack's history are kept, with their backups; None: all, as Pulumi does."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What history entries tell about who deploys, such as `git.head`."""


KEEP_ALL: Final = Keeping()
"""What Pulumi's CLI does if nothing is set."""


class Storage:
    """The stacks of one backend. Thread-safe; different stacks never wait for each other."""

    def __init__(self, backend: Backend, keeping: Keeping = KEEP_ALL) -> None:
        self.backend = backend
        self.history = History(
            backend,
            keeping.compression,
            limit=keeping.history_limit,
            backups=keeping.backups,
            environment=keeping.environment,
        )
        self._keeping = keeping
        self._checked = False
        # Per locked stack: the keys under which its checkpoint was found; None if nobody has looked yet.
        self._held: dict[StackRef, list[str] | None] = {}
        self._leases: dict[StackRef, Lease] = {}

    @contextlib.contextmanager
    def locked(
        self, stack: StackRef, timeout: float = 0.0, given_up: Callable[[], bool] = lambda: False
    ) -> Iterator[None]:
        """Hold the stack's lock; ConcurrentUpdateError if somebody else still does after `timeout` seconds.

        Waiting ends early once `given_up` says so: UpdateCanceled.
        """
        self._check_meta(create=True)
        with locks.held(self.backend, stack, timeout, given_up) as lease:
            self._held[stack], self._leases[stack] = None, lease
            try:
                yield
            finally:
                del self._held[stack], self._leases[stack]

    def cancel(self, stack: StackRef) -> int:
        """Break every lock of the stack and return how many there were."""
        return locks.break_all(self.backend, stack)

    def cancel_abandoned(self, stack: StackRef, older_than_seconds: float) -> int:
        """Break the locks whose holders cannot be at work any more; return how many there were."""
        return locks.break_abandoned(self.backend, stack, older_than_seconds)

    def load(self, stack: StackRef) -> bytes | None:
        """Return the checkpoint file's content, unpacked; None if the stack does not exist."""
        self._check_meta(create=False)
        found = self._variants(stack)
        if stack in self._held:
            self._held[stack] = found
        data = self.backend.read(found[-1]) if found else None
        return None if data is None else compression.unpack(data, f"{self.backend.url}/{found[-1]}")

    @contextlib.contextmanager
    def named(self, stack: StackRef) -> Iterator[None]:
        """Say of a checkpoint that is refused meanwhile whose it is, and where there are others."""
        try:
            yield
        except CheckpointRefused as error:
            raise CheckpointRefused(
                f"stack {stack}: {error} (file {self.backend.url}/{stack.checkpoint_key}; the state before "
                f"the last write is beside it as .bak, earlier ones are in {stack.backups_folder})"
            ) from error

    def save(self, stack: StackRef, data: bytes, *, forced: bool = True) -> None:
        """Replace the checkpoint durably, `forced` as for backends; the previous one stays as `.bak`.

        BackendError, and nothing is written, if the stack's lock may be somebody else's by now.
        """
        if stack in self._leases:
            self._leases[stack].confirm()
        key = stack.checkpoint_key + EXTENSIONS[self._keeping.compression]
        known = self._held.get(stack)
        present = self._variants(stack) if known is None else known
        packed = compression.pack(data, self._keeping.compression)
        for previous in present:
            self.backend.copy(previous, f"{previous}.bak")
        self.backend.write(key, packed, forced=forced)
        for previous in present:
            if previous != key:
                self.backend.delete(previous)
        if stack in self._held:
            self._held[stack] = [key]
        if self._keeping.retain_checkpoints:
            self.backend.write(f"{key}.{time.time_ns()}", packed)

    def record(self, stack: StackRef, entry: Mapping[str, Any], checkpoint: bytes) -> None:
        """Add a history entry with the checkpoint as it is now, and the checkpoint's backup."""
        self.history.record(stack, entry, checkpoint)

    def stacks(self, project: str) -> list[str]:
        """Return the names of a project's stacks, sorted."""
        matches = map(_CHECKPOINT.fullmatch, self.backend.list(f"{_STACKS}/{project}"))
        return sorted({match["stack"] for match in matches if match and is_name(match["stack"])})

    def projects(self) -> list[str]:
        """Return the names under which there are or were stacks, sorted."""
        self._check_meta(create=False)
        return [name for name in self.backend.list(_STACKS) if is_name(name)]

    def locked_stacks(self, project: str) -> set[str]:
        """Return the names of the project's stacks on which somebody holds a lock."""
        folder = locks.folder_of(project)
        return {name for name in self.backend.list(folder) if self.backend.list(f"{folder}/{name}")}

    def remove(self, stack: StackRef, *, backups: bool = False) -> None:
        """Delete checkpoint, tags and history. StackNotFound if there is none.

        `.bak` and backups stay, unless `backups` says that they are to go too.
        """
        found = self._variants(stack)
        if not found:
            raise StackNotFound(f"no stack named {stack.name!r} found in project {stack.project!r}")
        self._retire(found)
        self.backend.delete(stack.tags_key)
        self.history.remove(stack, backups=backups)
        if backups:
            for extension in EXTENSIONS.values():
                self.backend.delete(f"{stack.checkpoint_key}{extension}.bak")

    def move(self, old: StackRef, new: StackRef, data: bytes) -> None:
        """Make `data` the checkpoint of `new` and take `old` away, with both locks held.

        Until the new checkpoint is on the disk the old one stays; a move that was cut off can be made again.
        """
        self.save(new, data)
        self.history.move(old, new)
        self.backend.copy(old.tags_key, new.tags_key)
        self._retire(self._variants(old))
        self.backend.delete(old.tags_key)

    def _retire(self, keys: list[str]) -> None:
        for key in keys:
            self.backend.copy(key, f"{key}.bak")
            self.backend.delete(key)

    def _variants(self, stack: StackRef) -> list[str]:
        """Return the keys of the stack's checkpoints, the one that counts last."""
        keys = [stack.checkpoint_key + extension for extension in EXTENSIONS.values()]
        times = self.backend.modified(*keys)
        return sorted(times, key=lambda key: (times[key], keys.index(key)))

    def _check_meta(self, *, create: bool) -> None:
        if self._checked:
            return
        meta = self.backend.read(_META_KEY)
        if meta is None:
            self._refuse_legacy_layout()
            if create:
                self.backend.write(_META_KEY, _META)
        elif meta.split() != _META.split():
            raise CheckpointRefused(
                f"{self.backend.url}/{_META_KEY} says {meta[:40]!r}; "
                "this engine knows layout 'version: 1' only"
            )
        self._checked = meta is not None or create

    def _refuse_legacy_layout(self) -> None:
        legacy = [name for name in self.backend.list(_STACKS) if _CHECKPOINT.fullmatch(name)]
        if legacy:
            raise CheckpointRefused(
                f"{self.backend.url} has stacks of the layout without projects ({legacy[0]}); "
                "upgrade it with `pulumi state upgrade`"
            )
