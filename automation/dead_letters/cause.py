"""What is behind a dead letter, finer than its reason, from the status that its last delivery got. Pure.

Words are the contract's (section 4.4) where it has one.
"""

from collections.abc import Mapping
from typing import Final

SUBSCRIBER_DOWN: Final = "subscriber_down"
TIMEOUT: Final = "timeout"
DEPENDENCY: Final = "dependency_error"
QUEUE_FULL: Final = "queue_full"
CONFLICT: Final = "conflict"
SYSTEM: Final = "system_error"
VALIDATION: Final = "validation_error"
DENIED: Final = "access_denied"
NOT_FOUND: Final = "not_found"
OUTDATED: Final = "plan_outdated"
REFUSED: Final = "refused"
UNKNOWN: Final = "unknown"

_BY_STATUS: Final[Mapping[int, str]] = {
    400: VALIDATION,
    401: DENIED,
    403: DENIED,
    404: NOT_FOUND,
    408: TIMEOUT,
    409: CONFLICT,
    412: OUTDATED,
    413: VALIDATION,
    415: VALIDATION,
    422: VALIDATION,
    429: QUEUE_FULL,
    502: SUBSCRIBER_DOWN,
    503: DEPENDENCY,
    504: TIMEOUT,
}

CAUSES: Final = (
    SUBSCRIBER_DOWN,
    TIMEOUT,
    DEPENDENCY,
    QUEUE_FULL,
    CONFLICT,
    SYSTEM,
    VALIDATION,
    DENIED,
    NOT_FOUND,
    OUTDATED,
    REFUSED,
    UNKNOWN,
)


def cause_of(code: str) -> str:
    """Return the cause, one of CAUSES, by the attribute `knativeerrorcode`: a status, -1 for no answer."""
    if not code.lstrip("-").isdecimal() or len(code) > 9:
        return UNKNOWN
    status = int(code)
    if status < 100:
        return SUBSCRIBER_DOWN
    return _BY_STATUS.get(status, SYSTEM if status >= 500 else REFUSED)
