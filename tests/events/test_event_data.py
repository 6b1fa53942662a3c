"""The fields of each event's data, good and bad."""

import datetime

import pytest

from automation.errors import InvalidEvent
from automation.event_parser import parse

IDS = {"third_party_id": "acme", "parser_id": "greeter"}
START = "network.notifi.lambda.build.start"
COMPLETE = "network.notifi.lambda.build.complete"
FAILED = "network.notifi.lambda.build.failed"
DELETE = "network.notifi.lambda.service.delete"
DIGEST = "sha256:" + "a" * 64
DONE = {**IDS, "status": "success", "image_uri": "registry.example/f:1"}
V1 = "https://schemas.example/build-start/v1.0"
V2 = "https://schemas.example/build-start/v2.0"


def read(event_type, data, **attributes):
    envelope = {"id": "1", "source": "somewhere", "type": event_type, **attributes}
    return parse(envelope, data, correlation_id="c-1", traceparent="t")


def problems(event_type, data, **attributes):
    with pytest.raises(InvalidEvent) as refused:
        read(event_type, data, **attributes)
    return refused.value.details


def test_build_start_carries_all_its_fields():
    event = read(
        START,
        {
            **IDS,
            "s3_bucket": "my-bucket",
            "s3Prefix": "global/parser/greeter/",
            "language": "python",
            "runtime": "python3.11",
            "buildId": "b-1",
            "contextId": "ctx 1",
            "eventSequence": 7,
            "forceRebuild": True,
        },
        subject="greeter",
        time="2026-01-31T12:00:00Z",
    )

    assert (event.source_bucket, event.source_prefix) == ("my-bucket", "global/parser/greeter/")
    assert (event.language, event.runtime) == ("python", "python3.11")
    assert (event.build_id, event.context_id, event.sequence, event.force) == ("b-1", "ctx 1", 7, True)
    assert event.meta.subject == "greeter"
    assert event.meta.time == datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)
    assert (event.meta.correlation_id, event.meta.traceparent) == ("c-1", "t")


CANCEL = "io.knative.lambda.command.build.cancel"
ROLLBACK = "io.knative.lambda.command.function.rollback"


def test_a_cancel_may_name_its_build():
    event = read(CANCEL, {"name": "acme/greeter", "buildId": "b-1", "reason": "no more"})

    assert (event.build_id, event.reason) == ("b-1", "no more")
    assert read(CANCEL, IDS).build_id is None


@pytest.mark.parametrize(
    ("sent", "meant"), [(None, None), (3, "3"), ("3", "3"), (DIGEST, DIGEST), ("event-17", "event-17")]
)
def test_a_rollback_names_its_revision_in_any_way(sent, meant):
    assert read(ROLLBACK, {**IDS, "revision": sent}).revision == meant


@pytest.mark.parametrize("sent", [True, 1.5, ["1"], "", "a" * 300])
def test_what_cannot_be_a_revision_is_refused(sent):
    assert problems(ROLLBACK, {**IDS, "revision": sent})[0].startswith("revision: ")


def test_build_start_needs_nothing_but_the_ids():
    event = read(START, IDS)

    assert event.source_bucket is event.source_prefix is event.language is event.runtime is None
    assert event.build_id is event.context_id is event.sequence is None
    assert event.force is False


BAD_START_FIELDS = [
    ("s3_bucket", "ab", "3 to 63"),
    ("s3_bucket", "a" * 64, "3 to 63"),
    ("s3_bucket", "Upper-case", "3 to 63"),
    ("s3_bucket", "a..b", "3 to 63"),
    ("s3_bucket", "../etc", "3 to 63"),
    ("s3_bucket", "127.0.0.1", "no IP address"),
    ("s3_bucket", 5, "3 to 63"),
    ("s3_prefix", "", "1 to 1024 bytes"),
    ("s3_prefix", "a" * 1025, "1 to 1024 bytes"),
    ("s3_prefix", "ä" * 513, "1 to 1024 bytes"),
    ("s3_prefix", "/etc/passwd", "relative"),
    ("s3_prefix", "global/../../secret", "without '..'"),
    ("s3_prefix", "..", "without '..'"),
    ("s3_prefix", "a\\b", "'\\'"),
    ("s3_prefix", "a\nb", "control characters"),
    ("s3_prefix", "a\x7f", "control characters"),
    ("s3_prefix", "\ud800", "control characters"),
    ("language", "cobol", "python, nodejs, go"),
    ("language", "Python", "python, nodejs, go"),
    ("runtime", "python2.7", "python3.11"),
    ("build_id", "b_1", "1 to 63"),
    ("build_id", "-b", "1 to 63"),
    ("build_id", "b" * 64, "1 to 63"),
    ("context_id", "x" * 257, "1 to 256"),
    ("context_id", "a\tb", "without control"),
    ("event_sequence", 0, "an integer from 1"),
    ("event_sequence", -1, "an integer from 1"),
    ("event_sequence", 1.0, "an integer from 1"),
    ("event_sequence", "1", "an integer from 1"),
    ("event_sequence", True, "an integer from 1"),
    ("event_sequence", 2**63, "an integer from 1"),
    ("force_rebuild", "yes", "true or false"),
    ("force_rebuild", 1, "true or false"),
]


