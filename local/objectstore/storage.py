"""Buckets and objects as folders and files.

    <root>/<bucket>/<key>              an object's bytes, for people to read and edit in place
    <root>/.meta/<bucket>/<sha256>     its content type, metadata and checksums, void once the file changes
    <root>/.uploads/<id>/              a multipart upload under way
    <root>/.tmp/                       bodies that are being received

Nothing is remembered that the disk could contradict: what is cached (ETags, metadata) is keyed by the
file's inode, size and modification time. Methods are synchronous and short; only `describe` reads a whole
file, when that was edited by hand. Folders behind symbolic links are readable by key and left out of
listings.
"""

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from local.objectstore.errors import S3Error
from local.objectstore.keys import check_bucket, from_name, to_path

Version = tuple[int, int, int]
"""Inode, size in bytes and modification time in nanoseconds: equal as long as a file was not written."""


@dataclass(frozen=True)
class Meta:
    """What belongs to an object besides its bytes."""

    etag: str
    """Without quotes."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers to answer with: Content-Type, Cache-Control, x-amz-meta-*…; names in lower case."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """x-amz-checksum-* headers."""


@dataclass(frozen=True)
class StoredObject:
    """An object as it is on disk now."""

    key: str
    path: Path
    size: int
    modified: float
    """Seconds since the epoch."""
    meta: Meta


class Storage:
    """The folder of all buckets."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._meta = root / ".meta"
        self._cache: dict[Path, tuple[Version, Meta]] = {}
        self.uploads = root / ".uploads"
        self.temporary = root / ".tmp"
        shutil.rmtree(self.temporary, ignore_errors=True)
        for folder in (self._meta, self.uploads, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)

    def buckets(self) -> list[tuple[str, float]]:
        """Return the buckets' names and creation times (seconds since the epoch), by name."""
        found = (entry for entry in os.scandir(self._root) if not entry.name.startswith("."))
        return sorted((entry.name, entry.stat().st_ctime) for entry in found if entry.is_dir())

    def bucket(self, name: str) -> Path:
        """Return the bucket's folder. Raises NoSuchBucket, InvalidBucketName."""
        folder = self._root / check_bucket(name)
        if not folder.is_dir():
            raise S3Error("NoSuchBucket", f"the bucket {name!r} does not exist; create it first")
        return folder

    def create_bucket(self, name: str) -> None:
        """Create a bucket. Raises BucketAlreadyOwnedByYou, InvalidBucketName."""
        try:
            (self._root / check_bucket(name)).mkdir()
        except FileExistsError:
            raise S3Error("BucketAlreadyOwnedByYou", f"the bucket {name!r} exists already") from None

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket. Raises NoSuchBucket, BucketNotEmpty."""
        folder = self.bucket(name)
        if any(files for _, _, files in os.walk(folder)):
            raise S3Error("BucketNotEmpty", f"the bucket {name!r} holds objects or files; delete them first")
        shutil.rmtree(folder)
        shutil.rmtree(self._meta / name, ignore_errors=True)

    def describe(self, bucket: str, key: str) -> StoredObject:
        """Return the object. Raises NoSuchKey, NoSuchBucket."""
        path = self.bucket(bucket) / to_path(key)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise _no_such_key(key) from None
        if not stat.S_ISREG(status.st_mode):
            raise _no_such_key(key)
        version = _version(status)
        return StoredObject(
            key, path, status.st_size, status.st_mtime, self._read_meta(bucket, key, path, version)
        )

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """Return the object, None if there is none. Raises NoSuchBucket."""
        try:
            return self.describe(bucket, key)
        except S3Error as error:
            if error.code != "NoSuchKey":
                raise
            return None

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """Give a new empty file outside of all buckets; whatever is still there at the end is removed."""
        handle, name = tempfile.mkstemp(dir=self.temporary)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def put(self, bucket: str, key: str, staged: Path, meta: Meta) -> None:
        """Make the staged file the object, at once and whole. Raises KeyConflict, NoSuchBucket."""
        target = self.bucket(bucket) / to_path(key)
        # mkstemp made it private; the people who edit the folder and other users' processes read it too.
        staged.chmod(0o644)
        self._write_meta(bucket, key, _version(staged.stat()), meta)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                _remove_empty_folders(target)
            os.replace(staged, target)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise S3Error(
                "KeyConflict",
                f"the key {key!r} cannot be stored: on this folder a key cannot be both an object and the"
                " folder of"
                " others (as in 'a' and 'a/b'); delete or rename the other one",
            ) from None

    def delete(self, bucket: str, key: str) -> None:
        """Delete the object; one that is not there is a success, as in S3. Raises NoSuchBucket."""
        folder = self.bucket(bucket)
        path = folder / to_path(key)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
            path.unlink()
        self._cache.pop(path, None)
        self._meta_file(bucket, key).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            while (path := path.parent) != folder:
                path.rmdir()

    def keys(self, bucket: str, prefix: str = "", after: str = "") -> Iterator[str]:
        """Yield the keys with that prefix and greater than `after`, in S3's order (by UTF-8 bytes)."""
        folder = self.bucket(bucket)
        return (
            key
            for key in _walk(folder, "", prefix, after)
            if key.startswith(prefix) and _order(key) > _order(after)
        )

    def _read_meta(self, bucket: str, key: str, path: Path, version: Version) -> Meta:
        cached = self._cache.get(path)
        if cached is not None and cached[0] == version:
            return cached[1]
        meta = self._stored_meta(bucket, key, version) or Meta(_md5(path))
        self._cache[path] = version, meta
        return meta

    def _stored_meta(self, bucket: str, key: str, version: Version) -> Meta | None:
        try:
            document = json.loads(self._meta_file(bucket, key).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return Meta(**document["meta"]) if tuple(document["version"]) == version else None

    def _write_meta(self, bucket: str, key: str, version: Version, meta: Meta) -> None:
        # Written before the object appears: if it never does, the version does not match and the entry is
        # void.
        file = self._meta_file(bucket, key)
        file.parent.mkdir(exist_ok=True)
        with self.staging() as staged:
            staged.write_text(json.dumps({"version": version, "meta": asdict(meta)}))
            os.replace(staged, file)

    def _meta_file(self, bucket: str, key: str) -> Path:
        return self._meta / bucket / hashlib.sha256(key.encode()).hexdigest()


def _version(status: os.stat_result) -> Version:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _no_such_key(key: str) -> S3Error:
    return S3Error("NoSuchKey", f"there is no object {key!r}")


def _order(key: str) -> bytes:
    return key.encode(errors="surrogateescape")


def _remove_empty_folders(path: Path) -> None:
    """Remove a tree of empty folders that is where an object is to be; a file in it ends this."""
    with contextlib.suppress(OSError):
        for folder, _, _ in os.walk(path, topdown=False):
            os.rmdir(folder)


def _walk(folder: Path, base: str, prefix: str, after: str) -> Iterator[str]:
    """Yield keys below a folder in order, leaving out subtrees that cannot hold what is asked for."""
    for name, key, is_folder in sorted(_children(folder, base), key=lambda child: _order(child[1])):
        if not is_folder:
            yield key
        elif _may_hold(key, prefix, after):
            yield from _walk(folder / name, key, prefix, after)


def _may_hold(folder_key: str, prefix: str, after: str) -> bool:
    in_prefix = folder_key.startswith(prefix) or prefix.startswith(folder_key)
    return in_prefix and (_order(folder_key) > _order(after) or after.startswith(folder_key))


def _children(folder: Path, base: str) -> Iterator[tuple[str, str, bool]]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        segment = from_name(entry.name)
        if segment is None:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield entry.name, f"{base}{segment}/", True
        elif entry.is_file():
            yield entry.name, f"{base}{segment}", False
