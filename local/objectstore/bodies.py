"""Request bodies: plain and `aws-chunked`, verified while they stream by."""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from local.objectstore.checksums import ALGORITHMS, PREFIX, Verifier
from local.objectstore.errors import S3Error
from local.objectstore.signature import UNSIGNED, Verified

_PIECE = 1 << 18
_MAX_CHUNK_BYTES = 1 << 24
"""Of one aws-chunked chunk; clients send 64 KiB to 1 MiB. A security limit: a signed chunk is held in
memory."""
_MAX_TRAILERS = 16
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?\r\n")


class Source(Protocol):
    """The bytes of a request's body, as aiohttp's StreamReader gives them."""

    async def read(self, n: int, /) -> bytes:
        """Return up to n bytes, none at the end."""

    async def readexactly(self, n: int, /) -> bytes:
        """Return n bytes or raise asyncio.IncompleteReadError."""

    async def readline(self) -> bytes:
        """Return a line with its end; raises ValueError when it is too long."""


class Body:
    """One request's body. Iterate it once, then `finish()` it before anything is kept."""

    def __init__(
        self, headers: Mapping[str, str], source: Source, verified: Verified | None, max_bytes: int
    ) -> None:
        self._source = source
        self._payload = headers.get("x-amz-content-sha256", UNSIGNED)
        self._verified = verified if self._payload.startswith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") else None
        self._sha256 = hashlib.sha256() if re.fullmatch("[0-9a-f]{64}", self._payload) else None
        self._verifier = Verifier(_expected(headers))
        self._chunked = self._payload.startswith("STREAMING-") or "aws-chunked" in _encoding(headers)
        self._length = _number(headers, "x-amz-decoded-content-length" if self._chunked else "content-length")
        self._max_bytes = max_bytes
        self._received = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the decoded bytes. Raises S3Error: IncompleteBody, EntityTooLarge, SignatureDoesNotMatch."""
        if self._length is not None and self._length > self._max_bytes:
            raise _too_large(self._max_bytes)
        async for data in self._chunks() if self._chunked else self._plain():
            self._received += len(data)
            if self._received > self._max_bytes:
                raise _too_large(self._max_bytes)
            self._verifier.update(data)
            if self._sha256 is not None:
                self._sha256.update(data)
            yield data

    def finish(self) -> tuple[str, dict[str, str]]:
        """Return the MD5 in hex and the checksums by header name.

        Raises S3Error if anything does not match.
        """
        if self._length is not None and self._received != self._length:
            raise S3Error("IncompleteBody", f"{self._length} bytes were announced, {self._received} arrived")
        if self._sha256 is not None and not hmac.compare_digest(self._sha256.hexdigest(), self._payload):
            raise S3Error(
                "XAmzContentSHA256Mismatch", "the body is not the one that x-amz-content-sha256 names"
            )
        return self._verifier.finish()

    async def _plain(self) -> AsyncIterator[bytes]:
        while data := await self._source.read(_PIECE):
            yield data

    async def _chunks(self) -> AsyncIterator[bytes]:
        previous = self._verified.claim.signature if self._verified else ""
        while True:
            size, signature = await self._chunk_header()
            data = await self._source.readexactly(size)
            if self._verified is not None:
                _check(self._verified.chunk_signature(previous, data), signature)
            previous = signature
            if not size:
                break
            yield data
            await self._expect_line_end()
        await self._trailers(previous)

    async def _chunk_header(self) -> tuple[int, str]:
        line = await self._line()
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise S3Error("IncompleteBody", f"{line[:64]!r} is no aws-chunked chunk header")
        size = int(match[1], 16)
        if size > _MAX_CHUNK_BYTES:
            raise S3Error("EntityTooLarge", f"a chunk has {size} bytes; allowed are {_MAX_CHUNK_BYTES}")
        return size, (match[2] or b"").decode()

    async def _expect_line_end(self) -> None:
        if (line := await self._line()) != b"\r\n":
            raise S3Error("IncompleteBody", f"an aws-chunked chunk ends with {line[:64]!r}")

    async def _trailers(self, previous: str) -> None:
        signed, signature = b"", ""
        for _ in range(_MAX_TRAILERS):
            name, _, value = (await self._line()).strip().partition(b":")
            if not name:
                break
            if name == b"x-amz-trailer-signature":
                signature = value.decode("latin-1").strip()
                continue
            signed += name.lower() + b":" + value.strip() + b"\n"
            self._verifier.announce(name.decode("latin-1").lower(), value.decode("latin-1").strip())
        if self._verified is not None and self._payload.endswith("-TRAILER"):
            _check(self._verified.trailer_signature(previous, signed), signature)

    async def _line(self) -> bytes:
        try:
            return await self._source.readline()
        except ValueError:
            raise S3Error("IncompleteBody", "a line of the aws-chunked body is too long") from None


def _expected(headers: Mapping[str, str]) -> dict[str, str | None]:
    expected: dict[str, str | None] = {
        name: value
        for name, value in headers.items()
        if name == "content-md5" or (name.startswith(PREFIX) and name.removeprefix(PREFIX) in ALGORITHMS)
    }
    for trailer in headers.get("x-amz-trailer", "").lower().split(","):
        if trailer.strip().startswith(PREFIX):
            expected[trailer.strip()] = None
    return expected


def _encoding(headers: Mapping[str, str]) -> str:
    return headers.get("content-encoding", "").lower()


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _check(expected: str, actual: str) -> None:
    if not hmac.compare_digest(expected, actual):
        raise S3Error("SignatureDoesNotMatch", "the signature of a chunk of the body does not match")


def _too_large(max_bytes: int) -> S3Error:
    return S3Error(
        "EntityTooLarge", f"the body has more than {max_bytes} bytes, the limit of one object here"
    )
