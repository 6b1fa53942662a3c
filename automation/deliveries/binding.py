"""CloudEvents over AMQP and over HTTP: what is taken is posted, what is answered is published. Pure.

Attributes are taken by all three prefixes: `cloudEvents:` and `cloudEvents_` of the CloudEvents AMQP binding
1.0.2, and `ce-` of eventing-rabbitmq. Structured events and batches are posted as they are.
"""

import datetime
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from automation.dead_letters.letter import PREFIX, STRUCTURED, Letter, Message, inside

PREFIXES: Final = ("cloudEvents:", "cloudEvents_", PREFIX)
_SAFE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_FORWARDED: Final = frozenset(("traceparent", "tracestate", "x-correlation-id"))


def request(message: Message) -> dict[str, str]:
    """Return the headers of the request that delivers a message; its body is the message's."""
    headers = {"content-type": message.content_type} if message.content_type else {}
    for name, value in message.headers.items():
        attribute = _attribute(name)
        if attribute:
            headers[PREFIX + attribute] = quote(_text(value), safe=_SAFE)
        elif name.lower() in _FORWARDED:
            headers[name.lower()] = quote(_text(value), safe=_SAFE)
    return headers


def attributes(message: Message) -> dict[str, str]:
    """Return the attributes of the event in a message; none where it is no event."""
    if (message.content_type or "").lower().startswith(STRUCTURED):
        return inside(message.body)
    found = {_attribute(name): _text(value) for name, value in message.headers.items()}
    return {name: value for name, value in found.items() if name}


def published(letter: Letter, now: datetime.datetime) -> Message:
    """Return what is published of an event that came over HTTP."""
    beside = {} if letter.structured else dict(letter.attributes)
    trace = {"traceparent": beside.pop("traceparent")} if "traceparent" in beside else {}
    return Message(
        routing_key=letter.attributes["type"],
        message_id=None,
        content_type=letter.content_type or None,
        headers={**{PREFIX + name: value for name, value in beside.items()}, **trace},
        body=letter.body,
        timestamp=now,
    )


def reply(headers: Mapping[str, str], body: bytes, now: datetime.datetime) -> Message | None:
    """Return what is published of an answer (header names in lower case); None: it is no event."""
    if "ce-specversion" not in headers or not headers.get("ce-type"):
        return None
    return Message(
        routing_key=headers["ce-type"],
        message_id=None,
        content_type=headers.get("content-type"),
        headers={name: unquote(value) for name, value in headers.items() if name.startswith(PREFIX)},
        body=body,
        timestamp=now,
    )


def _attribute(name: str) -> str:
    return next((name.removeprefix(prefix).lower() for prefix in PREFIXES if name.startswith(prefix)), "")


def _text(value: Any) -> str:
    """Return a value as CloudEvents writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).isoformat()
    return str(value)
