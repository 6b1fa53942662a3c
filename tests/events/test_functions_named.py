"""How an event says which function it is about."""

import pytest

from automation.errors import InvalidEvent
from automation.event_parser import parse
from automation.events import FunctionId

START = "network.notifi.lambda.build.start"
COMMAND = "io.knative.lambda.command.build.start"
PARSER_START = "network.notifi.lambda.parser.start"
ACME = FunctionId("acme", "greeter")


def read(event_type, data, **attributes):
    envelope = {"id": "1", "source": "somewhere", "type": event_type, **attributes}
    return parse(envelope, data, correlation_id="c", traceparent=None)


def problems(event_type, data, **attributes):
    with pytest.raises(InvalidEvent) as refused:
        read(event_type, data, **attributes)
    return refused.value.details


@pytest.mark.parametrize(
    "data",
    [
        {"third_party_id": "acme", "parser_id": "greeter"},
        {"thirdPartyId": "acme", "parserId": "greeter"},
        {"organizationId": "acme", "parserId": "greeter"},
        {"organization_id": "acme", "parser_id": "greeter"},
        {"third_party_id": "acme", "thirdPartyId": "acme", "parser_id": "greeter", "unknown": [1]},
        {"third_party_id": "acme", "parser_id": "greeter", "parserId": None},
    ],
)
@pytest.mark.parametrize("event_type", [START, COMMAND, PARSER_START])
def test_ids_are_read_in_every_spelling(event_type, data):
    assert read(event_type, data).function == ACME


def test_spellings_that_disagree_are_refused():
    data = {"third_party_id": "acme", "organizationId": "other", "parser_id": "greeter"}
    assert problems(START, data) == (
        'organizationId: "other" contradicts third_party_id "acme"; send one of them',
    )


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        pytest.param({"name": "acme/greeter"}, {}, id="both in name"),
        pytest.param({"name": "greeter", "namespace": "acme"}, {}, id="namespace and name"),
        pytest.param({"name": "greeter"}, {"subject": "acme/other"}, id="namespace from subject"),
        pytest.param({}, {"subject": "acme/greeter"}, id="subject"),
        pytest.param(None, {"subject": "acme/greeter"}, id="subject without data"),
        pytest.param({}, {"source": "io.knative.lambda/cli/acme/greeter"}, id="source"),
        pytest.param({"name": "greeter"}, {"source": "network.notifi.acme"}, id="legacy source"),
        pytest.param(
            {}, {"source": "network.notifi.acme", "subject": "greeter"}, id="legacy source and subject"
        ),
        pytest.param({}, {"source": "network.notifi.parsers.acme.greeter"}, id="legacy parser source"),
    ],
)
def test_newer_types_name_the_function_in_data_subject_or_source(data, attributes):
    assert read(COMMAND, data, **attributes).function == ACME


def test_legacy_types_require_both_ids_in_their_data():
    found = problems(START, {}, source="network.notifi.acme", subject="greeter")

    assert len(found) == 2
    assert found[0].startswith("third_party_id: missing; send third_party_id or organization_id: 1 to 63")
    assert found[1].startswith("parser_id: missing")


def test_a_newer_type_that_names_no_function_is_told_all_the_ways_to_do_it():
    found = problems(COMMAND, {})

    assert len(found) == 2
    assert "data.third_party_id or a subject `third-party/parser` say it too" in found[0]
    assert "data.parser_id" in found[1]


BAD_IDS = [
    "",
    "-a",
    "a-",
    ".a",
    "a.",
    "_a",
    "a..b",
    "..",
    "../../etc",
    "a/b",
    "a\\b",
    "a b",
    "a\n",
    "a\x00",
    "ä",
    "a" * 64,
    "%2e%2e",
    "$(id)",
    "a;b",
    1,
    True,
    1.5,
    [],
    {},
    ["a"],
    "\ud800",
    "a\u2028",
]


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize("field", ["third_party_id", "parser_id"])
@pytest.mark.parametrize("event_type", [START, "network.notifi.lambda.service.delete", COMMAND, PARSER_START])
def test_ids_that_are_no_label_values_are_refused(event_type, field, bad):
    found = problems(event_type, {"third_party_id": "acme", "parser_id": "greeter", field: bad})

    assert len(found) == 1
    assert found[0].startswith(f"{field}: ")
    assert "allowed: 1 to 63 letters, digits" in found[0]
    assert found[0].isascii()


@pytest.mark.parametrize("good", ["a", "A", "0", "a" * 63, "a.b_c-D", "0307ea43639b4616b044d190310a26bd"])
def test_ids_that_are_label_values_are_taken_as_they_are(good):
    assert read(START, {"third_party_id": good, "parser_id": good}).function == FunctionId(good, good)


@pytest.mark.parametrize(
    ("attributes", "function"),
    [
        ({"source": "network.notifi.acme", "subject": "greeter"}, ACME),
        ({"source": "network.notifi.parsers.acme.greeter"}, ACME),
        ({"source": "network.notifi.acme"}, None),
        ({"source": "network.notifi.acme", "subject": "../greeter"}, None),
        ({"source": "elsewhere", "subject": "greeter"}, None),
    ],
)
def test_notices_take_the_function_from_the_envelope_if_it_names_one(attributes, function):
    assert read(PARSER_START, {"contextId": "x", "name": "not-ours"}, **attributes).function == function


@pytest.mark.parametrize("data", [None, 1, "text", [1, 2], {"any": "thing"}])
def test_notices_take_any_data(data):
    assert read(PARSER_START, data, source="network.notifi.acme", subject="greeter").function == ACME
