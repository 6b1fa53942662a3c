"""Exceptions to the platform's error classes. Pure.

    class             retryable  HTTP  when
    VALIDATION_ERROR  no         422   ValueError, TypeError: not what the parser takes; 400: no event at all
    RUNTIME_ERROR     no         422   any other exception of the parser; a result that is not JSON
    TRANSIENT_ERROR   yes        500   the network did not do its part (ConnectionError, TimeoutError, ...)
    SYSTEM_ERROR      yes        500   no memory; 503: no room, or shutting down
    TIMEOUT_ERROR     yes        504   the parser took longer than TIMEOUT_SECONDS

An exception that has a boolean attribute `retryable` decides for itself. Why 422: a Knative trigger retries
5xx and sends other statuses to the dead-letter sink at once (docs/decisions/0020-function-error-status.md).
"""

import enum
import errno
import traceback
from dataclasses import dataclass

_PERMANENT_OS_ERRORS = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
)
_EXHAUSTED = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EDQUOT})
MAX_MESSAGE_CHARACTERS = 2000


class Code(enum.StrEnum):
    """The platform's error classes."""

    RUNTIME = "RUNTIME_ERROR"
    VALIDATION = "VALIDATION_ERROR"
    TIMEOUT = "TIMEOUT_ERROR"
    TRANSIENT = "TRANSIENT_ERROR"
    SYSTEM = "SYSTEM_ERROR"


@dataclass(frozen=True)
class Failure:
    """Why a call has no result."""

    code: Code
    message: str
    retryable: bool
    status: int
    """The HTTP status of the reply."""
    kind: str
    """The metrics' error_type: runtime, validation, timeout, network, memory, import, request or other."""
    stack: str = ""


class ResultNotJson(Exception):
    """The handler returned a value that JSON cannot hold."""


def from_exception(error: BaseException) -> Failure:
    """Classify what a handler raised."""
    code, kind = _classify(error)
    wish = getattr(error, "retryable", None)
    if wish is True and code in (Code.RUNTIME, Code.VALIDATION):
        code = Code.TRANSIENT
    elif wish is False and code not in (Code.RUNTIME, Code.VALIDATION):
        code = Code.RUNTIME
    retryable = code not in (Code.RUNTIME, Code.VALIDATION)
    return Failure(code, _text(error), retryable, 500 if retryable else 422, kind, _stack(error))


def timed_out(seconds: float, limit: str = "TIMEOUT_SECONDS") -> Failure:
    """Return the failure of a call that took longer than its time, with what limited that."""
    message = f"the handler did not return within {seconds:.3g} s ({limit})"
    return Failure(Code.TIMEOUT, message, True, 504, "timeout")


def past_deadline() -> Failure:
    """Return the failure of an event that came after its own deadline; a retry would come later still."""
    message = "the event came after its metadata.deadlineAt; the handler was not called"
    return Failure(Code.TIMEOUT, message, False, 504, "timeout")


def invalid_request(message: str) -> Failure:
    """Return the failure of a request that holds no event."""
    return Failure(Code.VALIDATION, message, False, 400, "request")


def saturated(limit: int) -> Failure:
    """Return the failure of a call that found no free place in time."""
    message = f"{limit} calls are running (MAX_CONCURRENCY) and none ended in time"
    return Failure(Code.SYSTEM, message, True, 503, "other")


def shutting_down() -> Failure:
    """Return the failure of a call that came while the instance no longer takes any."""
    return Failure(Code.SYSTEM, "the instance is shutting down", True, 503, "other")


def _classify(error: BaseException) -> tuple[Code, str]:
    if isinstance(error, MemoryError):
        return Code.SYSTEM, "memory"
    if isinstance(error, ImportError):
        return Code.RUNTIME, "import"
    if isinstance(error, OSError):
        return _classify_os_error(error)
    if isinstance(error, ValueError | TypeError):
        return Code.VALIDATION, "validation"
    return Code.RUNTIME, "runtime"


def _classify_os_error(error: OSError) -> tuple[Code, str]:
    if error.errno in _EXHAUSTED:
        return Code.SYSTEM, "other"
    if isinstance(error, PermissionError):
        return Code.RUNTIME, "permission"
    if isinstance(error, _PERMANENT_OS_ERRORS):
        return Code.RUNTIME, "runtime"
    return Code.TRANSIENT, "network"


def _text(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the handler called sys.exit({error.code!r}); return a result or raise an error instead"
    lines = traceback.format_exception_only(type(error), error)
    return "".join(lines).strip()[:MAX_MESSAGE_CHARACTERS]


def _stack(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
