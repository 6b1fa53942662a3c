"""Where emissions go, by kind: each sink with a breaker of its own, and counts of what came of it."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from automation.errors import DependencyUnavailable
from automation.events import FunctionId
from automation.outbox.breaker import Breaker
from automation.outbox.emission import Emission, Kind
from automation.outbox.messages import Message, message

_LOG: Final = logging.getLogger(__name__)

OUTCOMES: Final = ("sent", "failed", "refused")
"""Taken by the sink; not taken, to be sent again; not taken and never will be."""


class EventRefused(Exception):
    """The sink says that this very event is wrong: sending it again would be in vain."""


class EventSink(Protocol):
    """One address that takes events."""

    def send(self, message: Message) -> None:
        """Send once, within seconds. Raises DependencyUnavailable, EventRefused."""

    def close(self) -> None:
        """Release connections; the sink cannot be used any more."""


@dataclass(frozen=True)
class Guarded:
    """A sink and its breaker."""

    sink: EventSink
    breaker: Breaker

    def send(self, wrapped: Message) -> None:
        """Send once, unless the sink is being left alone. Raises as the sink does."""
        if not self.breaker.allows():
            raise DependencyUnavailable("the sink of events failed several times in a row; it is left alone")
        try:
            self.sink.send(wrapped)
        except DependencyUnavailable:
            self.breaker.failed()
            raise
        except EventRefused:
            self.breaker.succeeded()
            raise
        self.breaker.succeeded()


class Sinks:
    """Sends emissions in order, for several threads."""

    def __init__(self, broker: Guarded, scheduler: Guarded | None = None) -> None:
        self._broker = broker
        self._scheduler = scheduler
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def send(self, function: FunctionId, emissions: Iterable[Emission]) -> list[Emission]:
        """Send what can be sent, each sink's in order; return what is done with, refusals included."""
        failed: set[int] = set()
        done = []
        for emission in emissions:
            sink = self._sink(emission.kind)
            if id(sink) not in failed:
                if self._sent(sink, function, emission):
                    done.append(emission)
                else:
                    failed.add(id(sink))  # what follows would overtake it
        return done

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many emissions had which outcome, by kind and outcome."""
        with self._lock:
            return dict(self._counts)

    def close(self) -> None:
        """Release connections."""
        for guarded in filter(None, (self._broker, self._scheduler)):
            guarded.sink.close()

    def _sink(self, kind: Kind) -> Guarded | None:
        return self._scheduler if kind is Kind.CALLBACKS else self._broker

    def _sent(self, guarded: Guarded | None, function: FunctionId, emission: Emission) -> bool:
        """Send one and count it; say whether it is done with."""
        extra = {"kl_event_id": emission.id, "kl_event_type": emission.type, "kl_function": str(function)}
        try:
            if guarded is None:
                raise EventRefused("its sink is not configured any more")
            guarded.send(message(emission, function))
        except DependencyUnavailable as error:
            _LOG.warning("an event could not be sent", extra={**extra, "kl_error": error.message})
            return self._counted(emission, "failed")
        except EventRefused as error:
            _LOG.error("an event was refused and is given up", extra={**extra, "kl_error": str(error)})
            return self._counted(emission, "refused")
        return self._counted(emission, "sent")

    def _counted(self, emission: Emission, outcome: str) -> bool:
        with self._lock:
            self._counts[emission.kind.value, outcome] += 1
        return outcome != "failed"
