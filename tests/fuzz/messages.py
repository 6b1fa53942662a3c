"""Messages as fuzzers write them (header lines, an empty line, a body), and what every reader promises."""

import contextlib
from pathlib import Path

from automation.errors import InvalidEvent
from automation.event_parser import parse
from service.cloudevents import decode, decode_batch, is_batch
from service.errors import Unsigned
from service.signatures import Signatures, SignatureSettings

CORPUS = Path(__file__).parent / "corpus"


def split(message):
    """Return the headers, names in lower case as a server hands them over, and the body of a message."""
    head, _, body = message.partition(b"\n\n")
    lines = (line.partition(b": ") for line in head.split(b"\n") if line)
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, _, value in lines], body


def read(message):
    """Read a message as the service does; return its events. Raises InvalidEvent, or what nobody foresaw."""
    headers, body = split(message)
    received = decode_batch(headers, body) if is_batch(dict(headers)) else [decode(headers, body)]
    return [
        parse(each.attributes, each.data, correlation_id="c", traceparent=None)
        for each in received
        if not isinstance(each, InvalidEvent)
    ]


def survive(message, keys):
    """Read a message, and check its signature: refusals that are documented are all that may happen."""
    headers, body = split(message)
    with contextlib.suppress(InvalidEvent):
        read(message)
    with contextlib.suppress(Unsigned):
        Signatures(SignatureSettings(keys_file=keys, paths=("/",)), lambda: 0.0).check("/", headers, body)
