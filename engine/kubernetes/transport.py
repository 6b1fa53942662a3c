"""HTTP to one API server: a pool of kept-alive connections for many threads."""

from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPSConnection

from engine.kubernetes.config import Connection
from engine.kubernetes.retries import Patience

POOL_SIZE = 32
"""Idle connections kept; more threads than this still work, on connections that are closed after use."""
READ_TIMEOUT_SECONDS = 35.0
"""An API server waits for its admission webhooks, 30 s each at most."""
DOUBTFUL_SECONDS = 5.0
"""The same, right after a request that was left without an answer."""
DOUBT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 10.0

Response = urllib3.BaseHTTPResponse


_NO_RETRIES: Final = urllib3.Retry(False, redirect=False)
"""What urllib3 makes of `retries=False`, once and not for each request."""


class _Connection(HTTPSConnection):
    """A TLS connection on which the head and the body of a request leave as one.

    urllib3 sends them one after the other: two records and two system calls here, and a server that wakes up
    twice.
    """

    _parts: list[bytes] | None = None

    def request(self, *args: Any, **options: Any) -> None:
        """Collect what is to be sent, and send it."""
        parts = self._parts = []
        try:
            super().request(*args, **options)
        finally:
            self._parts = None
        self.send(b"".join(parts))

    def send(self, data: Any) -> None:
        """Send, or collect while a request is put together."""
        if self._parts is None:
            super().send(data)
        else:
            self._parts.append(data)


class _UncheckedConnection(_Connection):
    """A TLS connection whose certificate is not checked, because the kubeconfig says so."""

    def connect(self) -> None:
        """Connect, and count as verified: urllib3 would warn again with every single request."""
        super().connect()
        self.is_verified = True


class Channel:
    """The way to one API server under one configuration of credentials."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        seconds = connection.timeout_seconds or READ_TIMEOUT_SECONDS
        self._patience = Patience(seconds, DOUBTFUL_SECONDS, DOUBT_SECONDS)
        self._prefix = connection.url if connection.proxy else urlsplit(connection.url).path.rstrip("/")
        self._pool = _pool(connection)

    def request(
        self, method: str, target: str, body: bytes | None, content_type: str, stream_seconds: float = 0.0
    ) -> Response:
        """Send one request, whatever its answer's status; with `stream_seconds` the body is not read yet.

        Raises urllib3's HTTPError and OSError. The credentials' plugin may run.
        """
        headers = {"Accept": "application/json", "User-Agent": "knative-lambda-engine"}
        if body is not None:
            headers["Content-Type"] = content_type
        if authorization := self.connection.authorization():
            headers["Authorization"] = authorization
        seconds = stream_seconds or self._patience.seconds()
        try:
            response = self._pool.urlopen(
                method,
                self._prefix + target,
                body=body,
                headers=headers,
                retries=_NO_RETRIES,
                redirect=False,
                timeout=urllib3.Timeout(min(CONNECT_TIMEOUT_SECONDS, seconds), seconds),
                preload_content=not stream_seconds,
            )
        except urllib3.exceptions.TimeoutError:
            self._patience.timed_out()
            raise
        self._patience.answered()
        return response

    def close(self) -> None:
        """Close idle connections; requests under way end normally."""
        if isinstance(self._pool, urllib3.PoolManager):
            self._pool.clear()
        else:
            self._pool.close()


def _pool(connection: Connection) -> urllib3.HTTPConnectionPool | urllib3.PoolManager:
    """Return a pool; a plain one where no proxy is asked for, since it costs less per request."""
    checked = connection.tls is None or connection.tls.check_hostname
    options: dict[str, object] = {"maxsize": POOL_SIZE}
    if connection.tls:
        options["ssl_context"] = connection.tls
    if connection.server_hostname:
        options |= {
            "server_hostname": connection.server_hostname,
            "assert_hostname": connection.server_hostname,
        }
    if not checked:
        options["cert_reqs"] = "CERT_NONE"
    if connection.proxy:
        return urllib3.ProxyManager(connection.proxy, **options)  # type: ignore[arg-type]
    pool = urllib3.connection_from_url(connection.url, **options)
    if connection.tls:
        pool.ConnectionCls = _Connection if checked else _UncheckedConnection
    return pool
