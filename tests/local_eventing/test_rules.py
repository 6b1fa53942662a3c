"""The pure rules: filters, delivery policy, the event codec, and finding Triggers."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.eventing.broker import Matcher
from local.eventing.cloudevents import Event, InvalidEventError, decode, encode_binary, to_document
from local.eventing.filters import FilterError, compile_filter
from local.eventing.message import Message
from local.eventing.policy import Answer, Policy, PolicyError, compile_policy, parse_duration

NAMES = st.sampled_from(["type", "source", "subject", "ext"])
VALUES = st.sampled_from(["", "a", "ab", "b"])
ATTRIBUTES = st.dictionaries(NAMES, VALUES)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
EVENTS = st.builds(
    lambda id, source, type, more, data: Event({"id": id, "source": source, "type": type, **more}, data),
    TEXT.filter(lambda text: text.strip(' "\t') == text),
    st.just("urn:s"),
    st.just("t"),
    st.dictionaries(
        st.from_regex("[a-z0-9]{1,8}", fullmatch=True).filter(lambda n: n not in RESERVED), st.just("v")
    ),
    st.none() | st.binary(min_size=1, max_size=30),
)
RESERVED = {"specversion", "id", "source", "type", "data", "time", "subject", "datacontenttype", "dataschema"}


@pytest.mark.parametrize(
    ("spec", "event", "expected"),
    [
        ({}, {}, True),
        ({"filter": {}}, {"type": "a"}, True),
        ({"filter": {"attributes": {"type": "a", "ext": "1"}}}, {"type": "a", "ext": "1"}, True),
        ({"filter": {"attributes": {"type": "a"}}}, {"type": "ab"}, False),
        ({"filter": {"attributes": {"ext": ""}}}, {"ext": "x"}, True),
        ({"filter": {"attributes": {"ext": ""}}}, {}, False),
        (
            {"filters": [{"exact": {"type": "a"}}], "filter": {"attributes": {"type": "b"}}},
            {"type": "a"},
            True,
        ),
        ({"filters": [{"prefix": {"type": "a"}}, {"suffix": {"type": "b"}}]}, {"type": "a-b"}, True),
        ({"filters": [{"prefix": {"type": "a"}}, {"suffix": {"type": "b"}}]}, {"type": "a-c"}, False),
        ({"filters": [{"any": [{"exact": {"type": "x"}}, {"exact": {"type": "y"}}]}]}, {"type": "y"}, True),
        ({"filters": [{"not": {"exact": {"type": "x"}}}]}, {"type": "x"}, False),
        ({"filters": [{"not": {"prefix": {"ext": "x"}}}]}, {}, True),
        (
            {"filters": [{"all": [{"exact": {"type": "x"}}, {"not": {"exact": {"ext": "1"}}}]}]},
            {"type": "x"},
            True,
        ),
    ],
)
def test_filters_match_as_in_knative(spec, event, expected):
    assert compile_filter(spec).predicate(event) is expected


@pytest.mark.parametrize(
    "filters",
    [
        [{"cesql": "x"}],
        [{}],
        [{"exact": {}}],
        [{"all": []}],
        [{"not": []}],
        ["x"],
        [{"exact": {"a": 1}}],
        [{"a": 1, "b": 2}],
    ],
)
def test_filters_that_cannot_be_used_are_refused(filters):
    with pytest.raises(FilterError):
        compile_filter({"filters": filters})


def dialects():
    pairs = st.dictionaries(NAMES, st.sampled_from(["a", "ab", "b"]), min_size=1, max_size=2)
    leaf = st.one_of(
        *(pairs.map(lambda value, name=name: {name: value}) for name in ("exact", "prefix", "suffix"))
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda found: {"all": found}),
            st.lists(inner, min_size=1, max_size=3).map(lambda found: {"any": found}),
            inner.map(lambda found: {"not": found}),
        ),
        max_leaves=6,
    )


def wants(expression, event) -> bool:
    """The specification's words, without any cleverness."""
    ((name, argument),) = expression.items()
    if name == "all":
        return all(wants(inner, event) for inner in argument)
    if name == "any":
        return any(wants(inner, event) for inner in argument)
    if name == "not":
        return not wants(argument, event)
    test = {"exact": str.__eq__, "prefix": str.startswith, "suffix": str.endswith}[name]
    return all(key in event and test(event[key], value) for key, value in argument.items())


