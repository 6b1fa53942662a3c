"""Emissions as HTTP requests: structured CloudEvents for the broker, plain JSON for callbacks. Pure."""

import json
from dataclasses import dataclass
from typing import Any, Final

from automation.events import FunctionId
from automation.outbox import cdevents
from automation.outbox.emission import Emission, Kind
from automation.outbox.lifecycle import timestamp

STRUCTURED: Final = "application/cloudevents+json"


@dataclass(frozen=True, kw_only=True)
class Message:
    """The body of a POST and its content type."""

    body: bytes
    content_type: str


def source(function: FunctionId) -> str:
    """Return the `source` of what the platform tells of a function, as the contract's section 1.4 has it."""
    return f"io.knative.lambda/builder/{function}"


def message(emission: Emission, function: FunctionId) -> Message:
    """Return the request that sends an emission; the same one whenever it is sent."""
    if emission.kind is Kind.CALLBACKS:
        return Message(body=_json(emission.data), content_type="application/json")
    return Message(body=_json(cloud_event(emission, function)), content_type=STRUCTURED)


def cloud_event(emission: Emission, function: FunctionId) -> dict[str, Any]:
    """Return an emission as a structured CloudEvent."""
    is_cdevent = emission.kind is Kind.CDEVENTS
    attributes = {
        "specversion": "1.0",
        "id": emission.id,
        "type": emission.type,
        "source": cdevents.source(function) if is_cdevent else source(function),
        "subject": cdevents.subject(emission) if is_cdevent else str(function),
        "time": timestamp(emission.at),
        "datacontenttype": "application/json",
        "correlationid": emission.correlation_id,
        "causationid": emission.causation_id,
        "traceparent": emission.traceparent,
    }
    return {**{name: value for name, value in attributes.items() if value}, "data": dict(emission.data)}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
