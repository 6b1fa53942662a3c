"""The codec: messages that the cloudevents package makes are read back, replies are read by the package."""

import datetime
import json

import pytest
from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_binary_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automation.errors import InvalidEvent
from automation.events import EventMeta, Reply
from service import strict_json
from service.cloudevents import decode, encode_reply

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOW = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=20,
)
objects = st.dictionaries(text, json_values, max_size=5)
attributes = st.fixed_dictionaries(
    {"id": text, "source": text, "type": text, "specversion": st.just("1.0")},
    optional={
        "subject": text,
        "time": st.datetimes(timezones=st.just(datetime.UTC)),
        "dataschema": text,
        "correlationid": text,
    },
)


@patient
@given(attributes, objects)
def test_binary_and_structured_messages_are_read_back_as_they_were_made(envelope, data):
    event = CloudEvent({"time": NOW, **envelope, "datacontenttype": "application/json"}, data)
    made = dict(event.get_attributes())

    for message, mode in ((to_binary_event(event), "binary"), (to_structured_event(event), "structured")):
        received = decode(message.headers.items(), message.body)
        assert received.mode == mode
        assert dict(received.attributes) == made
        assert received.data == (data if mode == "structured" or message.body else None)


@patient
@given(text, text, st.none() | text, text, objects)
def test_every_reply_is_a_cloudevent_for_the_package_and_for_us(source, event_id, subject, status, fields):
    meta = EventMeta(
        id=event_id, source=source, type="a.b", subject=subject, correlation_id="c", traceparent=None
    )
    reply = Reply(status=status, message="done", fields=fields)
    message = encode_reply(meta, reply, source="io.knative.lambda/builder/ns", trace_id=None, now=NOW)

    assert all(value.isascii() and value.isprintable() for value in message.headers.values())
    theirs = from_binary_event(HTTPMessage(dict(message.headers), message.body))
    ours = decode(message.headers.items(), message.body)
    assert theirs.get_data() == ours.data == json.loads(message.body)
    assert ours.data["status"] == status
    assert ours.attributes["causationid"] == theirs.get_extension("causationid") == event_id
    assert ours.attributes["type"] == "a.b.reply"
    assert ours.attributes["time"] == NOW


@patient
@given(
    st.lists(st.tuples(st.sampled_from(["ce-id", "ce-type", "ce-x", "content-type", "x"]), st.text())),
    st.binary(),
)
def test_any_message_is_decoded_or_refused(headers, body):
    try:
        received = decode(headers, body)
    except InvalidEvent as refused:
        problems = refused.details
    else:
        problems = ("none",)
        assert received.attributes["specversion"] == "1.0"
    assert problems


@patient
@given(json_values)
def test_strict_json_reads_what_json_writes(value):
    assert strict_json.loads(json.dumps(value)) == value
    assert strict_json.loads(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize("depth", [1, 63, 64])
def test_nesting_up_to_the_limit_is_read(depth):
    assert strict_json.loads("[" * depth + "]" * depth) is not None
    assert strict_json.loads('{"a":' * depth + "1" + "}" * depth) is not None


@pytest.mark.parametrize("depth", [65, 500, 1000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_beyond_the_limit_is_refused(depth, opening, closing):
    with pytest.raises(strict_json.InvalidJson, match="nested too deeply; allowed: 64 levels"):
        strict_json.loads(opening * depth + "1" + closing * depth)


def test_numbers_without_end_are_refused():
    with pytest.raises(strict_json.InvalidJson, match="too many digits"):
        strict_json.loads("9" * 5000)
