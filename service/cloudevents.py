"""The CloudEvents HTTP binding: a message's headers and body in, attributes and data out, and a reply back.

Pure and without a web framework. The cloudevents package does the binding; what it is lenient about (missing
attributes that it makes up, malformed JSON that it passes on as text) is an error here.
"""

import base64
import binascii
import datetime
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import unquote

from cloudevents.core.base import BaseCloudEvent, EventFactory
from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured, to_binary
from cloudevents.core.exceptions import (
    BaseCloudEventException,
    CloudEventValidationError,
    CustomExtensionAttributeError,
)
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from automation.errors import InvalidEvent
from automation.event_reading import refusal
from automation.events import EventMeta, Reply
from service import strict_json
from service.strict_json import InvalidJson

Mode = Literal["binary", "structured", "batch"]

MAX_BATCH: Final = 100
"""Events in one batch: as many as may wait at one time by default."""

REQUIRED: Final = ("id", "source", "specversion", "type")

_JSON: Final = re.compile(r"(?:application|text)/(?:[a-z0-9.!#$&^_-]+\+)?json")
_STRUCTURED: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_ALLOWED_TYPES: Final = f"application/json with Ce-* headers, {_STRUCTURED}, or {_BATCH}"
_SEND: Final = "send it as a Ce-* header, or inside a structured event"
_ALLOWED: Final = {
    "specversion": "1.0",
    "time": "RFC 3339 with a time zone, such as 2026-01-31T12:00:00Z",
    "dataschema": "a URI",
    "datacontenttype": "application/json",
}


@dataclass(frozen=True)
class Received:
    """An event as it came: context attributes, decoded JSON data (None: no data), and the mode."""

    attributes: Mapping[str, Any]
    data: Any
    mode: Mode


class StrictEvent(CloudEvent):
    """A CloudEvent 1.0 whose sender wrote every required attribute; the package's own class fills gaps."""

    def __init__(self, attributes: dict[str, Any], data: Any = None) -> None:
        if isinstance(attributes.get("time"), str):
            attributes["time"] = _moment(attributes["time"])
        self._validate_attribute(attributes)
        self._attributes = attributes
        self._data = data


class StrictFormat(JSONFormat):
    """The JSON event format over strict JSON."""

    def read(self, event_factory: EventFactory | None, data: str | bytes) -> BaseCloudEvent:
        """Return the event of a structured body. Raises InvalidJson or CloudEventValidationError."""
        return _event(strict_json.loads(data), event_factory or StrictEvent)


def decode(headers: Iterable[tuple[str, str]], body: bytes) -> Received:
    """Return the event of an HTTP message, header names in lower case; InvalidEvent lists every problem."""
    fields = list(headers)
    message = HTTPMessage(headers=dict(fields), body=body)
    problems = [
        f"{name}: sent {count} times; send it once"
        for name, count in Counter(name for name, _ in fields).items()
        if count > 1 and (name.startswith("ce-") or name in ("content-type", "content-encoding"))
    ]
    media_type = _media_type(message.headers, problems)
    structured = media_type.startswith("application/cloudevents")
    event = _structured(message, problems) if structured else _binary(message, problems)
    if event is None or problems:
        raise refusal(problems)
    return Received(event.get_attributes(), event.get_data(), "structured" if structured else "binary")


def is_batch(headers: Mapping[str, str]) -> bool:
    """Say whether a message holds a batch of events, by its headers (names in lower case)."""
    return headers.get("content-type", "").lower().partition(";")[0].strip() == _BATCH


def decode_batch(headers: Iterable[tuple[str, str]], body: bytes) -> list[Received | InvalidEvent]:
    """Return the events of a batch in order, each or what is wrong with it. InvalidEvent for no batch."""
    problems: list[str] = []
    _media_type(dict(headers), problems)
    documents = _documents(body, problems)
    if problems:
        raise refusal(problems)
    return [_of_batch(document) for document in documents]


def _documents(body: bytes, problems: list[str]) -> list[Any]:
    try:
        documents = strict_json.loads(body)
    except InvalidJson as error:
        problems.append(f"body: {error}")
        return []
    if not isinstance(documents, list) or len(documents) > MAX_BATCH:
        problems.append(f"body: a batch is a JSON list of at most {MAX_BATCH} structured events")
        return []
    return documents


def _of_batch(document: Any) -> Received | InvalidEvent:
    try:
        event = _event(document, StrictEvent)
    except InvalidJson as error:
        return refusal([f"body: {error}"])
    except CloudEventValidationError as error:
        return refusal(_problems(error))
    return Received(event.get_attributes(), event.get_data(), "batch")


def _event(document: Any, factory: EventFactory) -> BaseCloudEvent:
    """Return the event of a JSON document. Raises InvalidJson or CloudEventValidationError."""
    if not isinstance(document, dict):
        raise InvalidJson("a structured event is a JSON object")
    payload = _payload(document)
    attributes = {name: value for name, value in document.items() if value is not None}
    _check_values(attributes)
    return factory(attributes, payload)


