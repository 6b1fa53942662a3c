"""A stack's files: checkpoint with its backup, history, and what else Pulumi's layout has."""

import contextlib
import gzip
import hashlib
import json
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine import locks
from engine.backend import Backend
from engine.errors import CheckpointRefused, StackNotFound, Unsupported
from engine.names import StackRef

_META_KEY: Final = ".pulumi/meta.yaml"
_META: Final = b"version: 1\n"
_VARIANTS: Final = ("", ".gz", ".zst")
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"

ABSENT: Final = ""
"""The version of a stack that does not exist or has nothing deployed."""


def version_of(data: bytes) -> str:
    """Return the version token of a checkpoint's bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


class Storage:
    """The stacks of one backend. Thread-safe; different stacks never wait for each other."""

    def __init__(self, backend: Backend, *, history_limit: int | None = None) -> None:
        """Keep that many entries of each stack's history, all of them for None."""
        self._backend = backend
        self._history_limit = history_limit
        self._checked = False

    @contextlib.contextmanager
    def locked(self, stack: StackRef) -> Iterator[None]:
        """Hold the stack's lock; ConcurrentUpdateError if somebody else does."""
        self._check_meta(create=True)
        with locks.held(self._backend, stack):
            yield

    def cancel(self, stack: StackRef) -> int:
        """Break every lock of the stack and return how many there were."""
        return locks.break_all(self._backend, stack)

    def cancel_abandoned(self, stack: StackRef, older_than_seconds: float) -> int:
        """Break the locks whose holders cannot be at work any more; return how many there were."""
        return locks.break_abandoned(self._backend, stack, older_than_seconds)

    def load(self, stack: StackRef) -> bytes | None:
        """Return the checkpoint file's content, uncompressed; None if the stack does not exist."""
        self._check_meta(create=False)
        # The plain variant alone is the common case by far, and costs one read.
        data = self._backend.read(stack.checkpoint_key)
        if data is None or self._other_variants(stack):
            data = self._newest(stack)
        return None if data is None else _uncompressed(data, stack)

    def save(self, stack: StackRef, data: bytes) -> None:
        """Replace the checkpoint durably; the previous one stays as `.bak`."""
        key = stack.checkpoint_key
        self._backend.copy(key, f"{key}.bak")
        self._backend.write(key, data)
        for variant in self._other_variants(stack):
            self._backend.copy(f"{key}{variant}", f"{key}{variant}.bak")
            self._backend.delete(f"{key}{variant}")

    def record(self, stack: StackRef, entry: Mapping[str, Any], checkpoint: bytes) -> None:
        """Add a history entry with the checkpoint as it is now, and the checkpoint's backup."""
        stamp = time.time_ns()
        base = f"{stack.history_folder}/{stack.name}-{stamp}"
        data = json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()
        self._backend.write(f"{base}.history.json", data, durable=False)
        self._backend.write(f"{base}.checkpoint.json", checkpoint, durable=False)
        self._backend.write(f"{stack.backups_folder}/{stack.name}.{stamp}.json", checkpoint, durable=False)
        if self._history_limit is not None:
            self._forget_older(stack, self._history_limit)

    def _forget_older(self, stack: StackRef, limit: int) -> None:
        """Delete all but the newest history entries, each with its checkpoint and backup."""
        suffix = ".history.json"
        names = [name for name in self._backend.list(stack.history_folder) if name.endswith(suffix)]
        for name in names[:-limit]:
            entry = name.removesuffix(suffix)
            stamp = entry.removeprefix(f"{stack.name}-")
            self._backend.delete(f"{stack.history_folder}/{entry}.checkpoint.json")
            self._backend.delete(f"{stack.backups_folder}/{stack.name}.{stamp}.json")
            self._backend.delete(f"{stack.history_folder}/{name}")

    def history(self, stack: StackRef) -> list[dict[str, Any]]:
        """Return the history entries, newest first."""
        names = [name for name in self._backend.list(stack.history_folder) if name.endswith(".history.json")]
        found = (self._backend.read(f"{stack.history_folder}/{name}") for name in reversed(names))
        return [json.loads(data) for data in found if data]

    def stacks(self, project: str) -> list[str]:
        """Return the names of a project's stacks, sorted."""
        endings = tuple(f".json{variant}" for variant in _VARIANTS)
        names = self._backend.list(f".pulumi/stacks/{project}")
        return sorted({name[: name.rindex(".json")] for name in names if name.endswith(endings)})

    def remove(self, stack: StackRef) -> None:
        """Delete checkpoint, tags and history. `.bak` and backups stay. StackNotFound if there is none."""
        if self.load(stack) is None:
            raise StackNotFound(f"no stack named {stack.name!r} found in project {stack.project!r}")
        for variant in _VARIANTS:
            self._backend.copy(stack.checkpoint_key + variant, f"{stack.checkpoint_key}{variant}.bak")
            self._backend.delete(stack.checkpoint_key + variant)
        self._backend.delete(stack.checkpoint_key.removesuffix(".json") + ".pulumi-tags")
        for name in self._backend.list(stack.history_folder):
            self._backend.delete(f"{stack.history_folder}/{name}")

    def _check_meta(self, *, create: bool) -> None:
        if self._checked:
            return
        meta = self._backend.read(_META_KEY)
        if meta is None:
            self._refuse_legacy_layout()
            if create:
                self._backend.write(_META_KEY, _META)
        elif meta.split() != _META.split():
            raise CheckpointRefused(
                f"{self._backend.url}/{_META_KEY} says {meta[:40]!r}; "
                "this engine knows layout 'version: 1' only"
            )
        self._checked = meta is not None or create

    def _refuse_legacy_layout(self) -> None:
        legacy = [name for name in self._backend.list(".pulumi/stacks") if name.endswith(".json")]
        if legacy:
            raise CheckpointRefused(
                f"{self._backend.url} has stacks of the layout without projects ({legacy[0]}); "
                "upgrade it with `pulumi state upgrade`"
            )

    def _other_variants(self, stack: StackRef) -> list[str]:
        # Asked for one by one: listing the folder would cost more the more stacks the project has.
        return [
            variant
            for variant in _VARIANTS[1:]
            if self._backend.read(stack.checkpoint_key + variant) is not None
        ]

    def _newest(self, stack: StackRef) -> bytes | None:
        keys = [
            key
            for variant in _VARIANTS
            if self._backend.read(key := stack.checkpoint_key + variant) is not None
        ]
        return self._backend.read(max(keys, key=self._backend.modified)) if keys else None


def _uncompressed(data: bytes, stack: StackRef) -> bytes:
    if data.startswith(_ZSTD):
        raise Unsupported(
            f"the checkpoint of {stack} is compressed with zstd; write it with gzip or plain instead"
        )
    if not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise CheckpointRefused(f"the compressed checkpoint of {stack} is damaged: {error}") from error
