"""Pulumi's passphrase encryption: AES-256-GCM under a key derived by PBKDF2.

Deriving a key takes 0.3 to 0.5 s of CPU by design, so keys are kept per passphrase and salt for the life of
the process, and nothing is derived until a secret has to be read or written.
"""

import base64
import binascii
import hashlib
import os
import threading
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import CheckpointRefused, IncorrectPassphrase

ITERATIONS: Final = 1_000_000
_VERIFIER: Final = "pulumi"
_WRONG: Final = (
    "incorrect passphrase: it does not open the secrets of the stack; give the one it was made with"
)
_keys: Final[dict[tuple[str, bytes], AESGCM]] = {}
_deriving: Final = threading.Lock()


def cipher_for(passphrase: str, salt: bytes) -> AESGCM:
    """Return the cipher of a passphrase and an 8-byte salt, derived at most once a process."""
    known = _keys.get((passphrase, salt))
    if known is not None:
        return known
    # One at a time: threads that need the same key must not each pay for it.
    with _deriving:
        if (passphrase, salt) not in _keys:
            key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ITERATIONS, 32)
            _keys[passphrase, salt] = AESGCM(key)
        return _keys[passphrase, salt]


def encrypt(cipher: AESGCM, text: str) -> str:
    """Return `v1:<nonce>:<ciphertext and tag>`, both in base64."""
    nonce = os.urandom(12)
    return f"v1:{_encode(nonce)}:{_encode(cipher.encrypt(nonce, text.encode(), None))}"


def decrypt(cipher: AESGCM, token: str) -> str:
    """Open what `encrypt` made.

    IncorrectPassphrase if the key does not fit, CheckpointRefused if malformed.
    """
    parts = token.split(":")
    if len(parts) != 3 or parts[0] != "v1":
        raise CheckpointRefused(
            "a secret of the state has no form that is known here (expected v1:nonce:data)"
        )
    try:
        return cipher.decrypt(_decode(parts[1]), _decode(parts[2]), None).decode()
    except InvalidTag as error:
        raise IncorrectPassphrase(_WRONG) from error
    except (binascii.Error, ValueError) as error:
        raise CheckpointRefused(f"a secret of the state is damaged: {error}") from error


def new_state(passphrase: str) -> str:
    """Make a salt and return its record: `v1:<salt>:<the verifier, encrypted>`."""
    salt = os.urandom(8)
    return f"v1:{_encode(salt)}:{encrypt(cipher_for(passphrase, salt), _VERIFIER)}"


def open_state(passphrase: str, state: str) -> AESGCM:
    """Return the cipher that a salt record describes, after checking the passphrase against it."""
    parts = state.split(":", 2)
    if len(parts) != 3 or parts[0] != "v1":
        raise CheckpointRefused(
            "the salt of the state's secrets provider is malformed (expected v1:salt:verifier)"
        )
    try:
        salt = _decode(parts[1])
    except ValueError as error:
        raise CheckpointRefused(f"the salt of the state's secrets provider is damaged: {error}") from error
    cipher = cipher_for(passphrase, salt)
    if decrypt(cipher, parts[2]) != _VERIFIER:
        raise IncorrectPassphrase(_WRONG)
    return cipher


class Secrets:
    """Encrypts and decrypts the secrets of one checkpoint, or of a stack's configuration file. Thread-safe.

    `state` is the salt record in the checkpoint, None as long as nothing was ever secret; the first secret
    written then takes the record that `fresh` gives, so that many stacks of one engine can share one
    derivation; without `fresh`, one of its own.
    """

    def __init__(self, passphrase: str, state: str | None, fresh: Callable[[], str] | None = None) -> None:
        self.state = state
        self._passphrase = passphrase
        self._fresh = fresh or (lambda: new_state(passphrase))
        self._cipher: AESGCM | None = None
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise IncorrectPassphrase if the passphrase does not fit the salt record."""
        self._opened()

    def encrypt(self, text: str) -> str:
        """Encrypt one text; takes a salt record first if there is none."""
        return encrypt(self._opened(), text)

    def decrypt(self, token: str) -> str:
        """Decrypt one text; CheckpointRefused if the state names no secrets provider."""
        if self.state is None:
            raise CheckpointRefused("the state holds secrets but names no secrets provider to open them")
        return decrypt(self._opened(), token)

    def _opened(self) -> AESGCM:
        with self._lock:
            if self._cipher is None:
                self.state = self.state or self._fresh()
                self._cipher = open_state(self._passphrase, self.state)
            return self._cipher


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
