"""A dead letter: an event that a Broker has given up on, as it arrives and as it is kept. Pure.

Its body is never read: what nobody could process is likely to be what cannot be parsed. It is kept byte by
byte, its attributes as headers with `ce-` before their names: RabbitMQ's binding of CloudEvents as
eventing-rabbitmq has it, so that a RabbitmqSource can bring it back as it is.
"""

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from automation.dead_letters.cause import cause_of
from automation.errors import InvalidEvent

REQUIRED: Final = ("id", "source", "specversion", "type")

MAX_ATTRIBUTES_BYTES: Final = 64 * 1024
"""Of all attributes together: RabbitMQ takes headers in one frame, of 128 KiB by default."""

RETRIES_EXHAUSTED: Final = "retry_exhausted"
REJECTED: Final = "rejected"
UNDELIVERED: Final = "undelivered"
REASONS: Final = (RETRIES_EXHAUSTED, REJECTED, UNDELIVERED)
"""Delivered in vain until the end of all retries; refused by its receiver for good; not said."""

STRUCTURED: Final = "application/cloudevents+json"
PREFIX: Final = "ce-"
"""Of headers that are attributes: eventing-rabbitmq's binding."""

WAITING_KEY: Final = "dlq"
POISON_KEY: Final = "poison"
"""What routing keys begin with: of letters that wait, and of those that came back too often."""

REPLAYS: Final = "replaycount"
"""Extension attribute: how often the event was replayed. It travels with the event, so that one that comes
back is known for it, whoever keeps it."""
EXPLANATIONS: Final = frozenset(("knativeerrorcode", "knativeerrordest", "knativeerrordata"))
"""Extension attributes that tell of the failed delivery (Knative Eventing, kncloudevents)."""

_PREFIXES: Final = ("network.notifi.lambda.", "io.knative.lambda.")
_RETRIED: Final = frozenset((404, 408, 409, 429))
_MAX_KEY_BYTES: Final = 255
_MAX_SHORT_BYTES: Final = 255
"""AMQP's short strings: routing keys, message ids, content types."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """An event that came to the sink."""

    attributes: Mapping[str, str]
    """Context attributes and extensions; REQUIRED are there."""
    content_type: str
    """Of the body; empty where the sender gave none."""
    body: bytes
    """As it came."""
    structured: bool
    """Whether the attributes are inside the body as well."""

    @property
    def replays(self) -> int:
        """How often it was replayed before it came."""
        return replays_of(self.attributes)

    @property
    def reason(self) -> str:
        """Why it is here, one of REASONS, from the status that its last delivery got."""
        code = self.attributes.get("knativeerrorcode", "")
        if not code.lstrip("-").isdecimal():
            return UNDELIVERED
        status = int(code)
        return RETRIES_EXHAUSTED if is_worth_a_retry(status) else REJECTED

    @property
    def cause(self) -> str:
        """What is behind it, one of CAUSES."""
        return cause_of(self.attributes.get("knativeerrorcode", ""))

    def age_seconds(self, now: datetime.datetime) -> float | None:
        """Return how long ago the event happened; None where it does not say when, or says nonsense."""
        try:
            happened = datetime.datetime.fromisoformat(self.attributes.get("time", ""))
        except ValueError:
            return None
        return max(0.0, (now - happened).total_seconds()) if happened.tzinfo else None


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is kept of a letter, in AMQP's terms."""

    routing_key: str
    message_id: str | None
    """The event's id, where AMQP has room for it; it is among the headers in any case."""
    content_type: str | None
    headers: Mapping[str, Any]
    body: bytes
    timestamp: datetime.datetime | None
    """When it was kept; None: not said."""


def receive(headers: Iterable[tuple[str, str]], body: bytes) -> Letter:
    """Return the letter of an HTTP message, header names in lower case; InvalidEvent lists every problem.

    Any content type is taken. Only what is no CloudEvent at all is refused: no Broker sends that.
    """
    fields = dict(headers)
    content_type = fields.get("content-type", "")
    structured = content_type.lower().startswith(STRUCTURED)
    attributes = inside(body) if structured else _beside(fields)
    problems = [
        f"{name}: missing; dead letters are CloudEvents" for name in REQUIRED if not attributes.get(name)
    ]
    size = sum(len(name) + len(value.encode()) for name, value in attributes.items())
    if size > MAX_ATTRIBUTES_BYTES:
        problems.append(f"attributes: {size} bytes in all; {MAX_ATTRIBUTES_BYTES} are allowed")
    if problems:
        raise InvalidEvent("not a dead letter that can be kept", details=tuple(problems))
    if "traceparent" in fields:
        attributes.setdefault("traceparent", fields["traceparent"])
    return Letter(attributes=attributes, content_type=content_type, body=body, structured=structured)


def is_worth_a_retry(status: int) -> bool:
    """Say whether the same event may be taken later, by Knative's rules (kncloudevents, SelectiveRetry).

    A status below 200 stands for no answer at all.
    """
    return status < 200 or status >= 500 or status in _RETRIED


def replays_of(attributes: Mapping[str, str]) -> int:
    """Return how often an event with these attributes was replayed; nonsense counts as never."""
    text = attributes.get(REPLAYS, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def keep(letter: Letter, *, retries: int, most_replays: int, now: datetime.datetime) -> Message:
    """Return what is kept of a letter; `retries` is how often deliveries were repeated before they ended.

    What was replayed `most_replays` times and came back is poison: it is kept apart, by its routing key.
    """
    reason = letter.reason
    why: dict[str, str | int] = {
        "x-death-reason": reason,
        "x-death-count": retries if reason == RETRIES_EXHAUSTED else 0,
        "x-original-routing-key": letter.attributes["type"],
    }
    beside = {} if letter.structured else {f"ce-{name}": text for name, text in letter.attributes.items()}
    typed = {"content-type": letter.content_type} if letter.content_type else {}
    return Message(
        routing_key=_routing_key(letter, POISON_KEY if letter.replays >= most_replays else WAITING_KEY),
        message_id=_short(letter.attributes["id"]),
        content_type=_short(letter.content_type),
        headers={**beside, **typed, **why},
        body=letter.body,
        timestamp=now,
    )


def _routing_key(letter: Letter, place: str) -> str:
    """Return the place and the event's type without our prefixes, such as `dlq.build.start`."""
    event_type = letter.attributes["type"]
    for prefix in _PREFIXES:
        event_type = event_type.removeprefix(prefix)
    return f"{place}.{event_type}".encode()[:_MAX_KEY_BYTES].decode(errors="ignore")


def _beside(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of an event in binary mode; their values are percent-encoded in headers."""
    return {
        name.removeprefix("ce-"): unquote(value) for name, value in fields.items() if name.startswith("ce-")
    }


def inside(body: bytes) -> dict[str, str]:
    """Return the attributes of a structured event; none where the body is no such event."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        name: str(value)
        for name, value in document.items()
        if isinstance(value, str | int) and name not in {"data", "data_base64"}
    }


def _short(text: str) -> str | None:
    return text if 0 < len(text.encode()) <= _MAX_SHORT_BYTES else None
