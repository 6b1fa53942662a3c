"""Between Starlette and the rest: bodies read within limits, errors as the contract's error body.

The error body has the keys error, error_type, details, correlation_id, trace_id, timestamp and retry_after.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from automation.errors import PlatformError
from service.errors import BodyTimeout, MethodNotAllowed, NotFound, PayloadTooLarge, Unauthorized, error_body
from service.rate_limits import RateLimited
from service.trail import Trail

LINGER_SECONDS: Final = 0.25
"""How long the rest of a body that is too large is dropped before the refusal is sent."""

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "content-security-policy": "default-src 'self'",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cache-control": "no-store",
}


def announced_bytes(request: Request, most: int) -> int:
    """Return how long a body is said to be; `most` where that is not said, or is more."""
    length = request.headers.get("content-length", "")
    return min(int(length), most) if length.isdecimal() and len(length) < 19 else most


async def read_body(request: Request, *, limit_bytes: int, timeout_seconds: float) -> bytes:
    """Return the body; its announced length may refuse it but is never trusted.

    Raises PayloadTooLarge, BodyTimeout, or Starlette's ClientDisconnect when nobody waits for an answer.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit_bytes):
        raise _too_large(limit_bytes)
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _counted(request, limit_bytes)
    except TimeoutError:
        raise BodyTimeout(
            f"the body did not arrive within {timeout_seconds:g} seconds; send it again, faster"
        ) from None


async def _counted(request: Request, limit_bytes: int) -> bytes:
    body = bytearray()
    stream = request.stream()
    async for chunk in stream:
        body += chunk
        if len(body) > limit_bytes:
            await _linger(stream)
            raise _too_large(limit_bytes)
    return bytes(body)


async def _linger(rest: AsyncIterator[bytes]) -> None:
    """Drop what is still arriving for a moment: one closed on unread bytes is reset, its answer lost."""
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(LINGER_SECONDS):
            async for _ in rest:
                pass


def _too_large(limit_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"the body is longer than {limit_bytes} bytes; put code in the bucket and send its place only"
    )


def error_response(error: PlatformError, trail: Trail) -> JSONResponse:
    """Return the response to an error, with Retry-After when a retry makes sense."""
    return JSONResponse(error_body(error, trail), status_code=error.status, headers=_error_headers(error))


def _error_headers(error: PlatformError) -> dict[str, str]:
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = error.allowed
    if isinstance(error, Unauthorized):
        headers["www-authenticate"] = error.challenge
    if isinstance(error, RateLimited):
        headers["x-ratelimit-limit"] = str(error.rate.burst)
        headers["x-ratelimit-remaining"] = "0"
        headers["x-ratelimit-reset"] = str(math.ceil(time.time() + (error.retry_after or 0)))
    if isinstance(error, PayloadTooLarge | BodyTimeout):
        headers["connection"] = "close"  # a part of the body is unread, and nobody wants to read it
    return headers


def refuse_routing(request: Request, error: Exception) -> NoReturn:
    """Exception handler of Starlette: turn its refusal of a path or a method into an error of ours."""
    if isinstance(error, HTTPException) and error.status_code == MethodNotAllowed.status:
        raise MethodNotAllowed((error.headers or {}).get("Allow", ""))
    raise NotFound("there is nothing at this path; events are taken by POST /")
