"""Requests to events: CloudEvents 1.0 over HTTP, binary and structured mode, and plain JSON. Pure.

What a handler gets as its first argument is an `Event`: a dict that *is* the event's data. Names that the
data does not have itself and that are CloudEvents attributes (`event["source"]`, `event.get("type")`,
`event["data"]`) are answered from the envelope, and the envelope is also there as attributes
(`event.source`). So parsers written for `handler(data)` and for `handler(event)` both work.

A request with none of the `ce-` headers and a JSON body is a direct call: its body is the data, its type
`io.knative.lambda.invoke.sync`. The `io.knative.lambda.invoke.*` events wrap their data in `payload`; it is
taken out, their `invocationId`, `correlationId` and `metadata` (`deadlineAt`, `traceId`, `spanId`) are
honoured (docs/decisions/0069-invocation-events.md).
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

DIRECT_TYPE = "io.knative.lambda.invoke.sync"
DIRECT_SOURCE = "io.knative.lambda/direct"
INVOKE_PREFIX = "io.knative.lambda.invoke."

_REQUIRED = ("specversion", "id", "source", "type")
_ENVELOPE = frozenset((*_REQUIRED, "subject", "time", "data", "datacontenttype", "dataschema"))
_ATTRIBUTE_NAME = re.compile(r"[a-z0-9]{1,64}")
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_JSON_TYPE = re.compile(r"[\w.!#$&^+-]+/(?:[\w.!#$&^-]+\+)?json", re.ASCII)


class InvalidEvent(Exception):
    """The request holds no event; the text lists every problem. The sender's fault, never worth a retry."""


class Envelope(NamedTuple):
    """An event's context attributes, all of them as text, and what an invocation event adds."""

    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    specversion: str = "1.0"
    datacontenttype: str | None = "application/json"
    dataschema: str | None = None
    extensions: Mapping[str, str] = MappingProxyType({})


class Event(dict[str, Any]):
    """The event as a handler gets it: a dict that is the data, with the envelope behind it.

    Data that is no JSON object leaves the dict empty; it is in `data`, always.
    """

    def __init__(self, envelope: Envelope, data: Any) -> None:
        super().__init__(data if isinstance(data, dict) else ())
        self.envelope = envelope
        """All context attributes, extensions included."""
        self.data = data
        """The data as it came: any JSON value, None when the event has none."""
        self.id, self.source, self.type, self.subject, self.time = envelope[:5]

    def __missing__(self, key: str) -> Any:
        if key in _ENVELOPE:
            return self.data if key == "data" else getattr(self.envelope, key)
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the data's value, else the envelope's for the name of an attribute, else the default."""
        if key in self or key not in _ENVELOPE:
            return super().get(key, default)
        value = self.__missing__(key)
        return default if value is None else value


@dataclass(slots=True)
class Call:
    """A decoded request: the event, and the ids that an invocation event asked for."""

    event: Event
    invocation_id: str | None = None
    correlation_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What an invocation event tells about itself: retryCount and whatever else its sender put there."""
    deadline_at: float | None = None
    """When the caller no longer wants the answer, in seconds since 1970."""
    traceparent: str | None = None
    """Made of the metadata's traceId and spanId."""


def decode(headers: Mapping[str, str], body: bytes, *, new_id: Callable[[], str]) -> Call:
    """Decode a request whose header names are lower case; `new_id` makes an id for an event that has none.

    Raises InvalidEvent.
    """
    media_type = headers.get("content-type", "")
    if media_type != "application/json":
        media_type = media_type.partition(";")[0].strip().lower()
    if media_type == "application/cloudevents+json":
        envelope, data = _structured(body)
    elif media_type.startswith("application/cloudevents"):
        raise InvalidEvent(
            f"content type {media_type!r}: one event a request, as application/cloudevents+json"
        )
    else:
        envelope, data = _binary_or_plain(headers, media_type, body, new_id)
    if envelope.type.startswith(INVOKE_PREFIX) and isinstance(data, dict) and "payload" in data:
        return _unwrapped(envelope, data)
    return Call(Event(envelope, data))


def _unwrapped(envelope: Envelope, data: Mapping[str, Any]) -> Call:
    ids = (data.get("invocationId"), data.get("correlationId"))
    invocation_id, correlation_id = (value if isinstance(value, str) and value else None for value in ids)
    metadata = data.get("metadata")
    if metadata is None:
        return Call(Event(envelope, data["payload"]), invocation_id, correlation_id)
    if not isinstance(metadata, dict):
        raise InvalidEvent("metadata is no JSON object")
    traceparent = f"00-{metadata.get('traceId')}-{metadata.get('spanId')}-01"
    deadline = metadata.get("deadlineAt")
    deadline_at = None if deadline is None else _time(deadline)
    payload = Event(envelope, data["payload"])
    return Call(payload, invocation_id, correlation_id, metadata, deadline_at, traceparent)


