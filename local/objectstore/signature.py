"""AWS Signature Version 4, the verifying side. Pure: the clock and the keys are passed in.

Header and query (presigned) signatures, and the chained chunk signatures of streamed bodies. A request
without any signature is anonymous, which the local store allows.
"""

import datetime
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from local.objectstore.errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_VERSION_4 = "only Signature Version 4 is supported; with boto3, Config(signature_version='s3v4')"
_MAX_SKEW = datetime.timedelta(minutes=15)
_MAX_EXPIRY_SECONDS = 7 * 24 * 3600
_HEADER = re.compile(
    rf"{ALGORITHM}\s+Credential=(\S+?),\s*SignedHeaders=(\S+?),\s*Signature=([0-9a-f]{{64}})"
)


@dataclass(frozen=True)
class HttpRequest:
    """What a signature covers. Header names are in lower case; query pairs are decoded."""

    method: str
    raw_path: str
    """As in the request line, without the query."""
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Claim:
    """What a request says about its own signature."""

    credential: str
    signed_headers: tuple[str, ...]
    signature: str
    date: str
    payload: str
    """The payload's hash as signed: hex, UNSIGNED-PAYLOAD or STREAMING-…"""
    presigned: bool

    @property
    def scope(self) -> str:
        """Date, region and service of the signing key."""
        return self.credential.partition("/")[2]


@dataclass(frozen=True)
class Verified:
    """A verified request; from it the chunks of its streamed body are verified."""

    claim: Claim
    key: bytes

    def chunk_signature(self, previous: str, data: bytes) -> str:
        """Return the signature that a chunk must carry after the one with signature `previous`."""
        return self._chained(f"{ALGORITHM}-PAYLOAD", previous, EMPTY_SHA256, hashlib.sha256(data).hexdigest())

    def trailer_signature(self, previous: str, trailer: bytes) -> str:
        """Return the signature that the trailing headers must carry."""
        return self._chained(f"{ALGORITHM}-TRAILER", previous, hashlib.sha256(trailer).hexdigest())

    def _chained(self, *lines: str) -> str:
        text = "\n".join((lines[0], self.claim.date, self.claim.scope, *lines[1:]))
        return _hmac(self.key, text).hex()


def verify(request: HttpRequest, secrets: Mapping[str, str], now: datetime.datetime) -> Verified | None:
    """Verify the request's signature; None if it has none. `now` is in UTC, `secrets` by access key.

    Raises S3Error: InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed, AccessDenied (expired)
    or a malformed-authorization code.
    """
    claim = read_claim(request)
    if claim is None:
        return None
    access_key = claim.credential.partition("/")[0]
    if access_key not in secrets:
        raise S3Error("InvalidAccessKeyId", f"the access key {access_key[:64]!r} does not exist here")
    _check_time(request, claim, now)
    key = signing_key(secrets[access_key], claim.scope)
    if not hmac.compare_digest(sign(request, claim, key), claim.signature):
        raise S3Error(
            "SignatureDoesNotMatch",
            "the signature that was computed for the request is not the one it carries; check the secret"
            " key, and"
            " that no proxy changes signed headers or the path",
        )
    return Verified(claim, key)


def read_claim(request: HttpRequest) -> Claim | None:
    """Return what the Authorization header or the query says; None for an anonymous request."""
    query = dict(request.query)
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _header_claim(request, authorization)
    if "AWSAccessKeyId" in query:
        raise S3Error("AuthorizationQueryParametersError", f"the URL is presigned by Version 2; {_VERSION_4}")
    return _query_claim(query) if "X-Amz-Signature" in query else None


def signing_key(secret: str, scope: str) -> bytes:
    """Derive the key of a scope (`date/region/service/aws4_request`)."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def sign(request: HttpRequest, claim: Claim, key: bytes) -> str:
    """Return the signature (hex) that the request must carry."""
    canonical = canonical_request(request, claim)
    digest = hashlib.sha256(canonical.encode(errors="surrogateescape")).hexdigest()
    return _hmac(key, f"{ALGORITHM}\n{claim.date}\n{claim.scope}\n{digest}").hex()


def canonical_request(request: HttpRequest, claim: Claim) -> str:
    """Return the canonical form that is hashed, in S3's variant: the path is encoded once."""
    query = sorted((_encode(k), _encode(v)) for k, v in request.query if k != "X-Amz-Signature")
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in claim.signed_headers
    )
    return "\n".join(
        (
            request.method,
            quote(unquote_to_bytes(request.raw_path), safe="/-_.~"),
            "&".join(f"{k}={v}" for k, v in query),
            headers,
            ";".join(claim.signed_headers),
            claim.payload,
        )
    )


def _header_claim(request: HttpRequest, authorization: str) -> Claim:
    match = _HEADER.fullmatch(authorization.strip())
    if match is None or match[1].count("/") < 4:
        raise S3Error(
            "AuthorizationHeaderMalformed",
            f"the Authorization header is not of the form {ALGORITHM}"
            " Credential=key/date/region/s3/aws4_request,"
            f" SignedHeaders=…, Signature=…; {_VERSION_4}",
        )
    return Claim(
        credential=match[1],
        signed_headers=tuple(match[2].split(";")),
        signature=match[3],
        date=request.headers.get("x-amz-date", ""),
        payload=request.headers.get("x-amz-content-sha256", UNSIGNED),
        presigned=False,
    )


def _query_claim(query: Mapping[str, str]) -> Claim:
    if query.get("X-Amz-Algorithm") != ALGORITHM or query.get("X-Amz-Credential", "").count("/") < 4:
        raise S3Error(
            "AuthorizationQueryParametersError", f"a presigned URL needs X-Amz-Algorithm={ALGORITHM}"
        )
    return Claim(
        credential=query["X-Amz-Credential"],
        signed_headers=tuple(query.get("X-Amz-SignedHeaders", "").split(";")),
        signature=query["X-Amz-Signature"],
        date=query.get("X-Amz-Date", ""),
        payload=query.get("X-Amz-Content-Sha256", UNSIGNED),
        presigned=True,
    )


def _check_time(request: HttpRequest, claim: Claim, now: datetime.datetime) -> None:
    try:
        signed = datetime.datetime.strptime(claim.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise S3Error(
            "AccessDenied", f"the request's date {claim.date[:32]!r} is not YYYYMMDDTHHMMSSZ"
        ) from None
    if claim.presigned:
        expires = dict(request.query).get("X-Amz-Expires", "")
        if not re.fullmatch("[0-9]{1,6}", expires) or int(expires) > _MAX_EXPIRY_SECONDS:
            raise S3Error("AuthorizationQueryParametersError", "X-Amz-Expires must be 1 to 604800 seconds")
        if now > signed + datetime.timedelta(seconds=int(expires)):
            raise S3Error("AccessDenied", "the presigned request has expired")
    elif abs(now - signed) > _MAX_SKEW:
        raise S3Error("RequestTimeTooSkewed", f"the request is dated {claim.date}, more than 15 minutes off")


def _encode(text: str) -> str:
    return quote(text, safe="-_.~", errors="surrogateescape")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
