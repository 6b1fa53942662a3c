"""What automation needs of a tracer: spans that follow an event through queue, decisions and commands.

A span's place in its trace is a W3C `traceparent` (https://www.w3.org/TR/trace-context/), which events
and builds carry anyway; spans inside a span of the same thread are its children. `service.tracing` has the
real tracer.
"""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

Attributes = Mapping[str, str | int]
"""What is told of a span, by names of OpenTelemetry's semantic conventions where there are any."""


class Span(Protocol):
    """A piece of work under way."""

    @property
    def traceparent(self) -> str | None:
        """What makes further work a child of this span; None: nothing is traced."""

    def tell(self, attributes: Attributes) -> None:
        """Add what has come out by now."""


class Tracer(Protocol):
    """Records spans. Called from any thread; never raises, never waits for who gets them."""

    def span(
        self,
        name: str,
        *,
        parent: str | None = None,
        attributes: Attributes | None = None,
        began_ns: int | None = None,
        serves: bool = False,
    ) -> AbstractContextManager[Span]:
        """Record a span as long as the context lasts; an error that leaves it is noted in the span.

        `parent` is a traceparent, by default the thread's current span. `began_ns` is nanoseconds since 1970,
        by default now. A span that `serves` a request may begin a trace; any other without a parent is none.
        """

    def close(self, seconds: float) -> None:
        """Hand over what is recorded, for at most this long; what is left is lost."""


class _Nothing(contextlib.AbstractContextManager["_Nothing"]):
    """The span of a tracer that is off."""

    traceparent: str | None = None

    def __exit__(self, *_: object) -> None:
        """Let errors pass."""

    def tell(self, attributes: Attributes) -> None:
        """Forget it."""


NOTHING: Final = _Nothing()
"""A span that nobody records."""


class Off:
    """A tracer that records nothing."""

    def span(
        self,
        name: str,
        *,
        parent: str | None = None,
        attributes: Attributes | None = None,
        began_ns: int | None = None,
        serves: bool = False,
    ) -> AbstractContextManager[Span]:
        """Record nothing."""
        return NOTHING

    def close(self, seconds: float) -> None:
        """Have nothing to hand over."""


OFF: Final[Tracer] = Off()
"""The tracer where no endpoint is set."""