@pytest.mark.parametrize(("field", "value", "allowed"), BAD_START_FIELDS)
def test_a_bad_field_of_build_start_is_refused_with_what_is_allowed(field, value, allowed):
    found = problems(START, {**IDS, field: value})

    assert len(found) == 1
    assert found[0].startswith(f"{field}: ")
    assert allowed in found[0]


def test_all_problems_are_reported_at_once():
    bad = {field: value for field, value, _ in BAD_START_FIELDS}
    found = problems(
        START,
        {**bad, "third_party_id": "../x"},
        dataschema=V2,
        time="yesterday",
        subject="a\nb",
    )

    names = {problem.partition(":")[0] for problem in found}
    assert names == {*bad, "third_party_id", "parser_id", "organization_id", "priority", "time", "subject"}


def test_a_runtime_of_another_language_is_refused():
    assert problems(START, {**IDS, "language": "python", "runtime": "nodejs20"}) == (
        'runtime: "nodejs20" is not allowed; allowed: python3.9, python3.10, python3.11, '
        "python3.12, python3.13",
    )


def test_one_and_true_under_two_names_contradict():
    (problem,) = problems(START, {**IDS, "force_rebuild": True, "force": 1})

    assert "contradicts" in problem


@pytest.mark.parametrize("data", [None, {}, [], [IDS], "text", 1, True])
def test_data_that_is_no_object_with_the_ids_is_refused(data):
    found = problems(START, data)

    assert any(problem.startswith("third_party_id: missing") for problem in found)
    assert any(problem.startswith("data: ") for problem in found) == (data not in (None, {}))


def test_schema_v1_requires_build_and_context_ids():
    ids = {"thirdPartyId": "acme", "parserId": "greeter"}
    found = problems(START, ids, dataschema=V1)

    assert [problem.partition(":")[0] for problem in found] == ["build_id", "context_id"]
    assert read(START, {**ids, "buildId": "b", "contextId": "c"}, dataschema=V1).build_id == "b"


def test_schema_v2_requires_the_organization_and_a_priority():
    ids = {"parserId": "greeter", "buildId": "b", "contextId": "c"}
    complete = {**ids, "organizationId": "acme", "priority": "high"}

    assert read(START, complete, dataschema=V2).function.third_party_id == "acme"
    assert problems(START, {**complete, "priority": "asap"}, dataschema=V2) == (
        'priority: "asap" is not allowed; allowed: low, normal, high, urgent',
    )
    renamed = problems(START, {**ids, "thirdPartyId": "acme", "priority": "low"}, dataschema=V2)
    assert [problem.partition(":")[0] for problem in renamed] == ["organization_id"]


@pytest.mark.parametrize(
    "schema", ["https://schemas.example/v3.0", "v1", "https://schemas.example", "latest"]
)
def test_unknown_schema_versions_are_refused(schema):
    (problem,) = problems(START, IDS, dataschema=schema)

    assert "names no known version" in problem
    assert "v1.0 or v2.0" in problem


def test_other_types_may_name_any_schema():
    assert read(DELETE, IDS, dataschema="https://schemas.example/mine").function.parser_id == "greeter"


def test_build_complete_carries_all_its_fields():
    event = read(
        COMPLETE,
        {
            **DONE,
            "image_digest": DIGEST,
            "content_hash": "b" * 64,
            "job_name": "kaniko-build-x",
            "build_id": "b-1",
            "duration_ms": 1500,
            "cache_hits": 2,
            "started_at": "2026-01-31T12:00:00Z",
        },
    )

    assert (event.image_uri, event.image_digest) == ("registry.example/f:1", DIGEST)
    assert (event.content_hash, event.job_name, event.build_id) == ("b" * 64, "kaniko-build-x", "b-1")
    assert (event.duration_seconds, event.cache_hits) == (1.5, 2)


@pytest.mark.parametrize(
    "image",
    [
        "functions",
        "functions:1",
        "repo/functions:acme-greeter-01234567",
        "localhost:5001/knative-lambdas:x",
        "localhost/f",
        "registry.example:443/a/b_c/d__e/f-g:T.ag_1",
        "registry.example/f@" + DIGEST,
        "registry.example/f:tag@" + DIGEST,
    ],
)
def test_image_references_are_taken(image):
    event = read(COMPLETE, {**DONE, "image_uri": image})

    assert event.image_uri == image
    assert event.image_digest == (DIGEST if "@" in image else None)


