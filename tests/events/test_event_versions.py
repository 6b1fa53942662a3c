"""Versions of a build.start's data: which one counts, and the way from one to another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.errors import InvalidEvent
from automation.event_parser import parse
from automation.event_types import TYPES
from automation.event_versions import BUILD_START, convert

VERSIONS = TYPES[BUILD_START].versions
V1 = {"buildId": "b-1", "thirdPartyId": "acme", "parserId": "greeter", "contextId": "c", "more": [1]}
V2 = {"buildId": "b-1", "organizationId": "acme", "parserId": "greeter", "contextId": "c", "more": [1]}
IDS = {"third_party_id": "acme", "parser_id": "greeter"}


def read(data, dataschema, event_type=BUILD_START):
    envelope = {"id": "1", "source": "network.notifi.acme", "type": event_type, "dataschema": dataschema}
    return parse(envelope, data, correlation_id="c", traceparent=None)


def test_the_first_version_becomes_the_second_with_normal_priority():
    assert convert(V1, "v1.0", "v2.0") == {**V2, "priority": "normal"}


def test_the_second_version_becomes_the_first_without_its_priority():
    assert convert({**V2, "priority": "urgent"}, "v2.0", "v1.0") == V1


@pytest.mark.parametrize("source", VERSIONS)
@pytest.mark.parametrize("target", VERSIONS)
@given(
    id=st.sampled_from(["third_party_id", "organizationId"]),
    more=st.dictionaries(st.text("0123456789"), st.integers()),
)
def test_a_conversion_and_back_means_the_same_event(source, target, id, more):
    data = convert(
        {**more, id: "acme", "parserId": "greeter", "build_id": "b", "contextId": "c"}, "v0", source
    )
    data = {**data, "priority": "normal"} if source == "v2.0" else data

    there = convert(data, source, target)

    assert read(there, f"http://x/{target}").function == read(data, f"http://x/{source}").function
    assert read(convert(there, target, source), f"x/{source}").build_id == "b"


@pytest.mark.parametrize(
    "dataschema", ["http://x/schemas/network.notifi.lambda.build.start/v3.0", "http://x/v3.0", "urn:x"]
)
def test_a_build_of_an_unknown_version_is_refused_with_those_that_are_allowed(dataschema):
    with pytest.raises(
        InvalidEvent, match=r"allowed: none, or a URI whose last part is v0 or v1\.0 or v2\.0"
    ):
        read(IDS, dataschema)


def test_another_type_may_have_a_schema_of_its_senders_own():
    assert read(IDS, "https://acme.example/job.json", "network.notifi.lambda.job.start")


def test_an_unknown_version_of_our_schema_is_refused_for_every_type():
    with pytest.raises(
        InvalidEvent, match=r"no known version; allowed: none, or a URI whose last part is v1\.0"
    ):
        read(IDS, "http://x/schemas/network.notifi.lambda.job.start/v2.0", "network.notifi.lambda.job.start")


def test_a_schema_of_another_type_is_refused():
    with pytest.raises(InvalidEvent, match="describes another type"):
        read(
            IDS,
            "http://x/schemas/network.notifi.lambda.job.start/v1.0",
            "network.notifi.lambda.service.delete",
        )
