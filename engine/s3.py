"""States in a bucket of S3, or of a server that speaks S3 such as MinIO.

The keys are those of Pulumi's own s3:// backend, so either can go on where the other stopped. Objects are
only ever written as a whole; S3 shows a write to every reader once it is answered. Importing this module
imports boto3; `backend.open_backend` does so when an s3:// address is opened.
"""

import contextlib
import email.utils
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)
from botocore.exceptions import ConnectionError as Unreachable

from engine import s3_address
from engine.errors import BackendError
from engine.s3_address import S3Address

CONNECT_TIMEOUT: Final = 5.0
"""Seconds to wait for a connection."""

READ_TIMEOUT: Final = 30.0
"""Seconds to wait for an answer, or for its next bytes."""

ATTEMPTS: Final = 4
"""How often a request is made before it counts as failed; botocore waits up to some seconds in between."""

DURABLE_DELAYS: Final = (1.0, 1.2, 1.44, 1.728, 2.07, 2.49, 2.99, 3.58, 4.3, 5.16)
"""Seconds between further attempts to write a checkpoint: as often and as long as Pulumi's CLI tries."""

DURABLE_SECONDS: Final = 120.0
"""After so many seconds no further attempt is begun, however long each one took to fail."""

CONNECTIONS: Final = 64
"""Connections that are kept for further requests, from any thread."""

PAGE: Final = 1000
"""Names in one answer to a listing, which is all that S3 gives at a time."""

_ABSENT: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_HINTS: Final = {
    "NoSuchBucket": "make the bucket first, or correct the address",
    "AccessDenied": "the credentials need s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and "
    "s3:DeleteObject on its objects",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID, the profile or the role",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
    "PermanentRedirect": "give the bucket's region: ?region=…",
    "AuthorizationHeaderMalformed": "give the bucket's region: ?region=…",
}
_TRUNCATED: Final = 256


class S3Backend:
    """States under a prefix of a bucket, given as `s3://bucket/prefix?region=…&endpoint=…`.

    Credentials come from where AWS tools look for them: environment, shared files, the named profile, a role.
    Nothing is asked of the server until the first use.
    """

    def __init__(self, url: str) -> None:
        self._address = s3_address.parse(url)
        with _reported("open", self._address.url):
            try:
                self.client = _client(self._address)
                """The boto3 client, for those who want to watch its requests."""
            except ValueError as error:  # botocore's word for a malformed endpoint
                raise BackendError(f"cannot open {self._address.url}: {error}") from error
        self._encryption = {
            name: value
            for name, value in (
                ("ServerSideEncryption", self._address.encryption),
                ("SSEKMSKeyId", self._address.kms_key),
            )
            if value
        }

    @property
    def url(self) -> str:
        """The bucket and prefix, without parameters."""
        return self._address.url

    def read(self, key: str) -> bytes | None:
        """Return the object's content, or None if there is none."""
        with self._reported("read", key):
            left = ATTEMPTS
            while (body := self._opened(key)) is not None:
                try:
                    with contextlib.closing(body):
                        return bytes(body.read())
                except (HTTPClientError, IncompleteReadError):  # botocore retries only until an answer begins
                    left -= 1
                    if not left:
                        raise
            return None

    def write(self, key: str, data: bytes, *, durable: bool = True, forced: bool = True) -> None:
        """Put the object; `durable` writes are tried again for half a minute more."""
        with self._reported("write", key):
            _tried(lambda: self._put(key, data), durable=durable)

    def create(self, key: str, data: bytes) -> None:
        """Put the object; the names of new files are unique, so S3 need not check that there is none."""
        self.write(key, data, durable=False)

    def copy(self, source: str, target: str) -> None:
        """Have the server copy the object."""
        with self._reported("copy", target):
            try:
                self.client.copy_object(
                    Bucket=self._address.bucket,
                    Key=self._key(target),
                    CopySource={"Bucket": self._address.bucket, "Key": self._key(source)},
                    **self._encryption,
                )
            except ClientError as error:
                if _code(error) not in _ABSENT:
                    raise

    def delete(self, key: str) -> None:
        """Delete the object; S3 answers the same whether there was one."""
        with self._reported("delete", key):
            self.client.delete_object(Bucket=self._address.bucket, Key=self._key(key))

    def list(self, folder: str) -> list[str]:
        """Return the names of objects and common prefixes directly under a prefix."""
        prefix = f"{self._key(folder)}/"
        names: set[str] = set()
        with self._reported("list", folder):
            for page in self._pages(prefix):
                names.update(entry["Key"][len(prefix) :] for entry in page.get("Contents", ()))
                names.update(entry["Prefix"][len(prefix) : -1] for entry in page.get("CommonPrefixes", ()))
        return sorted(names - {""})  # a console's "folder" is an object whose name is empty

    def modified(self, *keys: str) -> dict[str, float]:
        """Return when objects were last written, by one listing of what begins with the shortest name.

        Meant for names that begin alike, such as a checkpoint's; others cost a listing each.
        """
        wanted = {self._key(key): key for key in keys}
        shortest = min(wanted, key=len)
        if not all(key.startswith(shortest) for key in wanted):
            return {name: moment for key in keys for name, moment in self.modified(key).items()}
        found: dict[str, float] = {}
        with self._reported("list", wanted[shortest]):
            for page in self._pages(shortest):
                for entry in page.get("Contents", ()):
                    if entry["Key"] in wanted:
                        found[wanted[entry["Key"]]] = entry["LastModified"].timestamp()
        return found

    def touch(self, key: str, *, durable: bool = False) -> bool:
        """Have the server copy the object onto itself."""
        place = {"Bucket": self._address.bucket, "Key": self._key(key)}
        options = {**place, "CopySource": place, "MetadataDirective": "REPLACE", **self._encryption}
        with self._reported("touch", key):
            try:
                _tried(lambda: self.client.copy_object(**options), durable=durable)
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return False
                raise
        return True

    def age(self, key: str) -> float | None:
        """Compare when the object was written with when the server answers."""
        with self._reported("read", key):
            try:
                answer = self.client.head_object(Bucket=self._address.bucket, Key=self._key(key))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
        told = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = email.utils.parsedate_to_datetime(told) if told else answer["LastModified"]
        return max(0.0, float((now - answer["LastModified"]).total_seconds()))

    def _key(self, key: str) -> str:
        return self._address.prefix + key

    def _opened(self, key: str) -> Any:
        """Return the stream of an object's content, or None if there is no object."""
        try:
            return self.client.get_object(Bucket=self._address.bucket, Key=self._key(key))["Body"]
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise

    def _put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self._address.bucket, Key=self._key(key), Body=data, **self._encryption)

    def _pages(self, prefix: str) -> Iterator[dict[str, Any]]:
        paginator = self.client.get_paginator("list_objects_v2")
        yield from paginator.paginate(
            Bucket=self._address.bucket,
            Prefix=prefix,
            Delimiter="/",
            PaginationConfig={"PageSize": PAGE},
        )

    def _reported(self, verb: str, key: str) -> contextlib.AbstractContextManager[None]:
        return _reported(verb, f"{self.url}/{key}")


