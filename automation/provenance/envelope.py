"""Signed statements: DSSE envelopes with one Ed25519 signature.

Shapes: secure-systems-lab/dsse, protocol.md and envelope.md, v1.0.2. What is signed is
`DSSEv1 {length of type} {type} {length of body} {body}`, so that a signature of one type of payload is none
of another.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from automation.errors import DependencyUnavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
"""Of in-toto statements (in-toto/attestation, spec/v1/envelope.md)."""


class Signer(Protocol):
    """Signs bytes."""

    @property
    def key_id(self) -> str:
        """Which key it is: a hint for who verifies, not vouched for."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature."""


def sealed(body: bytes, signer: Signer) -> bytes:
    """Return a statement in its envelope, as JSON text."""
    signature = signer.sign(pre_authentication(PAYLOAD_TYPE, body))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(body).decode(),
        "signatures": [{"keyid": signer.key_id, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def pre_authentication(payload_type: str, body: bytes) -> bytes:
    """Return what a signature covers; lengths are in bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


class FileSigner:
    """An Ed25519 key in a PEM file, unencrypted PKCS #8; read at every signature: it may be replaced.

    `sign` raises DependencyUnavailable when the file is not there or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def key_id(self) -> str:
        """SHA-256 of the public key's 32 bytes, in hex."""
        return hashlib.sha256(self._key().public_key().public_bytes_raw()).hexdigest()

    def sign(self, data: bytes) -> bytes:
        """See Signer."""
        return self._key().sign(data)

    def _key(self) -> "Ed25519PrivateKey":
        # Only who signs pays for loading it.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(self._path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise DependencyUnavailable(
                f"{self._path} cannot be read as a PEM private key: {error}"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise DependencyUnavailable(
                f"{self._path} holds a key of another kind; make one by `openssl genpkey -algorithm ed25519`"
            )
        return key
