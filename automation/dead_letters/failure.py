"""A delivery that failed, told in the event itself by Knative's extension attributes. Pure."""

import base64
import json
from collections.abc import Mapping
from typing import Final

from automation.dead_letters.letter import PREFIX, receive

_DATA_BYTES: Final = 768
"""Of an answer that a letter keeps: 1024 characters as base64, as in Knative."""


def explanations(status: int, destination: str, data: bytes) -> dict[str, str]:
    """Return the extension attributes that tell of a failed delivery; status 0 is no answer."""
    return {
        "knativeerrorcode": str(status or 500),
        "knativeerrordest": destination,
        "knativeerrordata": base64.b64encode(data[:_DATA_BYTES]).decode(),
    }


def explained(
    headers: Mapping[str, str], body: bytes, told: Mapping[str, str]
) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body that bring an event to a dead letter sink, with what is told of it.

    Header names are in lower case; others than the event's own are left out. Raises InvalidEvent where it is
    no event that can be kept.
    """
    letter = receive(headers.items(), body)
    kept = {
        name: value
        for name, value in headers.items()
        if name.startswith(PREFIX) or name in ("content-type", "traceparent")
    }
    if not letter.structured:
        return {**kept, **{PREFIX + name: value for name, value in told.items()}}, body
    return kept, json.dumps({**json.loads(body), **told}).encode()
