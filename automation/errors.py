"""Errors that cross the boundary between automation and its callers.

    PlatformError
      InvalidEvent          400  the sender's fault: bad attributes, data or names; never retried
      SourceNotFound        404  the sender's fault: no code where the event says
      SourceDenied          403  the sender's fault: a bucket of its own that this platform may not read
      StackBusy             409  another process holds the function's stack; retry after a moment
      PlanOutdated          412  the event would not change what the approved plan says; plan again
      Saturated             429  a queue or limit is full; retry after a moment
      DependencyUnavailable 503  storage, API server or state backend failed; retry
      DeployFailed          500  the engine could not carry out the update

Each error says whose fault it is, the HTTP status that fits, and after how many seconds a retry makes sense
(None: never). The text is for the caller and holds no stack trace and no secret.
"""

import enum
from typing import ClassVar


class Fault(enum.StrEnum):
    """Whose fault an error is."""

    SENDER = "sender"
    PLATFORM = "platform"
    DEPENDENCY = "dependency"


class PlatformError(Exception):
    """Root of all errors that callers of automation may see."""

    fault: ClassVar[Fault] = Fault.PLATFORM
    status: ClassVar[int] = 500
    error_type: ClassVar[str] = "system_error"
    retry_after: ClassVar[float | None] = None
    """Seconds after which a retry makes sense; None means that it does not."""

    def __init__(self, message: str, *, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidEvent(PlatformError):
    """The event is malformed; `details` lists every problem found."""

    fault = Fault.SENDER
    status = 400
    error_type = "validation_error"


class SourceNotFound(PlatformError):
    """There is no code at the place that the event names."""

    fault = Fault.SENDER
    status = 404
    error_type = "not_found"


class SourceDenied(PlatformError):
    """The place that the event names is closed to this platform."""

    fault = Fault.SENDER
    status = 403
    error_type = "validation_error"


class PlanOutdated(PlatformError):
    """The event would change something else than the plan that it approves."""

    fault = Fault.SENDER
    status = 412  # not 409: a Trigger would deliver it again, and it would be outdated again
    error_type = "plan_outdated"


class StackBusy(PlatformError):
    """Another process holds the lock of the function's stack, or changed it meanwhile."""

    status = 409
    error_type = "conflict"
    retry_after = 5.0


class Saturated(PlatformError):
    """A queue or a limit is full; nothing was accepted."""

    status = 429
    error_type = "rate_limit_exceeded"
    retry_after = 5.0


class DependencyUnavailable(PlatformError):
    """Storage, the API server or the state backend did not do its part."""

    fault = Fault.DEPENDENCY
    status = 503
    error_type = "system_error"
    retry_after = 5.0


class DeployFailed(PlatformError):
    """The engine refused or failed the update; the stack's diagnostics are in `details`."""

    status = 500
    error_type = "system_error"
    retry_after = 5.0
