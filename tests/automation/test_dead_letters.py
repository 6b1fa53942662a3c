"""What arrives at the dead letter sink, and what is kept of it."""

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.dead_letters.letter import MAX_ATTRIBUTES_BYTES, keep, receive
from automation.errors import InvalidEvent

NOW = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)
EVENT = {
    "ce-id": "e-1",
    "ce-source": "network.notifi.acme",
    "ce-specversion": "1.0",
    "ce-type": "network.notifi.lambda.build.start",
}


def letter(body=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return receive({**EVENT, **named}.items(), body)


def kept(found):
    return keep(found, retries=5, most_replays=3, now=NOW)


@given(body=st.binary(max_size=300), content_type=st.text(st.characters(codec="latin-1"), max_size=300))
def test_no_body_and_no_content_type_is_refused_or_changed(body, content_type):
    if content_type.lower().startswith("application/cloudevents+json"):
        return
    found = kept(letter(body, content_type=content_type))

    assert found.body == body
    assert found.headers.get("content-type", "") == content_type
    assert found.content_type in {content_type, None}


@given(st.text(min_size=1, max_size=400))
def test_every_type_has_a_routing_key_that_amqp_takes(event_type):
    key = kept(letter(ce_type=event_type)).routing_key

    assert key.startswith("dlq.")
    assert len(key.encode()) <= 255


@given(
    st.dictionaries(st.sampled_from([*EVENT, "ce-time", "traceparent", "x"]), st.text(max_size=50)),
    st.binary(max_size=200),
)
def test_whatever_comes_is_a_letter_or_is_refused_with_reasons(headers, body):
    fields = {name.lower(): value for name, value in headers.items()}
    whole = all(fields.get(f"ce-{name}") for name in ("id", "source", "specversion", "type"))

    if whole:
        assert kept(receive(fields.items(), body)).body == body
    else:
        with pytest.raises(InvalidEvent, match="not a dead letter") as refused:
            receive(fields.items(), body)
        assert refused.value.details


@pytest.mark.parametrize(
    ("event_type", "key"),
    [
        ("network.notifi.lambda.build.start", "dlq.build.start"),
        ("io.knative.lambda.command.build.retry", "dlq.command.build.retry"),
        ("com.example.other", "dlq.com.example.other"),
    ],
)
def test_the_routing_key_is_the_type_without_our_prefixes(event_type, key):
    assert kept(letter(ce_type=event_type)).routing_key == key


@pytest.mark.parametrize(
    ("code", "reason", "count"),
    [
        pytest.param("503", "retry_exhausted", 5, id="failed"),
        pytest.param("-1", "retry_exhausted", 5, id="no-answer"),
        pytest.param("404", "retry_exhausted", 5, id="not-there-yet"),
        pytest.param("429", "retry_exhausted", 5, id="too-many"),
        pytest.param("400", "rejected", 0, id="refused"),
        pytest.param("413", "rejected", 0, id="too-large"),
        pytest.param("soon", "undelivered", 0, id="nonsense"),
        pytest.param("", "undelivered", 0, id="empty"),
    ],
)
def test_the_last_status_says_why_a_letter_is_dead(code, reason, count):
    headers = kept(letter(ce_knativeerrorcode=code)).headers

    assert (headers["x-death-reason"], headers["x-death-count"]) == (reason, count)
    assert headers["x-original-routing-key"] == "network.notifi.lambda.build.start"


def test_attributes_are_kept_as_they_were_meant():
    headers = kept(letter(ce_subject="caf%C3%A9%20au%20lait", traceparent="00-1-2-3")).headers

    assert headers["ce-subject"] == "café au lait"
    assert headers["ce-traceparent"] == "00-1-2-3"


def test_headers_that_are_no_part_of_the_event_are_left_behind():
    headers = kept(letter(authorization="Bearer secret", user_agent="Go-http-client/1.1")).headers

    assert not {"authorization", "user-agent", "ce-authorization"} & headers.keys()


def test_an_id_that_amqp_has_no_room_for_is_among_the_headers_only():
    found = kept(letter(ce_id="i" * 300))

    assert found.message_id is None
    assert found.headers["ce-id"] == "i" * 300


def test_attributes_beyond_what_rabbitmq_takes_are_refused():
    with pytest.raises(InvalidEvent) as refused:
        letter(ce_subject="s" * MAX_ATTRIBUTES_BYTES)

    assert f"{MAX_ATTRIBUTES_BYTES} are allowed" in refused.value.details[0]


def test_the_attributes_of_a_structured_event_are_read_and_its_body_is_not_touched():
    body = json.dumps({**{name[3:]: text for name, text in EVENT.items()}, "data": {"a": 1}}).encode()

    found = receive({"content-type": "application/cloudevents+json"}.items(), body)

    assert found.attributes["id"] == "e-1"
    assert kept(found).body == body
    assert not [name for name in kept(found).headers if name.startswith("ce-")]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"17"])
def test_a_structured_event_that_is_none_is_refused(body):
    with pytest.raises(InvalidEvent):
        receive({"content-type": "application/cloudevents+json"}.items(), body)


@pytest.mark.parametrize(
    ("time", "age"),
    [
        pytest.param("2026-01-31T11:59:00Z", 60, id="a-minute-old"),
        pytest.param("2026-02-01T00:00:00Z", 0, id="from-the-future"),
        pytest.param("2026-01-31T11:59:00", None, id="no-zone"),
        pytest.param("yesterday", None, id="nonsense"),
        pytest.param("", None, id="none"),
    ],
)
def test_a_letters_age_is_its_events(time, age):
    assert letter(ce_time=time).age_seconds(NOW) == age
