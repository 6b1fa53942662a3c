"""What a handler is told about its call, and what log records take their ids from."""

import contextvars
import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .events import Envelope, Event
from .settings import Settings

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_LOGGER = logging.getLogger("function")
_CORRELATION = re.compile(r"[\x21-\x7e]{1,256}")


class Trace(NamedTuple):
    """A W3C trace context as it came; empty texts when none or a malformed one came."""

    traceparent: str = ""
    trace_id: str = ""
    span_id: str = ""
    flags: str = ""


@dataclass(kw_only=True, slots=True)
class Context:
    """The second argument of `handler(event, context)`.

    Not frozen: that would make it five times as dear, which every call pays.
    """

    event: Envelope
    """The event's context attributes."""
    function_name: str
    function_namespace: str
    third_party_id: str
    parser_id: str
    invocation_id: str
    """New for every call, a redelivery of the same event included."""
    correlation_id: str
    """The same for everything that one cause set off."""
    trace: Trace
    metadata: Mapping[str, Any]
    """An invocation event's own: `retryCount`, `deadlineAt` and what its sender put there; else empty."""
    cold_start: bool
    """Whether this is the instance's first call."""
    deadline: float
    """When the handler's time is over, on the clock of time.monotonic()."""
    logger: logging.Logger = _LOGGER
    """Its records carry the call's ids, like those of any other logger while the handler runs."""

    def remaining_seconds(self) -> float:
        """Return how much time the handler has left; never negative."""
        return max(0.0, self.deadline - time.monotonic())


current: contextvars.ContextVar[Context | None] = contextvars.ContextVar("current", default=None)
"""The call that the running code belongs to."""


def new_id() -> str:
    """Return a random UUID (version 4) as text; safe from any thread.

    The uuid module is worth 8 ms of a cold start; random bytes are fetched for many ids with one system call.
    """
    while True:
        try:
            digits = _random_digits.pop()  # atomic
        except IndexError:
            fresh = os.urandom(16 * _IDS_AT_ONCE).hex()
            _random_digits.extend(fresh[at : at + 32] for at in range(0, len(fresh), 32))
        else:
            variant = "89ab"[int(digits[16], 16) & 3]
            return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


_IDS_AT_ONCE = 64
_random_digits: list[str] = []
os.register_at_fork(after_in_child=_random_digits.clear)


_NO_TRACE = Trace()


def parse_trace(*candidates: str | None) -> Trace:
    """Return the first well-formed traceparent of those given, else an empty Trace."""
    for text in candidates:
        match = _TRACEPARENT.fullmatch(text) if text else None
        if match and text and match[1].strip("0") and match[2].strip("0") and not text.startswith("ff"):
            return Trace(text, match[1], match[2], match[3])
    return _NO_TRACE


def correlation_id(*candidates: str | None) -> str:
    """Return the first candidate that is fit for a header and a log line, else a new id."""
    for text in candidates:
        if text and _CORRELATION.fullmatch(text):
            return text
    return new_id()


def make_context(
    settings: Settings,
    event: Event,
    *,
    correlation: str,
    trace: Trace,
    metadata: Mapping[str, Any],
    cold_start: bool,
    invocation_id: str | None = None,
) -> Context:
    """Make the context of a call that begins now."""
    return Context(
        event=event.envelope,
        function_name=settings.function_name,
        function_namespace=settings.function_namespace,
        third_party_id=settings.third_party_id,
        parser_id=settings.parser_id,
        invocation_id=invocation_id or new_id(),
        correlation_id=correlation,
        trace=trace,
        metadata=metadata,
        cold_start=cold_start,
        deadline=time.monotonic() + settings.timeout_seconds,
    )
