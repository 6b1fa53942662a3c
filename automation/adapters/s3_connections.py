"""Requests for small objects over kept connections of the standard library.

They take less CPU time than a session of botocore's (docs/decisions/0103-small-objects-over-http-client.md).
What they leave out (proxies, retries, redirects) is botocore's client's: ask it for whatever is None here.
"""

import http.client
import ssl
import urllib.parse
from collections import defaultdict, deque
from collections.abc import Mapping
from email.message import Message
from typing import NamedTuple

from urllib3.util.wait import wait_for_read


class Answer(NamedTuple):
    """What a server said; names of headers are found whatever their case."""

    status: int
    headers: Message
    body: bytes


class Connections:
    """Connections to any servers, each for one request at a time; for many threads.

    There are as many as there were requests at one time. `authorities` is a file of certificates that are
    trusted, `connect` and `read` are seconds that may pass until a connection is there and between two pieces
    of an answer.
    """

    def __init__(self, authorities: str, *, connect: float, read: float) -> None:
        self._authorities = authorities
        self._connect_seconds = connect
        self._read_seconds = read
        self._tls: ssl.SSLContext | None = None
        self._free: defaultdict[str, deque[http.client.HTTPConnection]] = defaultdict(deque)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer | None:
        """Return what the server answered; None where no whole answer came: it may have acted even so."""
        parts = urllib.parse.urlsplit(url)
        server = f"{parts.scheme}://{parts.netloc}"
        connection = None
        try:
            connection = self._taken(server)
            connection.request(method, parts.path, body or None, dict(headers))
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException):
            if connection is not None:
                connection.close()
            return None
        self._free[server].append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for free in self._free.values():
            while free:
                free.pop().close()

    def _taken(self, server: str) -> http.client.HTTPConnection:
        free = self._free[server]
        while free:
            try:
                connection = free.pop()
            except IndexError:  # another thread took the last one
                break
            # The server closes an answered connection in its own time, and an idle one has nothing to say.
            if connection.sock is not None and not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()
        return self._connected(server)

    def _connected(self, server: str) -> http.client.HTTPConnection:
        scheme, _, address = server.partition("://")
        if scheme == "https":
            self._tls = self._tls or ssl.create_default_context(cafile=self._authorities)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                address, timeout=self._connect_seconds, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(address, timeout=self._connect_seconds)
        connection.connect()
        connection.sock.settimeout(self._read_seconds)
        return connection
