"""Who may read: bearer tokens from a file, such as a Secret that is mounted.

One token a line; all of them are good, so that a new one can be handed out before the old one is taken away.
The file is read again when it has changed.
"""

import hashlib
import hmac
from pathlib import Path
from typing import Final

from service.errors import AccessDenied, Unauthorized

MIN_CHARACTERS: Final = 16
"""Shorter lines are no tokens: they could be guessed."""

_SCHEME: Final = "bearer "


class Tokens:
    """The tokens of one file; without a file nobody may read."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._digests: tuple[bytes, ...] = ()

    def check(self, authorization: str | None) -> None:
        """Return if an Authorization header holds a good token. Raises Unauthorized or AccessDenied."""
        if self._path is None:
            raise AccessDenied("reading is not switched on here; set API_TOKENS_FILE to a file of tokens")
        given = authorization or ""
        if given[: len(_SCHEME)].lower() != _SCHEME:
            raise Unauthorized("no token; send the header Authorization: Bearer <token>")
        digest = _digest(given[len(_SCHEME) :].strip())
        # All of them are compared, and digests of equal length: how long it takes tells nothing.
        found = [hmac.compare_digest(digest, known) for known in self._known(self._path)]
        if not any(found):
            raise Unauthorized("this token is not known; ask for a new one")

    def _known(self, path: Path) -> tuple[bytes, ...]:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                lines = (line.strip() for line in path.read_text("utf-8", "replace").splitlines())
                self._digests = tuple(_digest(line) for line in lines if len(line) >= MIN_CHARACTERS)
                self._stamp = stamp
        except OSError as error:
            raise AccessDenied(f"the file of tokens cannot be read: {error.strerror}") from error
        return self._digests


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
