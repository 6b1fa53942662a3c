"""Conditional requests and byte ranges (RFC 9110). Pure."""

import email.utils
import re
from collections.abc import Mapping

from local.objectstore.errors import S3Error
from local.objectstore.storage import StoredObject

_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


def check_read(headers: Mapping[str, str], found: StoredObject) -> bool:
    """Say whether the caller has the object already (304); raises PreconditionFailed."""
    match = headers.get("if-match")
    if match is not None and not _matches(match, found.meta.etag):
        raise S3Error("PreconditionFailed", f"the object's ETag is {found.meta.etag!r}, not {match!r}")
    none_match = headers.get("if-none-match")
    if none_match is not None:
        return _matches(none_match, found.meta.etag)
    since = _time(headers.get("if-modified-since"))
    return since is not None and int(found.modified) <= since


def check_write(headers: Mapping[str, str], found: StoredObject | None) -> None:
    """Raise PreconditionFailed unless If-Match / If-None-Match let `found` be written over."""
    none_match, match = headers.get("if-none-match"), headers.get("if-match")
    if none_match is not None and found is not None and _matches(none_match, found.meta.etag):
        raise S3Error("PreconditionFailed", f"there is an object {found.key!r} already")
    if match is not None and (found is None or not _matches(match, found.meta.etag)):
        raise S3Error("PreconditionFailed", f"the object's ETag is not {match!r}: it was changed or deleted")


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return first and last byte of a Range header, None for the whole object; raises InvalidRange.

    Several ranges in one request, or another unit, mean the whole object, as in S3.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None:
        return None
    if match[3] is not None:
        first, last = max(size - int(match[3]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
    if first > last and match[2] and int(match[1]) > int(match[2]):
        return None
    if first > last:
        raise S3Error("InvalidRange", f"the range {header!r} is not within the object's {size} bytes")
    return first, last


def _matches(header: str, etag: str) -> bool:
    wanted = {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}
    return "*" in wanted or etag in wanted


def _time(header: str | None) -> float | None:
    if header is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError):
        return None
