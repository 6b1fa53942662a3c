"""Object keys as relative paths, and back. Pure.

A key's `/`-separated segments become folders. What a file system cannot hold or would misread (empty
segments, `.`, `..`, control characters) is percent-encoded, everything else is kept as it is, so that
people find their files. The mapping is one-to-one: a `%` that would read as one of our escapes is escaped
itself. Files made by hand whose names only look like our escapes (`a%2E`) are no keys and stay unseen.
"""

import re

from local.objectstore.errors import S3Error

MAX_KEY_BYTES = 1024
"""S3's own limit."""
_MAX_SEGMENT_BYTES = 255
"""What the usual file systems allow for one name."""
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]|%(?=[01][0-9A-F]|7F|25|2E|2F)")
_ESCAPE = re.compile(r"%([01][0-9A-F]|7F|25|2E|2F)")
_EMPTY = "%2F"
"""Stands for an empty segment: no segment holds a slash, so nothing else is encoded like this."""
_DOTS = {"": _EMPTY, ".": "%2E", "..": "%2E%2E"}


def check_bucket(name: str) -> str:
    """Return the name.

    Raises InvalidBucketName unless it is 3 to 63 of `a-z0-9.-`, no leading dot or dash.
    """
    if not _BUCKET.fullmatch(name):
        raise S3Error("InvalidBucketName", f"{name!r} is no bucket name: 3 to 63 of a-z, 0-9, '.' and '-'")
    return name


def to_path(key: str) -> str:
    """Return the relative path of a key.

    Raises KeyTooLongError, or InvalidObjectName for text that is no UTF-8.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise S3Error("InvalidObjectName", f"the key {key!r} is not valid UTF-8") from None
    if not 0 < size <= MAX_KEY_BYTES:
        raise S3Error("KeyTooLongError", f"the key has {size} bytes; allowed are 1 to {MAX_KEY_BYTES}")
    return "/".join(_encode(segment) for segment in key.split("/"))


def from_name(name: str) -> str | None:
    """Return the key segment that a file or folder name stands for; None if no key maps to that name."""
    segment = "" if name == _EMPTY else _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)
    try:
        return segment if _encode(segment) == name else None
    except (S3Error, UnicodeEncodeError):
        return None


def _encode(segment: str) -> str:
    name = _DOTS.get(segment) or _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", segment)
    if len(name.encode()) > _MAX_SEGMENT_BYTES:
        raise S3Error(
            "KeyTooLongError",
            f"a part of the key between two slashes has more than {_MAX_SEGMENT_BYTES} bytes, which a"
            " folder cannot"
            f" hold (it begins {segment[:32]!r}); shorten it",
        )
    return name
