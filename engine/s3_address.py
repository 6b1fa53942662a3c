"""Addresses of buckets as users of Pulumi write them: `s3://bucket/prefix?region=…&endpoint=…`.

The parameters are those of gocloud, which Pulumi's CLI opens buckets with, in their present names and in the
older ones that the CLI translates. Pure: nothing here knows boto3.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.errors import BackendError

_RENAMED: Final = {"disableSSL": "disable_https", "s3ForcePathStyle": "use_path_style"}
_BOOLEANS: Final = frozenset(
    {"disable_https", "use_path_style", "anonymous", "dualstack", "fips", "accelerate", "hostname_immutable"}
)
_TEXTS: Final = frozenset(
    {
        "region",
        "endpoint",
        "profile",
        "awssdk",
        "request_checksum_calculation",
        "response_checksum_validation",
        "ssetype",
        "kmskeyid",
    }
)
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@dataclass(frozen=True, kw_only=True)
class S3Address:
    """Where a bucket is and how to talk to it. None and "" mean: as the AWS configuration says."""

    bucket: str
    prefix: str = ""
    """What comes before each key; empty, or ends with `/`."""
    region: str | None = None
    endpoint: str | None = None
    """Address of a server other than AWS, with its scheme."""
    profile: str | None = None
    path_style: bool = False
    """Whether the bucket is part of the path and not of the host name."""
    https: bool = True
    anonymous: bool = False
    dualstack: bool = False
    fips: bool = False
    accelerate: bool = False
    request_checksums: str | None = None
    """When requests carry check sums, `when_required` or `when_supported`; so is `response_checksums`."""
    response_checksums: str | None = None
    encryption: str | None = None
    """The server-side encryption that is asked for: `AES256`, `aws:kms` or `aws:kms:dsse`."""
    kms_key: str | None = None

    @property
    def url(self) -> str:
        """The root without its parameters."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def parse(url: str) -> S3Address:
    """Read an address; BackendError for what is malformed or not known."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname:
        raise BackendError(f"{url!r} names no bucket: give s3://<bucket>/<prefix>")
    given = _parameters(parts.query, f"s3://{parts.hostname}{parts.path}")
    https = given.get("disable_https") not in _TRUE
    prefix = unquote(parts.path).strip("/")
    return S3Address(
        # As written: host names are lower case only as far as urlsplit makes them so.
        bucket=parts.netloc.rpartition("@")[2],
        prefix=f"{prefix}/" if prefix else "",
        region=given.get("region"),
        endpoint=_with_scheme(given.get("endpoint"), https),
        profile=given.get("profile"),
        path_style=given.get("use_path_style") in _TRUE,
        https=https,
        anonymous=given.get("anonymous") in _TRUE,
        dualstack=given.get("dualstack") in _TRUE,
        fips=given.get("fips") in _TRUE,
        accelerate=given.get("accelerate") in _TRUE,
        request_checksums=given.get("request_checksum_calculation"),
        response_checksums=given.get("response_checksum_validation"),
        encryption=given.get("ssetype"),
        kms_key=given.get("kmskeyid"),
    )


def _parameters(query: str, place: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        key = _RENAMED.get(name, name)
        if key not in _BOOLEANS | _TEXTS:
            allowed = ", ".join(sorted(_BOOLEANS | _TEXTS | _RENAMED.keys()))
            raise BackendError(f"{place}: unknown query parameter {name!r}; allowed are {allowed}")
        if key in _BOOLEANS and value not in _TRUE | _FALSE:
            raise BackendError(
                f"{place}: invalid value for query parameter {name!r}: {value!r} is no boolean"
            )
        if key == "awssdk" and value.lower() not in ("v1", "v2"):
            raise BackendError(f"{place}: invalid value for query parameter 'awssdk': {value!r}; give v2")
        found[key] = value
    return {key: value for key, value in found.items() if value}


def _with_scheme(endpoint: str | None, https: bool) -> str | None:
    if not endpoint or "://" in endpoint:
        return endpoint
    return f"{'https' if https else 'http'}://{endpoint}"