def _time(text: Any) -> float:
    """Return a time of RFC 3339 in seconds since 1970."""
    import datetime  # worth 2 ms of a cold start, and few events have a deadline

    try:
        if isinstance(text, str) and _RFC_3339.fullmatch(text):
            return datetime.datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        pass
    raise InvalidEvent(
        f"metadata.deadlineAt is {str(text)[:40]!r}; a time of RFC 3339 is allowed, as 2026-01-31T12:00:00Z"
    )


def _binary_or_plain(
    headers: Mapping[str, str], media_type: str, body: bytes, new_id: Callable[[], str]
) -> tuple[Envelope, Any]:
    if body and media_type != "application/json" and not _JSON_TYPE.fullmatch(media_type):
        raise InvalidEvent(
            f"content type {media_type!r}: a body has to be JSON, "
            "as application/json or application/cloudevents+json"
        )
    attributes = {name[3:]: _unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    if not attributes:
        return Envelope(new_id(), DIRECT_SOURCE, DIRECT_TYPE), _json(body)
    if media_type:
        attributes["datacontenttype"] = media_type
    return _envelope(attributes, "the header ce-{}"), _json(body)


def _structured(body: bytes) -> tuple[Envelope, Any]:
    document = _json(body)
    if not isinstance(document, dict):
        raise InvalidEvent("a structured event is a JSON object")
    data = document.pop("data", None)
    encoded = document.pop("data_base64", None)
    envelope = _envelope(_texts(document), "the attribute {}")
    if encoded is not None:
        if data is not None:
            raise InvalidEvent("data and data_base64 are both given")
        data = _base64(encoded, envelope)
    return envelope, data


def _texts(document: Mapping[str, Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, bool):
            texts[name] = "true" if value else "false"
        elif isinstance(value, str | int):
            texts[name] = str(value)
        elif value is not None:
            raise InvalidEvent(f"the attribute {name!r} is neither text nor a whole number nor a boolean")
    return texts


def _envelope(attributes: dict[str, str], place: str) -> Envelope:
    extensions = attributes.keys() - _ENVELOPE
    if (
        not all(map(attributes.get, _REQUIRED))
        or attributes["specversion"] != "1.0"
        or "data" in attributes
        or not all(map(_ATTRIBUTE_NAME.fullmatch, extensions))
    ):
        raise InvalidEvent("; ".join(_problems(attributes, place)))
    found = attributes.get
    return Envelope(
        attributes["id"],
        attributes["source"],
        attributes["type"],
        found("subject"),
        found("time"),
        "1.0",
        found("datacontenttype", "application/json"),
        found("dataschema"),
        {name: attributes[name] for name in extensions},
    )


def _problems(attributes: Mapping[str, str], place: str) -> list[str]:
    problems = [f"{place.format(name)} is missing or empty" for name in _REQUIRED if not attributes.get(name)]
    if attributes.get("specversion", "1.0") not in ("1.0", ""):
        problems.append(f"specversion is {attributes['specversion'][:20]!r}; 1.0 is understood")
    if "data" in attributes:
        problems.append(f"{place.format('data')} is there; data is in the body")
    return problems + [
        f"{name[:80]!r} is no attribute name (a-z and 0-9)"
        for name in attributes
        if not _ATTRIBUTE_NAME.fullmatch(name)
    ]


def _base64(encoded: Any, envelope: Envelope) -> Any:
    if not _JSON_TYPE.fullmatch((envelope.datacontenttype or "").partition(";")[0].strip().lower()):
        raise InvalidEvent(f"datacontenttype is {envelope.datacontenttype!r}; data has to be JSON")
    try:
        return _json(base64.b64decode(encoded, validate=True))
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidEvent("data_base64 is not base64") from error


def _json(body: bytes) -> Any:
    """Parse strictly: UTF-8, no NaN; an empty body is no data."""
    if not body:
        return None
    try:
        return _decode_json(body.decode("utf-8"))
    except RecursionError as error:
        raise InvalidEvent("the body is nested too deeply") from error
    except ValueError as error:
        raise InvalidEvent(f"the body is not JSON: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode_json = json.JSONDecoder(parse_constant=_no_constant).decode


def _unquote(value: str) -> str:
    """Undo the percent-encoding of the HTTP binding; the value came as latin-1."""
    if "%" not in value:
        return value
    raw = _PERCENT.sub(lambda match: chr(int(match[1], 16)), value)
    return raw.encode("latin-1").decode("utf-8", "replace")
