"""Whatever comes, the parser returns an event or InvalidEvent."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automation.errors import InvalidEvent
from automation.event_parser import NOT_SERVED, SERVED, parse
from automation.events import FunctionId

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FIELDS = [
    "third_party_id",
    "thirdPartyId",
    "organizationId",
    "parser_id",
    "parserId",
    "name",
    "namespace",
    "s3_bucket",
    "s3_prefix",
    "language",
    "runtime",
    "buildId",
    "contextId",
    "eventSequence",
    "force",
    "status",
    "image_uri",
    "imageURI",
    "digest",
    "error",
    "reason",
    "message",
    "log_tail",
    "exit_code",
    "duration_ms",
    "cache_hits",
    "priority",
]
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("acme")
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
data = json_values | st.dictionaries(st.sampled_from(FIELDS), json_values)
attributes = st.fixed_dictionaries(
    {"id": st.text(min_size=1), "source": st.text(), "type": st.sampled_from([*SERVED, *sorted(NOT_SERVED)])},
    optional={"subject": st.text(), "time": st.text(), "dataschema": st.text() | st.just("x/v1.0")},
)
ids = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", fullmatch=True)


@patient
@given(attributes, data)
def test_anything_is_an_event_or_refused(envelope, payload):
    with contextlib.suppress(InvalidEvent):
        event = parse(envelope, payload, correlation_id="c", traceparent=None)
        assert event.meta.type == envelope["type"]


@patient
@given(attributes, data)
def test_refusals_are_printable_bounded_and_explain_themselves(envelope, payload):
    details = ("none",)
    try:
        parse(envelope, payload, correlation_id="c", traceparent=None)
    except InvalidEvent as refused:
        details = refused.details

    assert details
    assert all(problem.isascii() and problem.isprintable() for problem in details)
    assert all(len(problem) < 2000 for problem in details)


@patient
@given(ids, ids)
def test_every_way_of_naming_a_function_means_the_same(third_party, parser):
    ways = [
        ("network.notifi.lambda.build.start", {"third_party_id": third_party, "parser_id": parser}, {}),
        ("network.notifi.lambda.build.start", {"organizationId": third_party, "parserId": parser}, {}),
        ("io.knative.lambda.command.build.start", {"name": f"{third_party}/{parser}"}, {}),
        ("io.knative.lambda.command.build.start", {"name": parser, "namespace": third_party}, {}),
        ("io.knative.lambda.command.build.start", {}, {"subject": f"{third_party}/{parser}"}),
        (
            "io.knative.lambda.command.build.start",
            {},
            {"source": f"network.notifi.parsers.{third_party}.{parser}"},
        ),
    ]
    for event_type, payload, extra in ways:
        envelope = {"id": "1", "source": "s", "type": event_type, **extra}
        event = parse(envelope, payload, correlation_id="c", traceparent=None)
        assert event.function == FunctionId(third_party, parser)


@patient
@given(st.text())
def test_no_accepted_key_leaves_its_folder(key):
    envelope = {"id": "1", "source": "s", "type": "network.notifi.lambda.build.start"}
    payload = {"third_party_id": "a", "parser_id": "b", "s3_prefix": key}
    try:
        event = parse(envelope, payload, correlation_id="c", traceparent=None)
    except InvalidEvent:
        return
    assert event.source_prefix == key
    assert not key.startswith("/")
    assert ".." not in key


def test_error_status_is_a_client_error():
    with pytest.raises(InvalidEvent) as refused:
        parse({}, None, correlation_id="c", traceparent=None)
    assert [problem.partition(":")[0] for problem in refused.value.details] == ["id", "source", "type"]
