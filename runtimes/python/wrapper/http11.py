"""HTTP/1.1 without I/O: bytes in, requests out, or a `BadRequest` that says which status to answer with.

The reader is strict, because lenient readers are what request smuggling lives on: line ends are CRLF, a
message has a length or is chunked but never both, chunks have no extensions, a header that decides
something comes once. Sizes are limited in bytes, as a security limit. The shell around it is `server.py`.
"""

import re
from dataclasses import dataclass

MAX_HEAD_BYTES = 32 * 1024
"""Request line and headers together, and trailers again."""
MAX_HEADERS = 100
MAX_CHUNK_LINE_BYTES = 18
"""16 hexadecimal digits and CRLF."""

REASONS = {
    100: "Continue",
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    417: "Expectation Failed",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = "Connection: close\r\n"

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rf"({_NAME}) (/[\x21-\x7e]*) HTTP/([0-9])\.([0-9])")
_HEADER = re.compile(rf"^({_NAME}):[ \t]*([\t\x20-\x7e\x80-\xff]*)\r\n", re.MULTILINE)
_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_SINGLE = frozenset(
    {"authorization", "content-encoding", "content-length", "content-type", "expect", "host"}
    | {"traceparent", "tracestate", "transfer-encoding", "x-correlation-id"}
)


class BadRequest(Exception):
    """The peer sent what is no acceptable request; the connection cannot be used further."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status to answer with."""
        self.message = message


@dataclass(slots=True)
class Request:
    """One whole request. Header names are lower case; repeated headers are joined by `, `.

    Not frozen: that would make it five times as dear, which every call pays.
    """

    method: str
    path: str
    """The target's path, without its query."""
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    """The peer wants to send another request over this connection."""


@dataclass(slots=True)
class Response:
    """An answer, not yet framed; `encode` adds Content-Length and Connection."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def encode(response: Response, *, keep_alive: bool, head_only: bool = False) -> bytes:
    """Frame a response; `head_only` leaves the body out, as an answer to HEAD must.

    Raises ValueError when a header would break the framing.
    """
    headers = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
    count = len(response.headers)
    if headers.count("\n") != count or headers.count("\r") != count:
        raise ValueError("a response header holds a line break")
    head = (
        f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}\r\n{headers}"
        f"Content-Length: {len(response.body)}\r\n{'' if keep_alive else CLOSE}\r\n"
    ).encode("latin-1", "replace")
    return head if head_only else head + response.body


class RequestReader:
    """Collects the bytes of one connection and cuts requests from them, in order.

    Call `receive` with every piece that arrives, then `next_request` until it returns None. After a
    `BadRequest` the reader is of no further use.
    """

    def __init__(self, *, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._body: _FixedBody | _ChunkedBody = _FixedBody(0)

    @property
    def in_head(self) -> bool:
        """A request has begun and its head is not complete."""
        return self._head is None and bool(self._buffer)

    @property
    def in_body(self) -> bool:
        """A request's head is complete and its body is not."""
        return self._head is not None

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        self._buffer += data

    def next_request(self) -> Request | None:
        """Return the next whole request, or None when more bytes are needed. Raises BadRequest."""
        if self._head is None:
            self._head = self._take_head()
            if self._head is None:
                return None
            self._body = _body_of(self._head, self._max_body_bytes)
        head, body = self._head, self._body.take(self._buffer)
        if body is None:
            return None
        self._head = None
        return Request(head.method, head.path, head.headers, body, head.keep_alive)

    def take_continue(self) -> bool:
        """Say, once a request, whether the peer waits for `100 Continue` before it sends the body."""
        if self._head is None or not self._head.expects_continue or self._buffer:
            return False
        self._head.expects_continue = False
        return True

    def _take_head(self) -> "_Head | None":
        end = self._buffer.find(b"\r\n\r\n")
        if end > MAX_HEAD_BYTES or (end < 0 and len(self._buffer) > MAX_HEAD_BYTES):
            raise BadRequest(431, f"the request head is larger than {MAX_HEAD_BYTES} bytes")
        if end < 0:
            return None
        line, _, headers = self._buffer[: end + 2].decode("latin-1").partition("\r\n")
        del self._buffer[: end + 4]
        return _parse_head(line, headers)


@dataclass(slots=True)
class _Head:
    method: str
    path: str
    headers: dict[str, str]
    keep_alive: bool
    expects_continue: bool


class _FixedBody:
    def __init__(self, length: int) -> None:
        self._length = length

    def take(self, buffer: bytearray) -> bytes | None:
        if len(buffer) < self._length:
            return None
        body = bytes(buffer[: self._length])
        del buffer[: self._length]
        return body


