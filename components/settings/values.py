"""How one value of the stack configuration is read: text in, value out, a remedy where it cannot be.

Every reader raises ValueError with the end of a sentence that begins with "key is 'value':", and takes no
empty text: an empty value means the default.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from components.naming import MAX_LABEL

_ROLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_REGISTRY: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[a-z0-9._/-]*[a-z0-9])?")
_MAX_COUNT: Final = 100_000


def text(value: str) -> str:
    """Return any text as it is."""
    return value


def choice(*allowed: str) -> Callable[[str], str]:
    """Return a reader that takes these texts and no others."""

    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"set it to one of {', '.join(allowed)}")
        return value

    return read


def flag(value: str) -> bool:
    """Return whether the text is `true`; takes `true` and `false`."""
    if value not in {"true", "false"}:
        raise ValueError("set it to true or false")
    return value == "true"


def url(value: str) -> str:
    """Return an absolute http or https URL."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _has_port(value):
        raise ValueError("give an absolute http or https URL, or leave it out")
    return value


def role_arn(value: str) -> str:
    """Return the ARN of an IAM role."""
    if not _ROLE_ARN.fullmatch(value):
        raise ValueError("give an IAM role such as arn:aws:iam::123456789012:role/name")
    return value


def label(value: str) -> str:
    """Return the name of a namespace or an object: a DNS-1123 label."""
    if len(value) > MAX_LABEL or not _LABEL.fullmatch(value):
        raise ValueError(f"give 1 to {MAX_LABEL} lower-case letters, digits and inner hyphens")
    return value


def count(value: str) -> int:
    """Return a whole number from 1 to 100000."""
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= _MAX_COUNT):
        raise ValueError(f"give a whole number from 1 to {_MAX_COUNT}, or leave it out")
    return int(value)


def registries(value: str) -> tuple[str, ...]:
    """Return registries (host, port where it is not 443, path prefix) from a list separated by commas."""
    found = tuple(part.strip() for part in value.split(","))
    wrong = [part for part in found if not (_REGISTRY.fullmatch(part) and _has_port(f"https://{part}"))]
    if wrong:
        listed = ", ".join(repr(part) for part in wrong)
        raise ValueError(f"{listed} is no registry: give host[:port][/prefix], several separated by commas")
    return found


def cidr(value: str) -> str:
    """Return a range of addresses, IPv4 or IPv6, with all bits beyond its prefix zero."""
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError("give a range of addresses such as 10.0.0.0/16 or 10.0.0.1/32") from error


def _has_port(address: str) -> bool:
    """Say whether a URL's port is one, or left out."""
    try:
        return urlsplit(address).port != 0
    except ValueError:
        return False
