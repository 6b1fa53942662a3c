"""CloudEvents 1.0 over HTTP: binary, structured and batch mode, decoded, checked and encoded. Pure.

Attribute values are kept in their canonical string form, as every binding of the specification does.
"""

import base64
import binascii
import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_REQUIRED = ("id", "source", "type")
_NON_EMPTY = (*_REQUIRED, "subject", "dataschema", "datacontenttype")
_NAME = re.compile(r"[a-z0-9]+")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+\s*(?:;.*)?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_HEADER_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_MAX_BATCH = 1000
# Surrogates are what undecodable bytes of a header become.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class InvalidEventError(ValueError):
    """What was sent is no CloudEvent; the text says what is missing or wrong, for the sender."""


@dataclass(frozen=True)
class Event:
    """One event. `attributes` hold everything but the data, extensions too; `specversion` is always 1.0."""

    attributes: Mapping[str, str]
    data: bytes | None = None
    """The data as bytes, in the media type that `datacontenttype` says (JSON if it says nothing)."""

    @property
    def id(self) -> str:
        """The attribute `id`."""
        return self.attributes["id"]

    @property
    def type(self) -> str:
        """The attribute `type`."""
        return self.attributes["type"]

    def extended(self, **attributes: str) -> "Event":
        """Return the event with attributes added or replaced."""
        return replace(self, attributes={**self.attributes, **attributes})

    def without(self, name: str) -> "Event":
        """Return the event without an attribute."""
        return replace(self, attributes={k: v for k, v in self.attributes.items() if k != name})


def is_event(headers: Mapping[str, str]) -> bool:
    """Say whether a message with these headers (names in lower case) claims to be one CloudEvent."""
    return "ce-specversion" in headers or _media_type(headers) == STRUCTURED


def decode(headers: Mapping[str, str], body: bytes) -> list[Event]:
    """Return the events of an HTTP message, several only in batch mode. Raises InvalidEventError.

    Header names are in lower case.
    """
    media_type = _media_type(headers)
    if media_type == STRUCTURED:
        return [_from_document(_json(body))]
    if media_type == BATCH:
        documents = _json(body)
        if not isinstance(documents, list) or len(documents) > _MAX_BATCH:
            raise InvalidEventError(f"a batch must be a JSON array of at most {_MAX_BATCH} events")
        return [_from_document(document) for document in documents]
    if "ce-specversion" not in headers:
        raise InvalidEventError(
            "no CloudEvent: the header ce-specversion is missing; send binary mode (ce-specversion: 1.0,"
            " ce-id,"
            f" ce-source, ce-type) or structured mode (content-type: {STRUCTURED})"
        )
    return [_from_headers(headers, body)]


def encode_binary(event: Event) -> tuple[dict[str, str], bytes]:
    """Return headers and body of the event in binary mode."""
    headers = {"ce-specversion": "1.0"}
    for name, value in event.attributes.items():
        if name == "datacontenttype":
            headers["content-type"] = value
        else:
            headers[f"ce-{name}"] = quote(value, safe=_HEADER_SAFE)
    return headers, event.data or b""


def to_document(event: Event) -> dict[str, Any]:
    """Return the event in the JSON event format."""
    document: dict[str, Any] = {"specversion": "1.0", **event.attributes}
    if event.data is None:
        return document
    if _is_json(event.attributes.get("datacontenttype")):
        try:
            return {**document, "data": json.loads(event.data)}
        except ValueError:
            pass  # the sender's promise was not kept; the bytes are, below
    return {**document, "data_base64": base64.b64encode(event.data).decode()}


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidEventError(f"the body is no JSON: {error}") from None


def _from_headers(headers: Mapping[str, str], body: bytes) -> Event:
    attributes = {
        name[3:]: unquote(value.strip().strip('"'))
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    if "content-type" in headers:
        attributes["datacontenttype"] = headers["content-type"]
    return _checked(attributes, body or None)


def _from_document(document: Any) -> Event:
    if not isinstance(document, dict):
        raise InvalidEventError("a structured event must be a JSON object")
    attributes = {
        name: _canonical(name, value)
        for name, value in document.items()
        if name not in ("data", "data_base64") and value is not None
    }
    return _checked(attributes, _data(document, attributes.get("datacontenttype")))


def _data(document: dict[str, Any], media_type: str | None) -> bytes | None:
    if "data_base64" in document:
        if "data" in document:
            raise InvalidEventError("an event has data or data_base64, not both")
        try:
            return base64.b64decode(document["data_base64"], validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise InvalidEventError("data_base64 is no base64 text") from None
    if document.get("data") is None:
        return None
    if isinstance(document["data"], str) and not _is_json(media_type):
        return document["data"].encode(errors="surrogatepass")
    return json.dumps(document["data"], separators=(",", ":")).encode()


def _canonical(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise InvalidEventError(f"the attribute {name!r} is no string, integer or boolean")


def _checked(attributes: dict[str, str], data: bytes | None) -> Event:
    """Return the event if its attributes are as the specification says; reports every problem at once."""
    version = attributes.pop("specversion", None)
    problems = [] if version == "1.0" else [f"specversion is {version!r}; expected '1.0'"]
    problems += [f"{name} is missing" for name in _REQUIRED if name not in attributes]
    problems += [f"{name} is empty" for name in _NON_EMPTY if attributes.get(name) == ""]
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            problems.append(f"the attribute name {name[:32]!r} is not of a-z and 0-9 only")
        elif _FORBIDDEN.search(value):
            problems.append(f"{name} has a control character, or is no UTF-8")
    if "time" in attributes and not _is_time(attributes["time"]):
        problems.append(
            f"time is {attributes['time'][:64]!r}; expected RFC 3339, such as 2024-01-31T12:00:00Z"
        )
    media_type = attributes.get("datacontenttype")
    if media_type and not _MEDIA_TYPE.fullmatch(media_type):
        problems.append(
            f"datacontenttype is {media_type[:64]!r}; expected a media type such as application/json"
        )
    if problems:
        raise InvalidEventError("invalid CloudEvent: " + "; ".join(problems))
    return Event(attributes, data)


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.datetime.fromisoformat(re.sub(r"\.[0-9]+", "", text.upper()).replace(":60", ":59"))
    except ValueError:
        return False
    return True


def _is_json(media_type: str | None) -> bool:
    subtype = (media_type or "application/json").partition(";")[0].strip().lower()
    return subtype.endswith(("/json", "+json"))