class _ChunkedBody:
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._body = bytearray()
        self._position = 0
        """Start of the first chunk that is not yet in `_body`; the buffer is cut once, at the end."""
        self._last = False

    def take(self, buffer: bytearray) -> bytes | None:
        while not self._last:
            if not self._take_chunk(buffer):
                del buffer[: self._position]
                self._position = 0
                return None
        return self._take_trailers(buffer)

    def _take_chunk(self, buffer: bytearray) -> bool:
        line_end = buffer.find(b"\r\n", self._position, self._position + MAX_CHUNK_LINE_BYTES)
        if line_end < 0:
            if len(buffer) - self._position >= MAX_CHUNK_LINE_BYTES:
                raise BadRequest(400, "a chunk does not begin with its size alone in hexadecimal digits")
            return False
        size = self._size(bytes(buffer[self._position : line_end]))
        if size == 0:
            self._last = True
            self._position = line_end  # trailers begin with this line end, so that none look like one more
            return True
        end = line_end + 2 + size
        if len(buffer) < end + 2:
            return False
        if buffer[end : end + 2] != b"\r\n":
            raise BadRequest(400, "a chunk is longer than its size says")
        self._body += buffer[line_end + 2 : end]
        self._position = end + 2
        return True

    def _size(self, line: bytes) -> int:
        if not _CHUNK_SIZE.fullmatch(line):
            raise BadRequest(400, "a chunk does not begin with its size alone in hexadecimal digits")
        size = int(line, 16)
        if len(self._body) + size > self._max_bytes:
            raise BadRequest(413, f"the body is larger than {self._max_bytes} bytes")
        return size

    def _take_trailers(self, buffer: bytearray) -> bytes | None:
        end = buffer.find(b"\r\n\r\n", self._position)
        size = (end if end >= 0 else len(buffer)) - self._position
        if size > MAX_HEAD_BYTES:
            raise BadRequest(431, f"the trailers are larger than {MAX_HEAD_BYTES} bytes")
        if end < 0:
            return None
        _parse_headers(buffer[self._position + 2 : end + 2].decode("latin-1"))
        del buffer[: end + 4]
        return bytes(self._body)


def _parse_head(line: str, lines: str) -> _Head:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise BadRequest(400, "the request line is not `METHOD /path HTTP/1.1`")
    method, target, major, minor = match.groups()
    if major != "1":
        raise BadRequest(505, f"HTTP/{major}.{minor} is not spoken here, only HTTP/1.1 and HTTP/1.0")
    headers = _parse_headers(lines)
    modern = minor != "0"
    if modern and "host" not in headers:
        raise BadRequest(400, "the Host header is missing")
    if not modern and "transfer-encoding" in headers:
        raise BadRequest(400, "HTTP/1.0 has no Transfer-Encoding")
    return _Head(
        method,
        target.partition("?")[0],
        headers,
        _keep_alive(headers, modern),
        _expects_continue(headers, modern),
    )


def _parse_headers(lines: str) -> dict[str, str]:
    """Parse header lines, each with its line end."""
    found = _HEADER.findall(lines)
    if len(found) != lines.count("\n"):  # a header begins after a line end and ends with the next one
        raise BadRequest(400, "a header is not `name: value`")
    if len(found) > MAX_HEADERS:
        raise BadRequest(431, f"there are more than {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    for name, value in found:
        name, value = name.lower(), value.rstrip(" \t")
        if name in headers:
            if name in _SINGLE or name.startswith("ce-"):
                raise BadRequest(400, f"the header {name} is given twice")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def _keep_alive(headers: dict[str, str], modern: bool) -> bool:
    if "connection" not in headers:
        return modern
    options = {option.strip().lower() for option in headers["connection"].split(",")}
    return "close" not in options and (modern or "keep-alive" in options)


def _expects_continue(headers: dict[str, str], modern: bool) -> bool:
    expectation = headers.get("expect")
    if not modern or expectation is None:
        return False
    if expectation.lower() != "100-continue":
        raise BadRequest(417, "the only expectation that can be met is 100-continue")
    return True


def _body_of(head: _Head, max_bytes: int) -> _FixedBody | _ChunkedBody:
    length, encoding = head.headers.get("content-length"), head.headers.get("transfer-encoding")
    if encoding is not None:
        if length is not None:
            raise BadRequest(400, "Transfer-Encoding and Content-Length are both given")
        if encoding.lower() != "chunked":
            raise BadRequest(501, "the only transfer coding that is understood is chunked")
        return _ChunkedBody(max_bytes)
    if length is None:
        return _FixedBody(0)
    if not _LENGTH.fullmatch(length):
        raise BadRequest(400, "Content-Length is no number")
    if int(length) > max_bytes:
        raise BadRequest(413, f"the body is larger than {max_bytes} bytes")
    return _FixedBody(int(length))
