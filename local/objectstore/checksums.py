"""The checksums that S3 verifies: Content-MD5 and x-amz-checksum-*. Pure.

CRC32, SHA-1 and SHA-256 run at C speed; CRC32C and CRC64NVME have no home in the standard library and are
computed from tables here, at some ten MB a second.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable
from functools import cache
from typing import Protocol

from local.objectstore.errors import S3Error

PREFIX = "x-amz-checksum-"


class Checksum(Protocol):
    """A running checksum, in the manner of hashlib."""

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""

    def digest(self) -> bytes:
        """Return the checksum of all bytes so far, big-endian."""


class _Crc32:
    """CRC-32 as in zlib."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class _TableCrc:
    """A reflected CRC of any width by table; `polynomial` in reversed form."""

    def __init__(self, polynomial: int, bits: int) -> None:
        self._table = _crc_table(polynomial)
        self._mask = (1 << bits) - 1
        self._value = self._mask

    def update(self, data: bytes) -> None:
        value, table = self._value, self._table
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        self._value = value

    def digest(self) -> bytes:
        return (self._value ^ self._mask).to_bytes(self._mask.bit_length() // 8, "big")


@cache
def _crc_table(polynomial: int) -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ polynomial if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


ALGORITHMS: dict[str, Callable[[], Checksum]] = {
    "crc32": _Crc32,
    "crc32c": lambda: _TableCrc(0x82F63B78, 32),
    "crc64nvme": lambda: _TableCrc(0x9A6C9329AC4BC9B5, 64),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}
"""By the name in the header x-amz-checksum-<name>."""


class Verifier:
    """Computes a body's MD5 and the checksums that its headers announce, and compares them at the end.

    `expected` maps `content-md5` and `x-amz-checksum-*` header names to base64 values; a value of None is a
    checksum whose value comes after the body, in a trailer.
    """

    def __init__(self, expected: dict[str, str | None]) -> None:
        self._expected = expected
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._running = {name: _algorithm(name)() for name in expected if name.startswith(PREFIX)}

    def update(self, data: bytes) -> None:
        """Take in more bytes of the body."""
        self._md5.update(data)
        for checksum in self._running.values():
            checksum.update(data)

    def announce(self, name: str, value: str) -> None:
        """Take the value of a checksum from the trailer; unknown trailers are ignored."""
        if name in self._running:
            self._expected[name] = value

    def finish(self) -> tuple[str, dict[str, str]]:
        """Return the MD5 in hex and the verified checksums by header name.

        Raises BadDigest, InvalidDigest.
        """
        computed = {name: _base64(checksum.digest()) for name, checksum in self._running.items()}
        actual = computed | {"content-md5": _base64(self._md5.digest())}
        for name, value in self._expected.items():
            if value is None or not _is_base64(value):
                raise S3Error("InvalidDigest", f"{name} is {value!r}; expected the checksum in base64")
            if value != actual[name]:
                raise S3Error("BadDigest", f"{name} is {value}, but the body that arrived has {actual[name]}")
        return self._md5.hexdigest(), computed


def _algorithm(name: str) -> Callable[[], Checksum]:
    try:
        return ALGORITHMS[name.removeprefix(PREFIX)]
    except KeyError:
        raise S3Error(
            "NotImplemented", f"{name} is not supported; use one of {', '.join(ALGORITHMS)}"
        ) from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
