"""One request and its answer on an open connection: HTTP/1.1 by httptools' parser.

urllib3's own way, by way of http.client, takes twice the time for each of an update's requests; much of it
goes into headers, which are parsed as those of e-mails.
"""

import socket
from dataclasses import dataclass
from typing import Final

import httptools

_CHUNK_BYTES: Final = 2**14
"""How much is read at once: what one TLS record holds."""

_FRAMING: Final = ("Content-Length", "Transfer-Encoding")
"""Headers of which one says where a body ends; without them that is where the connection does."""


class BrokenAnswer(OSError):
    """The connection ended before its answer did, or what came is no HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end. Names of headers are capitalised: `Retry-After`."""

    status: int
    headers: dict[str, str]
    data: bytes
    reusable: bool
    """Whether the connection may carry a further request."""


class _Reader:
    """Puts one answer together from the parser's calls."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._in_body = False

    def feed(self, data: bytes) -> None:
        """Take what came, of which nothing means that the other side closed. Raises BrokenAnswer."""
        if not data:
            self._close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise BrokenAnswer(f"the answer is no HTTP: {error}") from error

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        self._headers[name.decode("latin-1").title()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Expect a body."""
        self._in_body = True

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Close the answer, unless it only says that the answer is still to come."""
        if self._parser.get_status_code() < 200:
            self._headers, self._in_body = {}, False
        else:
            self._finish(reusable=self._parser.should_keep_alive())

    def _close(self) -> None:
        if not self._in_body or not self._headers.keys().isdisjoint(_FRAMING):
            raise BrokenAnswer("the connection was closed before the answer was complete")
        self._finish(reusable=False)

    def _finish(self, *, reusable: bool) -> None:
        parser = self._parser
        self.answer = Answer(parser.get_status_code(), self._headers, b"".join(self._parts), reusable)
        del self._parser  # each holds the other: garbage that only a collection would find


def exchange(channel: socket.socket, request: bytes, seconds: float) -> Answer:
    """Send a request and return its answer.

    Raises TimeoutError after `seconds` in which nothing could be sent or came, and OSError when the
    connection broke.
    """
    channel.settimeout(seconds)
    channel.sendall(request)
    reader = _Reader()
    while reader.answer is None:
        reader.feed(channel.recv(_CHUNK_BYTES))
    return reader.answer