def encode_reply(
    meta: EventMeta, reply: Reply, *, source: str, trace_id: str | None, now: datetime.datetime
) -> HTTPMessage:
    """Return the reply as JSON that is a binary-mode CloudEvent as well; `answer_body` is its data.

    A Knative trigger takes a reply that is no CloudEvent for a failed delivery. The id depends on the source
    and id of the request only, so that the reply to a repeated event is recognised as a repetition; that of a
    plan also on what is planned.
    """
    named = (meta.source, meta.id, reply.kind, *filter(None, [reply.fields.get("plan_id")]))
    attributes = {
        "specversion": "1.0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(map(str, named)))),
        "type": f"{meta.type}.{reply.kind}",
        "source": source,
        "subject": meta.subject,
        "time": now,
        "datacontenttype": "application/json",
        "correlationid": meta.correlation_id,
        "causationid": meta.id,
        "traceparent": meta.traceparent,
    }
    body = answer_body(meta, reply, trace_id=trace_id, now=now)
    event = CloudEvent({name: value for name, value in attributes.items() if value is not None}, body)
    return to_binary(event, JSONFormat())


def answer_body(
    meta: EventMeta, reply: Reply, *, trace_id: str | None, now: datetime.datetime
) -> dict[str, Any]:
    """Return what a sender is told of one event, as JSON."""
    return {
        **reply.fields,
        "status": reply.status,
        "message": reply.message,
        "timestamp": now.isoformat(),
        "event_id": meta.id,
        "correlation_id": meta.correlation_id,
        **({"trace_id": trace_id} if trace_id else {}),
    }


def _media_type(headers: Mapping[str, str], problems: list[str]) -> str:
    content_type = headers.get("content-type", "")
    media_type, _, parameters = content_type.lower().partition(";")
    media_type = media_type.strip()
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters)
    if media_type not in (_STRUCTURED, _BATCH) and (
        not _JSON.fullmatch(media_type) or media_type.startswith("application/cloudevents")
    ):
        problems.append(f"content-type: {content_type[:80]!a} is not allowed; allowed: {_ALLOWED_TYPES}")
    if charset and charset[1] not in ("utf-8", "utf8", "us-ascii"):
        problems.append(f"content-type: charset {charset[1][:40]!a} is not allowed; allowed: utf-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        problems.append("content-encoding: compressed bodies are not supported; send the body as it is")
    return media_type


def _binary(message: HTTPMessage, problems: list[str]) -> BaseCloudEvent | None:
    headers = dict(message.headers)
    time = headers.pop("ce-time", None)
    data = None
    if message.body:
        try:
            data = strict_json.loads(message.body)
        except InvalidJson as error:
            problems.append(f"data: {error}")

    def factory(attributes: dict[str, Any], _: Any) -> StrictEvent:
        return StrictEvent(attributes if time is None else {**attributes, "time": unquote(time)}, data)

    try:
        return from_binary(HTTPMessage(headers, b""), StrictFormat(), factory)
    except CloudEventValidationError as error:
        problems.extend(_problems(error))
        return None


def _structured(message: HTTPMessage, problems: list[str]) -> BaseCloudEvent | None:
    try:
        return from_structured(message, StrictFormat(), StrictEvent)
    except InvalidJson as error:
        problems.append(f"body: {error}")
    except CloudEventValidationError as error:
        problems.extend(_problems(error))
    return None


def _payload(document: dict[str, Any]) -> Any:
    """Take data out of a structured event; base64 data is JSON too."""
    data, encoded = document.pop("data", None), document.pop("data_base64", None)
    datacontenttype = document.get("datacontenttype") or "application/json"
    if not isinstance(datacontenttype, str) or not _JSON.fullmatch(
        datacontenttype.lower().partition(";")[0].strip()
    ):
        raise InvalidJson("datacontenttype is not JSON; allowed: application/json")
    if encoded is None:
        return data
    if data is not None:
        raise InvalidJson("data and data_base64 exclude each other; send one of them")
    try:
        return strict_json.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidJson(f"data_base64 holds no JSON: {error}") from None


def _check_values(attributes: Mapping[str, Any]) -> None:
    wrong: dict[str, list[BaseCloudEventException]] = {
        name: [CustomExtensionAttributeError(name, "an object or a list")]
        for name, value in attributes.items()
        if isinstance(value, dict | list)
    }
    if wrong:
        raise CloudEventValidationError(wrong)


def _problems(error: CloudEventValidationError) -> list[str]:
    return [_problem(name, str(reasons[0])) for name, reasons in error.errors.items()]


def _problem(name: str, reason: str) -> str:
    if reason.startswith("Missing"):
        return f"{name}: missing; {_SEND}"
    if name in _ALLOWED:
        return f"{name}: not valid; allowed: {_ALLOWED[name]}"
    if name in (*REQUIRED, "subject"):
        return f"{name}: empty or not a text; {_SEND}"
    return (
        f"{name[:80]!a}: not valid; allowed: names of lower-case letters and digits, texts, numbers, booleans"
    )


def _moment(text: str) -> datetime.datetime | str:
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return text
