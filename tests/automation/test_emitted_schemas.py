"""What is emitted keeps to the schemas that the platform publishes, and comes back to its function."""

import json

import jsonschema
import pytest

from automation import schemas
from automation.event_parser import parse
from automation.event_types import TYPES
from automation.events import FunctionId
from automation.outbox.emission import Kind
from automation.outbox.messages import message, source
from tests.automation import worlds
from tests.automation.test_emissions import CASES, told

OWN = {Kind.LIFECYCLE, Kind.ALERTS, Kind.AUDIT}
FUNCTION = FunctionId("tp1", "parser1")


@pytest.mark.parametrize(("state", "event", "expected"), CASES)
def test_every_event_is_as_its_schema_says(state, event, expected):
    for emission in told(state, event):
        if emission.kind in OWN:
            schema = schemas.document(emission.type, TYPES[emission.type].latest)
            jsonschema.Draft202012Validator(schema).validate(emission.data)


@pytest.mark.parametrize("event", [worlds.complete, worlds.failed])
def test_the_end_of_a_build_names_the_build_to_whoever_reads_it_as_a_result(event):
    build = worlds.building().build
    emitted = told(worlds.building(), event(build=build))
    end = next(one for one in emitted if one.type.startswith("io.knative.lambda.lifecycle.build."))
    sent = json.loads(message(end, FUNCTION).body)
    data = sent.pop("data")

    read = parse(sent, data, correlation_id="c", traceparent=None)

    assert read.function == FUNCTION
    assert (read.build_id, read.job_name) == (build.build_id, build.job_name)
    assert read.meta.source == source(FUNCTION)