@pytest.mark.parametrize(
    "image",
    [
        "",
        " ",
        "Upper/case",
        "registry.example/Upper",
        "f:",
        "f:tag:tag",
        "f@sha256:short",
        "f@md5:" + "a" * 32,
        "http://registry.example/f",
        "registry.example/../f",
        "registry.example//f",
        "f f",
        "f\n",
        "a" * 513,
        "$(id)",
        "f;rm",
        1,
        None,
    ],
)
def test_texts_that_are_no_image_references_are_refused(image):
    (problem,) = problems(COMPLETE, {**DONE, "image_uri": image})

    assert problem.startswith("image_uri: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "failed"),
        ("status", "done"),
        ("status", None),
        ("image_digest", "sha256:abc"),
        ("image_digest", "a" * 64),
        ("content_hash", "xyz"),
        ("content_hash", "A" * 64),
        ("job_name", "Job_1"),
        ("job_name", "a" * 254),
        ("build_id", ""),
        ("duration_ms", -1),
        ("duration_ms", "5m0s"),
        ("cache_hits", -1),
        ("cache_hits", "two"),
    ],
)
def test_a_bad_field_of_build_complete_is_refused(field, value):
    (problem,) = problems(COMPLETE, {**DONE, field: value})

    assert problem.startswith(f"{field}: ")


def test_digests_that_disagree_are_refused():
    data = {**DONE, "image_uri": f"f@{DIGEST}", "image_digest": "sha256:" + "b" * 64}
    (problem,) = problems(COMPLETE, data)

    assert "contradicts image_uri" in problem


def test_build_failed_carries_reason_exit_code_and_log():
    event = read(
        FAILED,
        {
            **IDS,
            "status": "failed",
            "reason": "oom",
            "message": "killed",
            "exit_code": 137,
            "log_tail": "x" * 10_000 + "the end\n",
        },
    )

    assert (event.reason, event.message, event.exit_code) == ("oom", "killed", 137)
    assert len(event.log_tail) == 8192
    assert event.log_tail.endswith("the end\n")


@pytest.mark.parametrize(
    ("data", "event_type", "reason", "message"),
    [
        ({}, FAILED, "error", ""),
        ({"error": "it broke"}, FAILED, "error", "it broke"),
        ({"error": {"message": "it broke", "code": "BUILD_FAILED"}}, FAILED, "error", "it broke"),
        ({"error": {"code": "BUILD_TIMEOUT"}}, FAILED, "deadline", ""),
        ({"error": {"message": "inner"}, "message": "outer"}, FAILED, "error", "outer"),
        ({}, "io.knative.lambda.lifecycle.build.timeout", "deadline", ""),
        ({"reason": "oom"}, "io.knative.lambda.lifecycle.build.timeout", "oom", ""),
        ({"message": "half a pair \ud800"}, FAILED, "error", "half a pair ?"),
    ],
)
def test_build_failed_finds_reason_and_message_where_senders_put_them(data, event_type, reason, message):
    event = read(event_type, {**IDS, **data})

    assert (event.reason, event.message) == (reason, message)


@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "success"), ("status", 1), ("exit_code", "1"), ("reason", "a\nb"), ("log_tail", ["x"])],
)
def test_a_bad_field_of_build_failed_is_refused(field, value):
    (problem,) = problems(FAILED, {**IDS, field: value})

    assert problem.startswith(f"{field}: ")


def test_service_delete_keeps_the_reason():
    assert read(DELETE, {**IDS, "reason": "no longer needed"}).reason == "no longer needed"


def test_times_are_kept_in_utc():
    event = read(START, IDS, time="2026-01-31T12:00:00+02:00")

    assert event.meta.time.isoformat() == "2026-01-31T10:00:00+00:00"


@pytest.mark.parametrize("name", ["id", "source", "type"])
@pytest.mark.parametrize("value", ["", None, 1, "a\nb", "x" * 1025])
def test_bad_required_attributes_are_refused(name, value):
    found = problems(START, IDS, **{name: value})

    assert found[0].startswith(f"{name}: ")


@pytest.mark.parametrize(
    "time",
    [
        "",
        "yesterday",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "9999-12-31T23:59:59-23:59",
        1,
        datetime.datetime(2026, 1, 1),
    ],
)
def test_times_without_a_zone_or_sense_are_refused(time):
    (problem,) = problems(START, IDS, time=time)

    assert problem.startswith("time: ")


def test_error_texts_never_repeat_whole_values():
    secret = "s" * 5000
    for problem in problems(
        START, {"third_party_id": secret, "parser_id": {"password": secret}, "language": [secret]}
    ):
        assert len(problem) < 400