@given(st.lists(dialects(), min_size=1, max_size=3), ATTRIBUTES)
def test_any_nesting_of_dialects_means_what_the_specification_says(filters, event):
    assert compile_filter({"filters": filters}).predicate(event) == all(
        wants(found, event) for found in filters
    )


@given(st.dictionaries(st.sampled_from("pqrstu"), ATTRIBUTES), ATTRIBUTES, st.sets(st.sampled_from("pqrstu")))
def test_the_index_finds_exactly_the_triggers_whose_filter_matches(triggers, event, removed):
    event = {name: value for name, value in event.items() if value}
    matcher, filters = Matcher(), {}
    for name, attributes in triggers.items():
        filters[name] = compile_filter({"filter": {"attributes": attributes}})
        matcher.set(name, compile_filter({}))
        matcher.set(name, filters[name])
    for name in removed:
        matcher.set(name, None)
        filters.pop(name, None)

    assert sorted(matcher.match(event)) == sorted(
        name for name, found in filters.items() if found.predicate(event)
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT1S", 1),
        ("PT0.2S", 0.2),
        ("PT1M30S", 90),
        ("PT2H", 7200),
        ("P1D", 86400),
        ("P1W", 604800),
        ("P1DT1S", 86401),
    ],
)
def test_durations_are_iso_8601(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "1S", "PT1", "PTS", "P1DT", "PT-1S", "P1Y", "10s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)


def test_waits_grow_as_the_policy_says():
    exponential = Policy(retry=5, exponential=True, delay=1.0)
    linear = Policy(retry=5, exponential=False, delay=2.0)

    assert [exponential.wait(attempt, None) for attempt in range(5)] == [1, 2, 4, 8, 16]
    assert [linear.wait(attempt, None) for attempt in range(4)] == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("limit", "asked", "expected"),
    [(None, 10, 10), (3.0, 10, 3), (0.0, 10, 1), (None, 0.5, 1), (None, None, 1)],
)
def test_retry_after_only_ever_stretches_a_wait(limit, asked, expected):
    assert Policy(delay=1.0, retry_after_max=limit).wait(0, asked) == expected


def test_a_trigger_s_delivery_goes_before_the_broker_s_and_that_before_the_default():
    assert compile_policy({"retry": 1}, {"retry": 2}).retry == 1
    assert compile_policy({}, {"retry": 2}).retry == 2
    assert compile_policy(None, None) == Policy(retry=10, exponential=True, delay=0.2)


@pytest.mark.parametrize(
    "spec",
    [{"retry": -1}, {"retry": "x"}, {"backoffPolicy": "random"}, {"timeout": "30"}, {"timeout": 5}],
)
def test_a_delivery_spec_that_cannot_be_used_is_refused(spec):
    with pytest.raises(PolicyError, match=r"delivery\."):
        compile_policy(spec, None)


@pytest.mark.parametrize(
    ("status", "header", "expected"),
    [
        (503, "7", 7.0),
        (429, "Thu, 01 Jan 2026 00:00:09 GMT", 9.0),
        (503, "Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        (500, "7", None),
        (503, "soon", None),
        (503, "", None),
    ],
)
def test_retry_after_is_read_in_both_forms(status, header, expected):
    answer = Answer(status, {"retry-after": header}, b"")

    assert answer.retry_after(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)) == expected


@given(EVENTS)
def test_an_event_survives_binary_mode_the_json_format_and_the_journal(event):
    headers, body = encode_binary(event)

    assert decode(headers, body) == [event]
    assert Message.from_entry(Message(event).to_entry()).event == event
    document = to_document(event)
    assert (document["id"], document["specversion"]) == (event.id, "1.0")


HEADERS = st.sampled_from(["ce-id", "ce-type", "ce-source", "ce-specversion", "content-type", "ce-time"])


@given(st.dictionaries(HEADERS, st.text(max_size=8)), st.binary(max_size=20))
def test_any_message_is_an_event_or_refused(headers, body):
    try:
        events = decode(headers, body)
    except InvalidEventError as error:
        events = []
        refused = str(error)
    else:
        refused = ""

    assert bool(refused) != bool(events)
