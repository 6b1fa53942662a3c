"""Where states are kept: a small store of named files, in a folder or in a bucket.

Keys are paths with `/`, relative to the backend's root. What is kept under which key is `storage`'s business,
so that another kind of backend has only this protocol to fulfil.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from engine.errors import BackendError


class Backend(Protocol):
    """A store of files by key. Methods raise BackendError when the storage fails; all are thread-safe."""

    @property
    def url(self) -> str:
        """The address of the root, as users write it."""

    def read(self, key: str) -> bytes | None:
        """Return the content, or None if there is no such file."""

    def write(self, key: str, data: bytes, *, durable: bool = True, forced: bool = True) -> None:
        """Write or replace a file; readers see the old content or the new, never a part.

        With `durable` that holds after a crash of the machine too, and with `forced` it is the new content
        then, once the call returned. Without, it is for some moments open which of the two it would be.
        """

    def create(self, key: str, data: bytes) -> None:
        """Write a new small file in one go, with no second file beside it at any time."""

    def copy(self, source: str, target: str) -> None:
        """Keep the present content under a second name; nothing happens if the source does not exist."""

    def delete(self, key: str) -> None:
        """Delete a file; one that does not exist is a success."""

    def list(self, folder: str) -> list[str]:
        """Return the names directly in a folder, sorted; an absent folder is empty."""

    def modified(self, *keys: str) -> dict[str, float]:
        """Return when each of the files that exist was last written, in seconds since the epoch.

        The cost does not depend on how many other files there are beside them.
        """

    def touch(self, key: str, *, durable: bool = False) -> bool:
        """Have a file count as written now, with no second file beside it; False if there is none.

        With `durable` it is tried as long as a durable write.
        """

    def age(self, key: str) -> float | None:
        """Return the seconds since a file was written, by the storage's own clock; None if there is none."""


def open_backend(url: str) -> Backend:
    """Return the backend of an address: a path, `file://…` or `s3://bucket/prefix?…`.

    BackendError for other schemes and malformed addresses. Nothing is read or written yet.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme == "file":
        return FileBackend(url)
    if scheme == "s3":
        from engine.s3 import S3Backend  # boto3 takes a third of a second to import

        return S3Backend(url)
    raise BackendError(
        f"{url!r}: states in {scheme}:// are not supported; give a path, file://<folder> or "
        "s3://<bucket>/<prefix>"
    )


class FileBackend:
    """States in a folder, given as `file://` URL or path; the folder is made on the first write."""

    def __init__(self, url_or_path: str | Path) -> None:
        text = str(url_or_path)
        if text.startswith("file://"):
            text = unquote(text.removeprefix("file://").partition("?")[0])
        elif "://" in text:
            raise BackendError(f"{text!r} is no folder: give a path or a file:// URL")
        self._root = Path(text).expanduser().absolute()

    @property
    def url(self) -> str:
        """The folder as a file:// URL."""
        return f"file://{self._root}"

    def read(self, key: str) -> bytes | None:
        """Return the content, or None if there is no such file."""
        try:
            with open(self._path(key), "rb", buffering=0) as file:
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BackendError(f"cannot read {self.url}/{key}: {error.strerror}") from error

    def write(self, key: str, data: bytes, *, durable: bool = True, forced: bool = True) -> None:
        """Write beside the target, then rename over it."""
        path = self._path(key)
        temporary = _beside(path)
        with self._reported("write", key):
            try:
                self._put(temporary, data, durable)
                os.replace(temporary, path)
            except OSError:
                _unlink(temporary)
                raise
            if durable and forced:
                _sync_folder(os.path.dirname(path))

    def create(self, key: str, data: bytes) -> None:
        """Write with one call; an existing file is an error."""
        path = self._path(key)
        with self._reported("create", key):
            try:
                self._put(path, data, durable=False)
            except FileExistsError:
                raise
            except OSError:
                _unlink(path)  # half a lock would lock the stack, and nobody could say who holds it
                raise

    def copy(self, source: str, target: str) -> None:
        """Link the file under the second name.

        Files here are only ever replaced as a whole, never changed.
        """
        path = self._path(target)
        temporary = _beside(path)
        with self._reported("copy", target), contextlib.suppress(FileNotFoundError):
            try:
                self._link(self._path(source), temporary)
                os.replace(temporary, path)
            finally:
                _unlink(temporary)  # renaming does nothing where both are the same file already

    def delete(self, key: str) -> None:
        """Remove the file if it is there."""
        with self._reported("delete", key):
            _unlink(self._path(key))

    def list(self, folder: str) -> list[str]:
        """Return the names of files and folders directly in a folder."""
        with self._reported("list", folder):
            try:
                return sorted(os.listdir(self._path(folder)))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def modified(self, *keys: str) -> dict[str, float]:
        """Return the modification times."""
        found: dict[str, float] = {}
        for key in keys:
            with self._reported("read", key), contextlib.suppress(FileNotFoundError):
                found[key] = os.stat(self._path(key)).st_mtime
        return found

    def touch(self, key: str, *, durable: bool = False) -> bool:
        """Set the modification time to that of the file system."""
        with self._reported("touch", key):
            try:
                os.utime(self._path(key))
            except FileNotFoundError:
                return False
        return True

    def age(self, key: str) -> float | None:
        """Compare the file with one that is written now: a shared folder's server has a clock of its own."""
        with self._reported("read", key), contextlib.suppress(FileNotFoundError):
            written = os.stat(self._path(key)).st_mtime
            probe = _beside(self._path(".pulumi/clock"))
            try:
                self._put(probe, b"", durable=False)
                return max(0.0, os.stat(probe).st_mtime - written)
            finally:
                _unlink(probe)
        return None

    def _path(self, key: str) -> str:
        # Texts: a dozen files are touched for an event, and making a Path costs as much as opening one.
        return f"{self._root}/{key}"

    @staticmethod
    def _link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except FileNotFoundError:
            os.stat(source)  # a missing source ends here; else it is the target's folder that is missing
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.link(source, target)

    def _put(self, path: str, data: bytes, durable: bool) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            descriptor = os.open(path, flags, 0o600)
        # Buffered: a raw write may come back half done, when the disk is full, without saying so.
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(descriptor)

    @contextlib.contextmanager
    def _reported(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BackendError(f"cannot {verb} {self.url}/{key}: {error.strerror}") from error


def _beside(path: str) -> str:
    return f"{path}.{time.time_ns():x}.tmp"


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