def _client(address: S3Address) -> Any:
    session = boto3.Session(profile_name=address.profile)
    # Pulumi's CLI honours AWS_REGION; boto3 by itself only AWS_DEFAULT_REGION. A bucket's region is only
    # needed for the signature, and servers other than AWS accept any.
    region = address.region or os.environ.get("AWS_REGION") or session.region_name or "us-east-1"
    return session.client(
        "s3",
        region_name=region,
        endpoint_url=address.endpoint,
        use_ssl=address.https,
        config=_config(address),
    )


def _config(address: S3Address) -> Config:
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": READ_TIMEOUT,
        "max_pool_connections": CONNECTIONS,
        "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
        "tcp_keepalive": True,
        "s3": {
            "addressing_style": "path" if address.path_style else "auto",
            "use_accelerate_endpoint": address.accelerate,
        },
        "use_dualstack_endpoint": address.dualstack or None,
        "use_fips_endpoint": address.fips or None,
        "request_checksum_calculation": address.request_checksums or _spared_checksums(address),
        "response_checksum_validation": address.response_checksums,
        "signature_version": UNSIGNED if address.anonymous else None,
    }
    return Config(**{name: value for name, value in options.items() if value is not None})


def _spared_checksums(address: S3Address) -> str | None:
    # Servers that are not AWS often refuse the check sums that newer SDKs send unasked.
    configured = os.environ.get("AWS_REQUEST_CHECKSUM_CALCULATION")
    return "when_required" if address.endpoint and not configured else None


@contextlib.contextmanager
def _reported(verb: str, place: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise BackendError(f"cannot {verb} {place}: {_reason(error)}") from error
    except NoCredentialsError as error:
        raise BackendError(
            f"cannot {verb} {place}: no AWS credentials were found; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or name a profile: ?profile=…"
        ) from error
    except BotoCoreError as error:
        raise BackendError(f"cannot {verb} {place}: {str(error)[:_TRUNCATED]}") from error


def _reason(error: ClientError) -> str:
    code = _code(error)
    message = str(error.response.get("Error", {}).get("Message", ""))[:_TRUNCATED]
    hint = f" ({_HINTS[code]})" if code in _HINTS else ""
    return f"{code}: {message}{hint}"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _tried(request: Callable[[], object], *, durable: bool) -> None:
    """Make a request; with `durable` again for half a minute, as long as the server is ill or busy."""
    last = time.monotonic() + DURABLE_SECONDS
    for delay in DURABLE_DELAYS if durable else ():
        try:
            request()
            return
        except (ClientError, HTTPClientError, Unreachable) as error:
            if not _is_passing(error) or time.monotonic() > last:
                raise
        time.sleep(delay)
    request()


def _is_passing(error: Exception) -> bool:
    """Say whether the same request may succeed later: the server is ill or busy, or out of reach."""
    if not isinstance(error, ClientError):
        return True
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status >= 500 or status == 429 or _code(error) in ("RequestTimeout", "SlowDown")
