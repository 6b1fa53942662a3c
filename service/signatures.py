"""Who may send events from outside: signatures over whole messages, by Standard Webhooks.

Off until there are keys. A sender signs `{webhook-id}.{webhook-timestamp}.{content}` by HMAC-SHA256 and sends
the base64 of it as `webhook-signature: v1,...`. The content is the body; of an event in binary mode, whose
attributes are headers, its `ce-*` headers come first (`signed_content`): else a build could become a deletion
under the same signature. Which paths are held to it, and why: docs/decisions/0073-signatures.md.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automation.errors import DependencyUnavailable
from service.errors import Unsigned
from service.secret_lines import SecretLines

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

TOLERANCE_SECONDS: Final = 300
"""How far a sender's clock may be off, and how long a message may be sent again, as the standard says."""

MIN_KEY_BYTES: Final = 24
MAX_KEY_BYTES: Final = 64
"""What the standard allows."""

MAX_SIGNATURES: Final = 16
"""Signatures in one header that are looked at; a sender that changes its key sends two."""

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"
_SEND: Final = "see docs/events.md#signatures"


@dataclass(frozen=True, kw_only=True)
class SignatureSettings:
    """Whose messages are taken."""

    keys_file: Path | None = None
    """Keys, one a line, each of them good; None: signatures are not asked for."""
    paths: tuple[str, ...] = ()
    """Paths whose messages have to be signed."""


UNSIGNED: Final = SignatureSettings()
"""Nobody has to sign."""


class Signatures:
    """Lets messages through or refuses them; `clock` tells seconds since 1970."""

    def __init__(self, settings: SignatureSettings, clock: Callable[[], float]) -> None:
        self._keys = SecretLines(settings.keys_file, read_key) if settings.keys_file else None
        self._paths = frozenset(settings.paths)
        self._clock = clock

    def check(self, path: str, headers: Collection[tuple[str, str]], body: bytes) -> None:
        """Return if a message need not be signed or is signed well, header names in lower case.

        Raises Unsigned; DependencyUnavailable when the keys cannot be read.
        """
        if self._keys is None or path not in self._paths:
            return
        fields = _once(headers)
        text = f"{fields[ID]}.{self._timely(fields[TIMESTAMP])}."
        message = text.encode("latin-1") + signed_content(headers, body)
        given = [_digest(each) for each in fields[SIGNATURE].split()[:MAX_SIGNATURES]]
        # All are compared with all: how long it takes does not tell which of them was nearly right.
        found = [
            hmac.compare_digest(hmac.digest(key, message, "sha256"), digest)
            for key in self._read(self._keys)
            for digest in given
        ]
        if not any(found):
            raise Unsigned(f"{SIGNATURE}: fits no key that is known here, or not this message; {_SEND}")

    def _timely(self, timestamp: str) -> str:
        """Return a timestamp that is near the clock's. Raises Unsigned."""
        seconds = int(timestamp) if timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16 else 0
        if abs(self._clock() - seconds) > TOLERANCE_SECONDS:
            raise Unsigned(
                f"{TIMESTAMP}: {timestamp[:40]!a} is not allowed; allowed: seconds since 1970, at most"
                f" {TOLERANCE_SECONDS} from now; sign the message again"
            )
        return timestamp

    @staticmethod
    def _read(keys: SecretLines[bytes]) -> tuple[bytes, ...]:
        try:
            known = keys.known()
        except OSError as error:
            raise DependencyUnavailable("the file of signature keys cannot be read") from error
        if not known:
            raise DependencyUnavailable("the file of signature keys holds no key")
        return known


def signed_content(headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Return what of a message is signed: the body, after the `ce-*` headers if the event is in those.

    These come sorted by name, a line `name:value` each, and end with an empty line.
    """
    fields = dict(headers)
    if fields.get("content-type", "").strip().lower().startswith("application/cloudevents"):
        return body
    lines = sorted(f"{name}:{value.strip()}\n" for name, value in fields.items() if name.startswith("ce-"))
    return "".join(lines).encode("latin-1") + b"\n" + body


def read_key(line: str) -> bytes | None:
    """Return the key of a line `whsec_` and base64; None if it is none, or one that the standard forbids."""
    key = _decoded(line.removeprefix(_PREFIX)) if line.startswith(_PREFIX) else None
    return key if key is not None and MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES else None


def _once(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return the standard's three headers. Raises Unsigned if one is missing, empty or there twice."""
    found = [(name, value) for name, value in headers if name in (ID, TIMESTAMP, SIGNATURE)]
    fields = {name: value for name, value in found if value}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if name not in fields]
    if missing or len(found) != len(fields):
        problem = f"{', '.join(missing)}: missing" if missing else f"{', '.join(fields)}: one is there twice"
        raise Unsigned(f"{problem}; events at this path are signed, each header is sent once; {_SEND}")
    return fields


def _digest(signature: str) -> bytes:
    """Return the bytes of `v1,` and base64; nothing, which fits no message, for anything else."""
    version, comma, digest = signature.partition(",")
    return (_decoded(digest) or b"") if version + comma == _VERSION else b""


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
