"""The lines of a file that holds secrets, such as a mounted Secret: read again when the file has changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class SecretLines(Generic[T]):
    """What `read` makes of each line of a file (None: the line is no secret); kept until the file changes."""

    def __init__(self, path: Path, read: Callable[[str], T | None]) -> None:
        self._path = path
        self._read = read
        self._stamp: tuple[int, int] | None = None
        self._known: tuple[T, ...] = ()

    def known(self) -> tuple[T, ...]:
        """Return the secrets as they are now. Raises OSError."""
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            lines = self._path.read_text("utf-8", "replace").splitlines()
            read = (self._read(line.strip()) for line in lines)
            self._known, self._stamp = tuple(secret for secret in read if secret is not None), stamp
        return self._known
