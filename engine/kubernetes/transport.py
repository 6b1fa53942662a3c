"""HTTP to one API server: a pool of kept-alive connections for many threads."""

from typing import Any, Final
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ReadTimeoutError, SSLError
from urllib3.util.ssl_match_hostname import CertificateError

from engine.kubernetes.config import ConfigError, Connection
from engine.kubernetes.exchange import Answer, exchange
from engine.kubernetes.retries import Patience

POOL_SIZE = 32
"""Idle connections kept; more threads than this still work, on connections that are closed after use."""
READ_TIMEOUT_SECONDS = 35.0
"""An API server waits for its admission webhooks, 30 s each at most."""
DOUBTFUL_SECONDS = 5.0
"""The same, right after a request that was left without an answer."""
DOUBT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 10.0

_NO_RETRIES: Final = urllib3.Retry(False, redirect=False)
"""What urllib3 makes of `retries=False`, once and not for each request."""

_HEADERS: Final = {"Accept": "application/json", "User-Agent": "knative-lambda-engine"}
_SAFE: Final = "".join(map(chr, range(33, 127)))
"""What is not escaped in a request's target: it is put together of escaped parts."""


class _UncheckedConnection(HTTPSConnection):
    """A TLS connection whose certificate is not checked, because the kubeconfig says so."""

    def connect(self) -> None:
        """Connect, and count as verified: urllib3 would warn again with every single request."""
        super().connect()
        self.is_verified = True


class _Quick:
    """What a pool of urllib3 gets to send requests by `exchange`, on connections that it makes and keeps."""

    def exchange(self: Any, request: bytes, connect_seconds: float, seconds: float) -> Answer:
        """Send a request on one of the connections and return the answer.

        Raises urllib3's HTTPError and OSError.
        """
        connection = self._get_conn()
        reusable = False
        try:
            if connection.is_closed:
                connection.timeout = connect_seconds
                connection.connect()
            answer = exchange(connection.sock, request, seconds)
            reusable = answer.reusable
        except CertificateError as error:
            raise SSLError(error) from error
        except TimeoutError as error:
            raise ReadTimeoutError(self, "", f"Read timed out. (read timeout={seconds})") from error
        finally:
            if not reusable:
                connection.close()
            self._put_conn(connection)  # a closed one is opened again
        return answer


class _HttpPool(_Quick, urllib3.HTTPConnectionPool):
    """Connections without TLS."""


class _HttpsPool(_Quick, urllib3.HTTPSConnectionPool):
    """Connections with TLS."""


class Channel:
    """The way to one API server under one configuration of credentials.

    Watches, and all that goes by a proxy, take urllib3's own way.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        seconds = connection.timeout_seconds or READ_TIMEOUT_SECONDS
        self._patience = Patience(seconds, DOUBTFUL_SECONDS, DOUBT_SECONDS)
        url = urlsplit(connection.url)
        self._prefix = connection.url if connection.proxy else url.path.rstrip("/")
        self._pool = _pool(connection)
        self._host = url.netloc.rpartition("@")[2]

    def request(self, method: str, target: str, body: bytes | None, content_type: str) -> Answer:
        """Send one request and return its answer, whatever the status.

        Raises urllib3's HTTPError and OSError. The credentials' plugin may run.
        """
        seconds = self._patience.seconds()
        try:
            if isinstance(self._pool, _Quick):
                request = self._text(method, target, body, content_type)
                answer = self._pool.exchange(request, min(CONNECT_TIMEOUT_SECONDS, seconds), seconds)
            else:
                response = self._urlopen(method, target, body, content_type, seconds, preload_content=True)
                answer = Answer(response.status, dict(response.headers), response.data, reusable=True)
        except urllib3.exceptions.TimeoutError:
            self._patience.timed_out()
            raise
        self._patience.answered()
        return answer

    def stream(self, target: str, seconds: float) -> Answer | urllib3.BaseHTTPResponse:
        """Send one GET; return the answer to a refusal, or the open stream of a success.

        Raises as `request` does.
        """
        response = self._urlopen("GET", target, None, "", seconds, preload_content=False)
        if response.status < 400:
            return response
        return Answer(response.status, dict(response.headers), response.data, reusable=True)

    def close(self) -> None:
        """Close idle connections; requests under way end normally."""
        if isinstance(self._pool, urllib3.PoolManager):
            self._pool.clear()
        else:
            self._pool.close()

    def _headers(self, body: bytes | None, content_type: str) -> dict[str, str]:
        headers = dict(_HEADERS)
        if body is not None:
            headers["Content-Type"] = content_type
        if authorization := self.connection.authorization():
            headers["Authorization"] = authorization
        return headers

    def _text(self, method: str, target: str, body: bytes | None, content_type: str) -> bytes:
        """Return the request as it is sent: one piece, so that the server wakes up once."""
        target = self._prefix + target
        if not target.isascii() or not target.isprintable() or " " in target:
            target = quote(target, safe=_SAFE)
        headers = {"Host": self._host, **self._headers(body, content_type)}
        if body is not None:
            headers["Content-Length"] = str(len(body))
        if not "".join(headers.values()).isprintable():
            raise ConfigError("the credentials for the API server hold a line break or the like")
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join((*lines, "\r\n")).encode("latin-1") + (body or b"")

    def _urlopen(
        self,
        method: str,
        target: str,
        body: bytes | None,
        content_type: str,
        seconds: float,
        *,
        preload_content: bool,
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.urlopen(
            method,
            self._prefix + target,
            body=body,
            headers=self._headers(body, content_type),
            retries=_NO_RETRIES,
            redirect=False,
            timeout=urllib3.Timeout(min(CONNECT_TIMEOUT_SECONDS, seconds), seconds),
            preload_content=preload_content,
        )


def _pool(connection: Connection) -> _HttpPool | _HttpsPool | urllib3.PoolManager:
    """Return a pool; a plain one where no proxy is asked for, since it costs less per request."""
    checked = connection.tls is None or connection.tls.check_hostname
    options: dict[str, Any] = {"maxsize": POOL_SIZE}
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
        return urllib3.ProxyManager(connection.proxy, **options)
    url = urllib3.util.parse_url(connection.url)
    if url.scheme == "http":
        return _HttpPool(url.host or "", url.port or 80, **options)
    pool = _HttpsPool(url.host or "", url.port or 443, **options)
    if not checked:
        pool.ConnectionCls = _UncheckedConnection
    return pool
