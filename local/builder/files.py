"""Folders: paths that stay inside, content hashes, snapshots and their differences, and fast copies."""

import hashlib
import os
import posixpath
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Fingerprint = tuple[int, ...]
"""Differs when a file was written, replaced, or changed its mode."""


@dataclass(frozen=True)
class Difference:
    """What a command did to a folder; paths are relative, a folder stands before what is in it."""

    changed: tuple[str, ...]
    deleted: tuple[str, ...]


def inside(root: Path, path: str) -> Path:
    """Return where the absolute path of an image is on disk; raises ValueError if it leads out of `root`.

    Links are followed as far as they exist, so that an image cannot make its builder write elsewhere.
    """
    target = root / posixpath.normpath(path).lstrip("/")
    resolved = target.parent.resolve() / target.name
    if resolved != root.resolve() and not resolved.is_relative_to(root.resolve()):
        raise ValueError(f"{path} leads out of the image")
    return target


def content_hash(path: Path) -> str:
    """Return a hash over names, modes and bytes of a file, link or folder."""
    digest = hashlib.sha256()
    for entry in (path, *sorted(_tree(path))):
        name = str(entry.relative_to(path))
        status = entry.lstat()
        digest.update(f"{name}\0{status.st_mode:o}\0".encode(errors="surrogateescape"))
        if stat.S_ISLNK(status.st_mode):
            digest.update(os.fsencode(os.readlink(entry)))
        elif stat.S_ISREG(status.st_mode):
            with entry.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def snapshot(root: Path) -> dict[str, Fingerprint]:
    """Return a fingerprint of everything below `root` by relative path."""
    found = {}
    for entry in _tree(root):
        status = entry.lstat()
        times = () if stat.S_ISDIR(status.st_mode) else (status.st_ino, status.st_size, status.st_mtime_ns)
        found[str(entry.relative_to(root))] = (status.st_mode, *times)
    return found


def difference(before: dict[str, Fingerprint], after: dict[str, Fingerprint]) -> Difference:
    """Compare two snapshots."""
    changed = sorted(path for path, fingerprint in after.items() if before.get(path) != fingerprint)
    return Difference(tuple(changed), tuple(sorted(before.keys() - after.keys())))


def transfer(source: Path, target: Path, *, share: bool) -> None:
    """Put the file or link at `target`, replacing what is there; `share` makes it a hard link where possible.

    Mode and times are kept.
    """
    if os.path.lexists(target):
        target.unlink()
    if share:
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:
            pass  # another file system, or too many links: a copy is as good
        else:
            return
    shutil.copy2(source, target, follow_symlinks=False)


def merge(source: Path, target: Path, *, share: bool) -> None:
    """Put everything below `source` into `target`, over what is there."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        destination = target / entry.name
        if entry.is_dir() and not entry.is_symlink():
            merge(entry, destination, share=share)
            shutil.copymode(entry, destination)
        else:
            transfer(entry, destination, share=share)


def _tree(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        return
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            yield Path(folder, name)
