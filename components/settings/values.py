"""How one value of the stack configuration is read: text in, value out, a remedy where it cannot be.

Every reader raises ValueError with the end of a sentence that begins with "key is 'value':", and takes no
empty text: an empty value means the default.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from components import mirrors
from components.naming import MAX_LABEL

_ROLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
_OIDC_PROVIDER_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:oidc-provider/[^\s*?]+")
_KMS_KEY_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
_SECRET_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:ecr-pullthroughcache/[^\s*?]+"
)
_ACCOUNT_ID: Final = re.compile(r"\d{12}")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REPOSITORY: Final = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*")
_MAX_REPOSITORY: Final = 256
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_REGISTRY: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[a-z0-9._/-]*[a-z0-9])?")
_IMAGE: Final = re.compile(
    r"([A-Za-z0-9.-]+(:\d{1,5})?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(@sha256:[0-9a-f]{64})?"
)
_SHARE: Final = re.compile(r"[1-9][0-9]?")
_MAX_COUNT: Final = 100_000
_MAX_DAYS: Final = 3650


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


def choices(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    """Return a reader that takes some of these texts, separated by commas."""

    def read(value: str) -> tuple[str, ...]:
        found = tuple(part.strip() for part in value.split(","))
        if not set(found) <= set(allowed):
            raise ValueError(f"give one or several of {', '.join(allowed)}, separated by commas")
        return tuple(dict.fromkeys(found))

    return read


def flag(value: str) -> bool:
    """Return whether the text is `true`; takes `true` and `false`."""
    if value not in {"true", "false"}:
        raise ValueError("set it to true or false")
    return value == "true"


def url(value: str) -> str:
    """Return an absolute http or https URL."""
    if not _has_port(value) or not urlsplit(value).hostname or _scheme(value) not in {"http", "https"}:
        raise ValueError("give an absolute http or https URL, or leave it out")
    return value


def mirror(value: str) -> str:
    """Return the address of a package index that builds may use."""
    if not mirrors.is_mirror(value):
        raise ValueError(f"give {mirrors.URL_ALLOWED}, or leave it out")
    return value


def go_proxy(value: str) -> str:
    """Return what Go takes as GOPROXY."""
    if not mirrors.is_proxy(value):
        raise ValueError(f"give {mirrors.PROXY_ALLOWED}, or leave it out")
    return value


def role_arn(value: str) -> str:
    """Return the ARN of an IAM role."""
    if not _ROLE_ARN.fullmatch(value):
        raise ValueError("give an IAM role such as arn:aws:iam::123456789012:role/name")
    return value


def https_url(value: str) -> str:
    """Return an absolute https URL without a slash at its end."""
    if not _has_port(value) or not urlsplit(value).hostname or _scheme(value) != "https":
        raise ValueError("give an absolute https URL, or leave it out")
    return value.rstrip("/")


def oidc_provider_arn(value: str) -> str:
    """Return the ARN of an OIDC provider in IAM."""
    if not _OIDC_PROVIDER_ARN.fullmatch(value):
        raise ValueError(
            "give a provider such as"
            " arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A1B2"
        )
    return value


def kms_key_arn(value: str) -> str:
    """Return the ARN of a KMS key; aliases will not do, since policies have to name the key."""
    if not _KMS_KEY_ARN.fullmatch(value):
        raise ValueError(
            "give a key such as arn:aws:kms:us-west-2:123456789012:key/1234abcd-..., not an alias"
        )
    return value


def secret_arn(value: str) -> str:
    """Return the ARN of a Secrets Manager secret that ECR may read: its name has a prefix for that."""
    if not _SECRET_ARN.fullmatch(value):
        raise ValueError(
            "give a secret such as"
            " arn:aws:secretsmanager:us-west-2:123456789012:secret:ecr-pullthroughcache/docker-hub-AbCdEf"
        )
    return value


def account_id(value: str) -> str:
    """Return the id of an AWS account."""
    if not _ACCOUNT_ID.fullmatch(value):
        raise ValueError("give the account's twelve digits, in quotes: YAML takes them for a number")
    return value


def region(value: str) -> str:
    """Return the name of an AWS region."""
    if not _REGION.fullmatch(value):
        raise ValueError("give the name of a region such as us-west-2")
    return value


def bucket(value: str) -> str:
    """Return the name of a bucket."""
    if not _BUCKET.fullmatch(value) or ".." in value:
        raise ValueError("give 3 to 63 lower-case letters, digits, inner hyphens and single dots")
    return value


def registry_host(value: str) -> str:
    """Return a registry's host, with its port where that is not 443."""
    if "/" in value or not _REGISTRY.fullmatch(value) or not _has_port(f"https://{value}"):
        raise ValueError(
            "give host[:port] alone; what comes after a slash belongs to the repositories' names"
        )
    return value


