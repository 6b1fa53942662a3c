"""Tar streams, byte for byte as Go's archive/tar writes them: hashes of archives depend on every byte.

Python's own module chooses other header fields and splits long names at other places.
"""

import posixpath
from collections.abc import Iterable
from typing import Final

_BLOCK: Final = 512
_NAME: Final = 100
_PREFIX: Final = 155
_MODE: Final = 0o600


def stream(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the stream of the members, in their order. Of members of the same name the first counts."""
    parts: list[bytes] = []
    seen: set[str] = set()
    for name, data in members:
        if name not in seen:
            seen.add(name)
            parts += [*_headers(name, len(data)), _padded(data)]
    return b"".join([*parts, bytes(2 * _BLOCK)])


def _headers(name: str, size: int) -> list[bytes]:
    split = _split(name)
    if split is not None:
        prefix, rest = split
        return [_header(rest, size, prefix=prefix)]
    folder, file = posixpath.split(name)
    record = _record(f"path={name}\n".encode())
    extended = posixpath.join(folder, "PaxHeaders.0", file)
    described = _header(_ascii(extended)[:_NAME].rstrip("/"), len(record), kind=b"x", mode=0, device=b"")
    return [described, _padded(record), _header(_ascii(name), size)]


def _split(name: str) -> tuple[str, str] | None:
    """Return the prefix and the name as USTAR has fields for; None if they do not fit."""
    if not name.isascii():
        return None
    if len(name) <= _NAME:
        return "", name
    cut = name[: _PREFIX + 1].rfind("/")  # the longest prefix that fits, where Python takes the shortest
    prefix, rest = name[: max(cut, 0)], name[cut + 1 :]
    return (prefix, rest) if prefix and 0 < len(rest) <= _NAME else None


def _header(
    name: str,
    size: int,
    *,
    prefix: str = "",
    kind: bytes = b"0",
    mode: int = _MODE,
    device: bytes = b"0000000\0",
) -> bytes:
    before = _text(name, _NAME) + _octal(mode, 8) + _octal(0, 8) * 2 + _octal(size, 12) + _octal(0, 12)
    owners = bytes(64)
    after = (
        kind + bytes(_NAME) + b"ustar\x0000" + owners + device.ljust(8, b"\0") * 2 + _text(prefix, _PREFIX)
    )
    total = sum(before) + sum(b" " * 8) + sum(after)
    return (before + b"%06o\0 " % total + after).ljust(_BLOCK, b"\0")


def _record(field: bytes) -> bytes:
    """Return an extended header record, which begins with its own length in digits."""
    length = len(field) + 2
    while len(str(length)) + 1 + len(field) != length:
        length = len(str(length)) + 1 + len(field)
    return b"%d %s" % (length, field)


def _ascii(text: str) -> str:
    return text.encode("ascii", "ignore").decode()


def _text(text: str, width: int) -> bytes:
    return text.encode()[:width].ljust(width, b"\0")


def _octal(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)
