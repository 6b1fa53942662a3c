"""Who may read: bearer tokens from a file, such as a Secret that is mounted.

One token a line; all of them are good, so that a new one can be handed out before the old one is taken away.
The file is read again when it has changed.
"""

import hashlib
import hmac
from pathlib import Path
from typing import Final

from service.errors import AccessDenied, Unauthorized
from service.secret_lines import SecretLines

MIN_CHARACTERS: Final = 16
"""Shorter lines are no tokens: they could be guessed."""

_SCHEME: Final = "bearer "


class Tokens:
    """The tokens of one file; without a file nobody may read."""

    def __init__(self, path: Path | None) -> None:
        self._lines = None if path is None else SecretLines(path, _digest_of_token)

    def check(self, authorization: str | None) -> None:
        """Return if an Authorization header holds a good token. Raises Unauthorized or AccessDenied."""
        if self._lines is None:
            raise AccessDenied("reading is not switched on here; set API_TOKENS_FILE to a file of tokens")
        given = authorization or ""
        if given[: len(_SCHEME)].lower() != _SCHEME:
            raise Unauthorized("no token; send the header Authorization: Bearer <token>")
        digest = _digest(given[len(_SCHEME) :].strip())
        # All of them are compared, and digests of equal length: how long it takes tells nothing.
        found = [hmac.compare_digest(digest, known) for known in self._known(self._lines)]
        if not any(found):
            raise Unauthorized("this token is not known; ask for a new one")

    @staticmethod
    def _known(lines: SecretLines[bytes]) -> tuple[bytes, ...]:
        try:
            return lines.known()
        except OSError as error:
            raise AccessDenied(f"the file of tokens cannot be read: {error.strerror}") from error


def _digest_of_token(line: str) -> bytes | None:
    return _digest(line) if len(line) >= MIN_CHARACTERS else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