def repository(value: str) -> str:
    """Return a repository's name without its registry."""
    if len(value) > _MAX_REPOSITORY or not _REPOSITORY.fullmatch(value):
        raise ValueError("give lower-case letters and digits, parted by '/', '-', '_' and '.', without a tag")
    return value


def days(value: str) -> int:
    """Return a whole number of days from 0 to 3650; 0 stands for never."""
    if not (value.isascii() and value.isdigit() and int(value[:9]) <= _MAX_DAYS):
        raise ValueError(f"give a whole number of days from 1 to {_MAX_DAYS}, or 0 for never")
    return int(value)


def label(value: str) -> str:
    """Return the name of a namespace or an object: a DNS-1123 label."""
    if len(value) > MAX_LABEL or not _LABEL.fullmatch(value):
        raise ValueError(f"give 1 to {MAX_LABEL} lower-case letters, digits and inner hyphens")
    return value


def interval(value: str) -> int:
    """Return whole seconds, up to an hour; 0 stands for never."""
    if not (value.isascii() and value.isdecimal() and len(value) < 6) or int(value) > 3600:
        raise ValueError("give whole seconds from 0 (never) to 3600")
    return int(value)


def count(value: str) -> int:
    """Return a whole number from 1 to 100000."""
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= _MAX_COUNT):
        raise ValueError(f"give a whole number from 1 to {_MAX_COUNT}, or leave it out")
    return int(value)


def within(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within these bounds, both included."""

    def read(value: str) -> int:
        if not (value.isascii() and value.isdecimal() and least <= int(value[:9]) <= most):
            raise ValueError(f"give a whole number from {least} to {most}, or leave it out")
        return int(value)

    return read


def percents(value: str) -> tuple[int, ...]:
    """Return shares below the whole, in percent, from a rising list separated by commas."""
    parts = [part.strip() for part in value.split(",")]
    shares = tuple(int(part) if _SHARE.fullmatch(part) else 0 for part in parts)
    if 0 in shares or list(shares) != sorted(set(shares)):
        raise ValueError("give percents from 1 to 99, rising, separated by commas, such as 10,50")
    return shares


def registries(value: str) -> tuple[str, ...]:
    """Return registries (host, port where it is not 443, path prefix) from a list separated by commas."""
    found = tuple(part.strip() for part in value.split(","))
    wrong = [part for part in found if not (_REGISTRY.fullmatch(part) and _has_port(f"https://{part}"))]
    if wrong:
        listed = ", ".join(repr(part) for part in wrong)
        raise ValueError(f"{listed} is no registry: give host[:port][/prefix], several separated by commas")
    return found


def image(value: str) -> str:
    """Return a reference to an image."""
    if not _IMAGE.fullmatch(value):
        raise ValueError("give [registry/]repository[:tag][@sha256:digest]")
    return value


def cidr(value: str) -> str:
    """Return a range of addresses, IPv4 or IPv6, with all bits beyond its prefix zero."""
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError("give a range of addresses such as 10.0.0.0/16 or 10.0.0.1/32") from error


def _scheme(address: str) -> str:
    return urlsplit(address).scheme


def _has_port(address: str) -> bool:
    """Say whether a text can be taken apart as a URL, with a port that is one or left out."""
    try:
        return urlsplit(address).port != 0
    except ValueError:
        return False
