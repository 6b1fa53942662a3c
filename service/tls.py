"""HTTPS by a certificate that is renewed while the process runs."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.logs import fields

logger = logging.getLogger(__name__)

_Version = tuple[int, int]
"""Of both files, by the time of their last change in nanoseconds."""


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """Where HTTPS is served, beside HTTP."""

    port: int
    """TLS_PORT; 0 takes any free one."""
    certificate: Path
    """TLS_CERT_FILE: the certificate and what it takes to prove it, PEM."""
    key: Path
    """TLS_KEY_FILE: its private key, PEM without a passphrase."""


class CertificateUnusable(Exception):
    """The certificate and its key cannot be served; the text says which and why."""


class Certificate:
    """A certificate as its files say at each handshake: whoever renews it restarts nothing.

    A pair that cannot be used, such as one that is half written, leaves the last good one in its place.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._seen: _Version = self._version()
        self._newest = self._load()
        self.context: Final = self._load()
        """For a server; takes the newest certificate before it answers a client."""
        self.context.sni_callback = self._choose

    def _choose(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        """Answer by the newest certificate; called for clients that name no host as well."""
        connection.context = self._current()

    def _current(self) -> ssl.SSLContext:
        try:
            version = self._version()
            if version != self._seen:
                self._newest, self._seen = self._load(), version
                logger.info("certificate renewed")
        except CertificateUnusable as error:
            logger.warning("certificate not renewed", extra=fields(error=str(error)))
        return self._newest

    def _version(self) -> _Version:
        try:
            certificate, key = (
                path.stat().st_mtime_ns for path in (self._settings.certificate, self._settings.key)
            )
        except OSError as error:
            raise CertificateUnusable(f"{error.filename}: {error.strerror}") from error
        return certificate, key

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._settings.certificate, self._settings.key, password=_no_passphrase)
        except (OSError, ValueError) as error:
            places = f"TLS_CERT_FILE {self._settings.certificate} and TLS_KEY_FILE {self._settings.key}"
            raise CertificateUnusable(
                f"{places} are no certificate with its key: {error}; give two PEM files that belong together"
            ) from error
        return context


def _no_passphrase() -> str:
    """Refuse an encrypted key; OpenSSL would ask the terminal."""
    raise ValueError("the key is encrypted")
