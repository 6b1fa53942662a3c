"""HTTP to one API server: a pool of kept-alive connections for many threads."""

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


class _UncheckedConnection(HTTPSConnection):
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
            response = self._pool.request(
                method,
                self._prefix + target,
                body=body,
                headers=headers,
                retries=False,
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
    if not checked:
        pool.ConnectionCls = _UncheckedConnection
    return pool
