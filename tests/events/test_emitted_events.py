"""What our own parts send, and what the document shows, is as its schema says."""

import datetime
import json
import re
from pathlib import Path

import jsonschema
import pytest

from automation import schemas
from automation.event_types import TYPES
from monitor import events as monitor_events
from monitor.failures import Diagnosis, Reason
from monitor.settings import Build
from monitor.verdict import Verdict

DOCUMENT = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
EXAMPLES = [
    json.loads(text)
    for text in re.findall(r"^```json\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    if "specversion" in text
]
AT = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)
BUILD = Build(
    third_party_id="demo", parser_id="hello", job_name="kaniko-build-demo", image_uri="registry.example/f:d",
    build_id="build-1", content_hash="0" * 64, correlation_id="order-42",
)  # fmt: skip


def check(event_type, data):
    schema = schemas.document(event_type, TYPES[event_type].latest)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(data)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event["type"])
def test_the_examples_of_the_document_are_as_their_schemas_say(event):
    check(event["type"], event["data"])


@pytest.mark.parametrize("reason", list(Reason))
def test_what_a_monitor_tells_of_a_failure_is_as_its_schema_says(reason):
    verdict = Verdict(
        diagnosis=Diagnosis(reason, "text"), image_digest=None, exit_code=137, started_at=AT, completed_at=AT
    )

    sent = monitor_events.message(BUILD, verdict, pod_uid="u", log="line\n" * 200)
    check(dict(sent.headers)["ce-type"], json.loads(sent.body))


@pytest.mark.parametrize("digest", [None, "sha256:" + "d" * 64])
def test_what_a_monitor_tells_of_a_success_is_as_its_schema_says(digest):
    verdict = Verdict(diagnosis=None, image_digest=digest, exit_code=0, started_at=AT, completed_at=AT)

    sent = monitor_events.message(BUILD, verdict, pod_uid="u", log="")
    check(dict(sent.headers)["ce-type"], json.loads(sent.body))
