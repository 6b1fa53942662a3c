"""What follows one request through the service: correlation id, trace and what its log line says.

Pure. A trail begins with the headers of the request; the attributes of a structured event complete it later,
because they are inside the body.
"""

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from automation.errors import Fault, PlatformError
from automation.events import Event

CORRELATION_HEADER: Final = "x-correlation-id"
TRACE_HEADER: Final = "x-trace-id"

_CORRELATION_ID: Final = re.compile(r"[!-~]{1,128}")
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


def correlation_id(*candidates: Any) -> str | None:
    """Return the first candidate that is 1 to 128 printable ASCII characters without spaces."""
    return next(
        (text for text in candidates if isinstance(text, str) and _CORRELATION_ID.fullmatch(text)), None
    )


def traceparent(*candidates: Any) -> str | None:
    """Return the first candidate that is a valid W3C traceparent."""
    return next((text for text in candidates if isinstance(text, str) and _TRACEPARENT.fullmatch(text)), None)


@dataclass
class Trail:
    """The trail of one request."""

    correlation_id: str
    traceparent: str | None
    generated: bool
    """Whether the correlation id is ours, so that one inside the event may still take its place."""
    log: dict[str, Any] = field(default_factory=dict)
    """Fields of the request's log line."""
    began_ns: int = field(default_factory=time.time_ns)
    """When the request came, in nanoseconds since 1970."""

    @property
    def trace_id(self) -> str | None:
        """The 32 hex digits of the trace, if the sender began one."""
        return self.traceparent[3:35] if self.traceparent else None

    def adopt(self, attributes: Mapping[str, Any]) -> None:
        """Take correlation and trace from an event's attributes where the headers had none."""
        found = correlation_id(attributes.get("correlationid")) if self.generated else None
        if found:
            self.correlation_id, self.generated = found, False
        self.traceparent = self.traceparent or traceparent(attributes.get("traceparent"))

    def describe(self, event: Event) -> None:
        """Say in the log which event this is; names only, never its data."""
        self.log.update(event_id=event.meta.id[:128], event_type=event.meta.type)
        if event.function:
            self.log.update(third_party_id=event.function.third_party_id, parser_id=event.function.parser_id)

    def note(self, error: PlatformError) -> None:
        """Say in the log what went wrong; a sender's fault by its type only: its text may repeat the data."""
        self.log.update(error_type=error.error_type)
        if error.fault is not Fault.SENDER:
            self.log.update(error=error.message, details="; ".join(error.details) or None)
            self.log.update(cause=error.__cause__ and repr(error.__cause__))


def begin(headers: Mapping[str, str]) -> Trail:
    """Return the trail of a request with these headers (lower-case names)."""
    found = correlation_id(headers.get(CORRELATION_HEADER), headers.get("ce-correlationid"))
    return Trail(
        correlation_id=found or str(uuid.uuid4()),
        traceparent=traceparent(headers.get("traceparent"), headers.get("ce-traceparent")),
        generated=found is None,
    )
