"""A letter that waits: what is known of it, and the event that a replay publishes. Pure.

Everything is read from the message itself, whoever put it there: our sink, the consumer, or RabbitMQ, which
dead-letters what a RabbitmqSource rejects. Nothing about a letter is remembered anywhere else.
"""

import base64
import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from automation.dead_letters.cause import cause_of
from automation.dead_letters.letter import (
    EXPLANATIONS,
    PREFIX,
    REJECTED,
    REPLAYS,
    STRUCTURED,
    UNDELIVERED,
    Message,
    inside,
    replays_of,
)

TRANSIENT: Final = "transient"
PERMANENT: Final = "permanent"
POISON: Final = "poison"
CATEGORIES: Final = (TRANSIENT, PERMANENT, POISON)
"""May succeed when it is tried again; will not before somebody changes something; came back too often."""

_NATIVE: Final = {"rejected": UNDELIVERED, "delivery_limit": "delivery_limit", "expired": "expired"}
"""Why RabbitMQ itself dead-letters (`x-death`); a RabbitmqSource rejects what the Broker did not take."""
_FINAL: Final = frozenset((REJECTED, "validation_error"))
_SHOWN_BYTES: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is known of a letter without its body."""

    id: str
    """The same for every copy of it: of the event's source and id, and of who did not take it."""
    attributes: Mapping[str, str]
    """Of the event, as far as they can be read; those of its failed delivery among them."""
    reason: str
    """Why it is here: `x-death-reason`."""
    category: str
    """One of CATEGORIES."""
    replays: int
    """How often it was replayed before it came here."""
    kept_at: datetime.datetime | None
    """When it came; None: not said (RabbitMQ's own dead-lettering does not)."""
    routing_key: str
    """Key under which a replay publishes it: the event's type."""
    size_bytes: int
    """Of the body."""

    @property
    def third_party(self) -> str:
        """The third party of its source `network.notifi.{third_party_id}`; empty for other sources."""
        source = self.attributes.get("source", "")
        found = source.removeprefix("network.notifi.").removeprefix("parsers.")
        return "" if found == source else found.partition(".")[0]

    @property
    def cause(self) -> str:
        """What is behind it, one of CAUSES."""
        return cause_of(self.attributes.get("knativeerrorcode", ""))

    def age_seconds(self, now: datetime.datetime) -> float:
        """Return how long it has been here; 0 where that is not said."""
        return max(0.0, (now - self.kept_at).total_seconds()) if self.kept_at else 0.0

    def document(self, now: datetime.datetime) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "id": self.id,
            "event_id": self.attributes.get("id"),
            "source": self.attributes.get("source"),
            "type": self.attributes.get("type"),
            "subject": self.attributes.get("subject"),
            "third_party_id": self.third_party or None,
            "reason": self.reason,
            "cause": self.cause,
            "category": self.category,
            "replays": self.replays,
            "kept_at": self.kept_at.isoformat() if self.kept_at else None,
            "age_seconds": round(self.age_seconds(now), 3),
            "size_bytes": self.size_bytes,
            "error_code": self.attributes.get("knativeerrorcode"),
            "error_destination": self.attributes.get("knativeerrordest"),
        }


class NotReplayable(ValueError):
    """What is in the letter is no event any more, so nothing can be published; the text says why."""


def describe(message: Message, *, most_replays: int) -> Kept:
    """Return what is known of a letter; poison is what was replayed `most_replays` times and came back."""
    attributes = _attributes(message)
    replays = replays_of(attributes)
    reason = _reason(message)
    return Kept(
        id=_identity(attributes, message),
        attributes=attributes,
        reason=reason,
        category=POISON if replays >= most_replays else PERMANENT if reason in _FINAL else TRANSIENT,
        replays=replays,
        kept_at=message.timestamp,
        routing_key=attributes.get("type", ""),
        size_bytes=len(message.body),
    )


def detail(message: Message, kept: Kept, now: datetime.datetime) -> dict[str, Any]:
    """Return all that is known of a letter as JSON, at most 64 KiB of its body with it.

    `data` is text where the body is UTF-8, else there is `data_base64`.
    """
    body = message.body[:_SHOWN_BYTES]
    try:
        shown: dict[str, Any] = {"data": body.decode()}
    except UnicodeDecodeError:
        shown = {"data_base64": base64.b64encode(body).decode()}
    return {
        **kept.document(now),
        "attributes": dict(kept.attributes),
        "content_type": message.content_type,
        "error_data": _explained(kept.attributes.get("knativeerrordata", "")),
        "truncated": len(message.body) > len(body),
        **shown,
    }


def replay(message: Message, kept: Kept) -> Message:
    """Return the event as it was before it died, one replay older: same id and source. Raises NotReplayable.

    What delivery and dead-lettering have added is gone, so that its retries are counted anew.
    """
    if missing := [name for name in ("id", "source", "type") if not kept.attributes.get(name)]:
        raise NotReplayable(
            f"{', '.join(missing)}: not in the letter, so it is no event; look at it, purge it"
        )
    count = str(kept.replays + 1)
    headers = {
        name: value
        for name, value in message.headers.items()
        if not name.startswith("x-") and name.removeprefix(PREFIX) not in EXPLANATIONS
    }
    body = message.body
    if _is_structured(message):
        body = _restored(message.body, count)
    else:
        headers[PREFIX + REPLAYS] = count
    return Message(
        routing_key=kept.routing_key,
        message_id=message.message_id,
        content_type=message.content_type,
        headers=headers,
        body=body,
        timestamp=message.timestamp,
    )


def _is_structured(message: Message) -> bool:
    return (message.content_type or "").lower().startswith(STRUCTURED)


def _attributes(message: Message) -> dict[str, str]:
    if _is_structured(message):
        return inside(message.body)
    return {
        name.removeprefix(PREFIX): str(value)
        for name, value in message.headers.items()
        if name.startswith(PREFIX)
    }


def _reason(message: Message) -> str:
    given = message.headers.get("x-death-reason")
    if isinstance(given, str):
        return given
    return _NATIVE.get(str(message.headers.get("x-first-death-reason", "")), UNDELIVERED)


def _identity(attributes: Mapping[str, str], message: Message) -> str:
    named = [attributes.get(name, "") for name in ("source", "id", "knativeerrordest")]
    seed = "\n".join(named).encode() if any(named) else message.body
    return hashlib.sha256(seed).hexdigest()[:32]


def _restored(body: bytes, count: str) -> bytes:
    document = {name: value for name, value in json.loads(body).items() if name not in EXPLANATIONS}
    return json.dumps({**document, REPLAYS: count}, ensure_ascii=False, separators=(",", ":")).encode()


def _explained(encoded: str) -> str | None:
    """Return what the last receiver answered: Knative puts it into an attribute as base64."""
    try:
        return base64.b64decode(encoded, validate=True).decode(errors="replace") or None
    except ValueError:
        return encoded or None
