"""What earlier builds left: layers of RUN commands, and images that equal inputs led to.

    <root>/layers/<key>/files/       what the command changed
    <root>/layers/<key>/layer.json   when it was made, and what the command deleted
    <root>/results/<key>             the digest of the image, and when its oldest layer was made
    <root>/locks/…                   one builder at a time makes what has the same key
    <root>/work/                     builds under way

Used by several builders at once: everything appears by rename, and is valid for the time that `--cache-ttl`
says.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.builder.files import Difference, merge, transfer

_PRUNE_GRACE_SECONDS = 3600.0
"""A builder may just be linking files of a layer that has expired since it was found."""
_LOCK_DIGITS = 3
"""Hex digits of the key that name a lock file: few files that are never removed, few false neighbours."""


@dataclass(frozen=True)
class Layer:
    """A cached layer."""

    files: Path
    deleted: tuple[str, ...]
    created: float
    """Seconds since the epoch."""

    def apply(self, rootfs: Path, *, share: bool) -> None:
        """Do to `rootfs` what the command did; `share` allows hard links to the layer's files."""
        merge(self.files, rootfs, share=share)
        for path in reversed(self.deleted):
            target = rootfs / path
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)


class Cache:
    """The cache folder, with the age in seconds up to which its content is valid."""

    def __init__(self, root: Path, *, ttl_seconds: float) -> None:
        self._layers, self._results, self._locks = root / "layers", root / "results", root / "locks"
        self._ttl = ttl_seconds
        self.work = root / "work"
        for folder in (self._layers, self._results, self._locks, self.work):
            folder.mkdir(parents=True, exist_ok=True)

    def layer(self, key: str) -> Layer | None:
        """Return the layer of that key unless there is none or it is too old."""
        try:
            document = json.loads((self._layers / key / "layer.json").read_bytes())
        except FileNotFoundError:
            return None
        found = Layer(self._layers / key / "files", tuple(document["deleted"]), document["created"])
        return found if self._is_valid(found.created) else None

    def add_layer(self, key: str, rootfs: Path, change: Difference, *, share: bool) -> None:
        """Keep what a command changed in `rootfs`; `share` allows hard links to the files in it."""
        staging = Path(tempfile.mkdtemp(prefix="layer-", dir=self.work))
        files = staging / "files"
        files.mkdir()
        for path in change.changed:
            source, target = rootfs / path, files / path
            if source.is_dir() and not source.is_symlink():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copymode(source, target)
            else:
                _make_parents(rootfs, files, path)
                transfer(source, target, share=share)
        (staging / "layer.json").write_text(json.dumps({"deleted": change.deleted, "created": time.time()}))
        _replace(staging, self._layers / key)

    def result(self, key: str) -> str | None:
        """Return the digest of the image that equal inputs led to, None if unknown or too old."""
        try:
            document = json.loads((self._results / key).read_bytes())
        except FileNotFoundError:
            return None
        return str(document["digest"]) if self._is_valid(document["created"]) else None

    def add_result(self, key: str, digest: str, created: float) -> None:
        """Remember the image; `created` is when the oldest of its layers was made."""
        handle, name = tempfile.mkstemp(dir=self.work)
        with os.fdopen(handle, "w") as file:
            json.dump({"digest": digest, "created": created}, file)
        os.replace(name, self._results / key)

    @contextlib.contextmanager
    def exclusive(self, kind: str, key: str) -> Iterator[None]:
        """Hold the lock of a key, waiting for it; it is let go when the process ends, however it ends."""
        with (self._locks / f"{kind}-{key[:_LOCK_DIGITS]}").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def prune(self) -> None:
        """Remove what has expired, and what killed builders left."""
        horizon = time.time() - self._ttl - _PRUNE_GRACE_SECONDS
        for entry in (*self._layers.iterdir(), *self._results.iterdir(), *self.work.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_mtime < horizon:
                    shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()

    def _is_valid(self, created: float) -> bool:
        return time.time() - created <= self._ttl


def _make_parents(rootfs: Path, files: Path, path: str) -> None:
    """Make the folders above a changed file, with the modes that they have in the image."""
    for parent in reversed(Path(path).parents[:-1]):
        if not (files / parent).exists():
            (files / parent).mkdir()
            shutil.copymode(rootfs / parent, files / parent)


def _replace(staging: Path, target: Path) -> None:
    """Move a folder to its place; one that is there (expired) is moved away first."""
    with contextlib.suppress(FileNotFoundError):
        target.rename(staging / "replaced")
    staging.rename(target)
    shutil.rmtree(target / "replaced", ignore_errors=True)
