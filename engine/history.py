"""What was done to a stack: one entry per finished operation, with the checkpoint as it was then."""

import json
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from engine import compression as packing
from engine.backend import Backend
from engine.compression import EXTENSIONS, Compression
from engine.names import StackRef

_ENTRY: Final = re.compile(r"(?P<base>.+)\.history\.json(\.gz|\.zst)?")


class History:
    """History and backups of the stacks of one backend. Thread-safe."""

    def __init__(
        self,
        backend: Backend,
        compression: Compression,
        *,
        limit: int | None,
        backups: bool,
        environment: Mapping[str, str],
    ) -> None:
        self._backend = backend
        self._compression = compression
        self._limit = limit
        self._backups = backups
        self._environment = dict(environment)

    def record(self, stack: StackRef, entry: Mapping[str, Any], checkpoint: bytes) -> None:
        """Add an entry, the checkpoint beside it, and the checkpoint's backup.

        None of them is fsynced: what counts is the checkpoint itself.
        """
        stamp = time.time_ns()
        base = f"{stack.history_folder}/{stack.name}-{stamp}"
        entry = {**entry, "environment": {**entry.get("environment", {}), **self._environment}}
        text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
        packed = packing.pack(checkpoint, self._compression)
        ending = f"json{EXTENSIONS[self._compression]}"
        self._write(f"{base}.history.{ending}", packing.pack(text.encode(), self._compression))
        self._write(f"{base}.checkpoint.{ending}", packed)
        if self._backups:
            self._write(f"{stack.backups_folder}/{stack.name}.{stamp}.{ending}", packed)
        if self._limit is not None:
            self._forget_older(stack, self._limit)

    def entries(self, stack: StackRef, *, page_size: int = 0, page: int = 1) -> list[dict[str, Any]]:
        """Return the entries, newest first.

        With `page_size` only that many, from the page on, which counts from 1; pages past the end are empty.
        """
        names = self._names(stack)[::-1]
        if page_size > 0:
            start = (max(page, 1) - 1) * page_size
            names = names[start : start + page_size]
        keys = [f"{stack.history_folder}/{name}" for name in names]
        found = ((key, self._backend.read(key)) for key in keys)
        return [json.loads(packing.unpack(data, key)) for key, data in found if data]

    def move(self, old: StackRef, new: StackRef) -> None:
        """Give the entries of one stack to another, under its name. Backups stay where they are."""
        for name in self._backend.list(old.history_folder):
            stack, dash, rest = name.rpartition("-")
            if stack == old.name and dash:
                source = f"{old.history_folder}/{name}"
                self._backend.copy(source, f"{new.history_folder}/{new.name}-{rest}")
                self._backend.delete(source)

    def remove(self, stack: StackRef, *, backups: bool) -> None:
        """Delete the stack's entries, and its backups if they are to go too."""
        for folder in (stack.history_folder, stack.backups_folder) if backups else (stack.history_folder,):
            for name in self._backend.list(folder):
                self._backend.delete(f"{folder}/{name}")

    def _names(self, stack: StackRef) -> list[str]:
        return [name for name in self._backend.list(stack.history_folder) if _ENTRY.fullmatch(name)]

    def _forget_older(self, stack: StackRef, limit: int) -> None:
        """Delete all but the newest entries, each with its checkpoint and backup; the entry last."""
        names = self._names(stack)
        for name in names[: max(len(names) - limit, 0)]:
            base, _, ending = name.rpartition(".history.")
            stamp = base.removeprefix(f"{stack.name}-")
            self._backend.delete(f"{stack.history_folder}/{base}.checkpoint.{ending}")
            self._backend.delete(f"{stack.backups_folder}/{stack.name}.{stamp}.{ending}")
            self._backend.delete(f"{stack.history_folder}/{name}")

    def _write(self, key: str, data: bytes) -> None:
        self._backend.write(key, data, durable=False)
