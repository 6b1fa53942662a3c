"""One page of a bucket's listing: prefixes, delimiters, limits and continuation. Pure."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from local.objectstore.errors import S3Error

MAX_KEYS = 1000
"""S3's own limit, and the default."""


@dataclass(frozen=True)
class Page:
    """Keys and common prefixes in one order; `last` is the greatest of both, to go on from."""

    keys: tuple[str, ...]
    prefixes: tuple[str, ...]
    truncated: bool
    last: str


def page(keys: Iterable[str], *, prefix: str, delimiter: str, after: str, max_keys: int) -> Page:
    """Cut one page out of `keys`, which are sorted, have the prefix and are greater than `after`.

    With a delimiter, keys that have it after the prefix are rolled up into common prefixes, each counting
    as one towards `max_keys`. `after` may be a common prefix itself: what it stands for is then left out.
    """
    objects: list[str] = []
    prefixes: list[str] = []
    last = ""
    if max_keys == 0:
        return Page((), (), truncated=False, last="")
    for key in keys:
        common = _common_prefix(key, prefix, delimiter)
        if common and (common == last or (after.endswith(delimiter) and common == after)):
            continue
        if len(objects) + len(prefixes) == max_keys:
            return Page(tuple(objects), tuple(prefixes), truncated=True, last=last)
        (prefixes if common else objects).append(common or key)
        last = common or key
    return Page(tuple(objects), tuple(prefixes), truncated=False, last=last)


def parse_max_keys(text: str | None) -> int:
    """Return how many keys to list at most; raises InvalidArgument."""
    if text is None or text == "":
        return MAX_KEYS
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise S3Error("InvalidArgument", f"max-keys is {text!r}; expected a number from 0 to {MAX_KEYS}")
    return min(int(text), MAX_KEYS)


def encode_token(last: str) -> str:
    """Return the continuation token for what comes after `last`."""
    return base64.urlsafe_b64encode(last.encode(errors="surrogateescape")).decode()


def decode_token(token: str) -> str:
    """Return what `encode_token` was given; raises InvalidArgument."""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode(errors="surrogateescape")
    except (binascii.Error, ValueError):
        raise S3Error(
            "InvalidArgument", f"the continuation token {token[:64]!r} is not one of this server"
        ) from None


def _common_prefix(key: str, prefix: str, delimiter: str) -> str:
    if not delimiter:
        return ""
    end = key.find(delimiter, len(prefix))
    return key[: end + len(delimiter)] if end >= 0 else ""
