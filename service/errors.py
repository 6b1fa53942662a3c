"""Errors of the HTTP layer itself, beside those that automation raises; all are PlatformErrors."""

import datetime
from typing import Any, ClassVar

from automation.errors import DependencyUnavailable, Fault, PlatformError
from service.trail import Trail


class Unauthorized(PlatformError):
    """Who asks has not said who that is, or not in a way that is known."""

    fault = Fault.SENDER
    status = 401
    error_type = "unauthorized"
    challenge: ClassVar[str] = "Bearer"
    """What a WWW-Authenticate header says."""


class Unsigned(Unauthorized):
    """A message whose sender has to sign it is not signed, or not so that it fits."""

    challenge = "Webhook-Signature"


class AccessDenied(PlatformError):
    """Nobody may do this here."""

    fault = Fault.SENDER
    status = 403
    error_type = "forbidden"


class NotFound(PlatformError):
    """Nothing is served at this path."""

    fault = Fault.SENDER
    status = 404
    error_type = "not_found"


class WrongMoment(PlatformError):
    """What is asked for cannot be done with a build that stands where this one does."""

    fault = Fault.SENDER
    status = 409
    error_type = "conflict"


class NotAcceptable(PlatformError):
    """The answer cannot be had in a form that the sender accepts."""

    fault = Fault.SENDER
    status = 406
    error_type = "validation_error"


class MethodNotAllowed(PlatformError):
    """The path is served, but not with this method; `allowed` is what an Allow header says."""

    fault = Fault.SENDER
    status = 405
    error_type = "validation_error"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"the method is not allowed here; allowed: {allowed}")
        self.allowed = allowed


class BodyTimeout(PlatformError):
    """The body did not arrive in time."""

    fault = Fault.SENDER
    status = 408
    error_type = "validation_error"
    retry_after = 5.0


class PayloadTooLarge(PlatformError):
    """The body is longer than the limit; it was not read to its end."""

    fault = Fault.SENDER
    status = 413
    error_type = "validation_error"


class UnexpectedError(PlatformError):
    """Stands in a response for an error that nobody foresaw; what it was is in the log only."""

    error_type = "unknown_error"


class WorkContinues(DependencyUnavailable):
    """The event is still being worked on when its request has run out of time; asking again is safe."""


class ShuttingDown(DependencyUnavailable):
    """The process ends before the event's work has; another replica, or the next process, can take it."""


def error_body(error: PlatformError, trail: Trail) -> dict[str, Any]:
    """Return the contract's error body."""
    return {
        "error": error.message,
        "error_type": error.error_type,
        "details": list(error.details),
        "correlation_id": trail.correlation_id,
        "trace_id": trail.trace_id,
        "timestamp": datetime.datetime.now(datetime.UTC).isoformat(),
        "retry_after": _seconds(error.retry_after),
    }


def _seconds(value: float | None) -> float | None:
    """Return whole seconds as an integer, for JSON that people read."""
    return value if value is None or value % 1 else int(value)
