"""Which types are accepted, what they become, and how the others are refused."""

import pytest

from automation.errors import InvalidEvent
from automation.event_parser import NOT_SERVED, SERVED, label, parse
from automation.events import (
    BuildCancel,
    BuildComplete,
    BuildFailed,
    BuildStart,
    FunctionDeploy,
    FunctionPromote,
    FunctionRollback,
    Notice,
    ServiceDelete,
)

IDS = {"third_party_id": "acme", "parser_id": "greeter"}
IMAGE = {"image_uri": "registry.example/functions:acme-greeter-01234567"}

DEPLOY = {
    "metadata": {"name": "greeter", "namespace": "acme"},
    "spec": {
        "source": {"type": "inline", "inline": {"code": "def handler(event): return event"}},
        "runtime": {"language": "python", "version": "3.12"},
    },
}


def read(event_type, data, **attributes):
    envelope = {"id": "1", "source": "network.notifi.acme", "type": event_type, **attributes}
    return parse(envelope, data, correlation_id="c", traceparent=None)


@pytest.mark.parametrize(
    ("event_type", "data", "kind"),
    [
        ("network.notifi.lambda.build.start", IDS, BuildStart),
        ("network.notifi.lambda.build.complete", {**IDS, **IMAGE, "status": "success"}, BuildComplete),
        ("network.notifi.lambda.build.failed", {**IDS, "status": "failed"}, BuildFailed),
        ("network.notifi.lambda.job.start", IDS, Notice),
        ("network.notifi.lambda.parser.start", {"contextId": "x", "parameters": {}}, Notice),
        ("network.notifi.lambda.parser.complete", None, Notice),
        ("network.notifi.lambda.service.delete", IDS, ServiceDelete),
        ("io.knative.lambda.command.build.start", {"name": "acme/greeter"}, BuildStart),
        ("io.knative.lambda.command.build.retry", {"name": "greeter", "namespace": "acme"}, BuildStart),
        ("io.knative.lambda.command.build.cancel", {"name": "acme/greeter"}, BuildCancel),
        ("io.knative.lambda.command.function.deploy", DEPLOY, FunctionDeploy),
        ("io.knative.lambda.command.service.create", DEPLOY, FunctionDeploy),
        ("io.knative.lambda.command.service.update", {"name": "acme/greeter", "spec": {}}, FunctionDeploy),
        ("io.knative.lambda.command.function.promote", {"name": "acme/greeter"}, FunctionPromote),
        ("io.knative.lambda.command.function.rollback", {"name": "acme/greeter"}, FunctionRollback),
        ("io.knative.lambda.command.service.delete", {"name": "acme/greeter"}, ServiceDelete),
        ("io.knative.lambda.lifecycle.build.completed", {**IDS, **IMAGE}, BuildComplete),
        ("io.knative.lambda.lifecycle.build.failed", IDS, BuildFailed),
        ("io.knative.lambda.lifecycle.build.timeout", IDS, BuildFailed),
        ("io.knative.lambda.invoke.async", {"payload": {}}, Notice),
        ("io.knative.lambda.response.success", {"result": {}}, Notice),
        ("io.knative.lambda.response.error", {"error": {}}, Notice),
        ("io.knative.lambda.response.timeout", {}, Notice),
    ],
)
def test_every_served_type_becomes_its_event(event_type, data, kind):
    event = read(event_type, data)

    assert type(event) is kind
    assert event.meta.type == event_type
    assert label(event_type) == event_type


def test_the_table_above_names_every_served_type():
    cases = test_every_served_type_becomes_its_event.pytestmark[0].args[1]
    assert {case[0] for case in cases} == set(SERVED)


@pytest.mark.parametrize("event_type", sorted(NOT_SERVED))
def test_types_of_the_contract_that_are_not_built_are_refused_by_name(event_type):
    with pytest.raises(InvalidEvent, match="in the contract but not served yet") as refused:
        read(event_type, {"name": "acme/greeter"})
    assert event_type in refused.value.message
    assert label(event_type) == event_type


@pytest.mark.parametrize(
    "event_type",
    [
        "build.start",
        "network.notifi.lambda.build.begin",
        "network.notifi.lambda.build.start.reply",
        "x" * 1024,
    ],
)
def test_unknown_types_are_refused_with_the_list_of_known_ones(event_type):
    with pytest.raises(
        InvalidEvent, match=r"is not known; allowed: network\.notifi\.lambda\.build\.start"
    ) as refused:
        read(event_type, IDS)
    assert len(refused.value.message) < 2000
    assert label(event_type) == "unknown"


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("network.notifi.lambda.job.start", "job.start"),
        ("network.notifi.lambda.parser.start", "parser.start"),
        ("network.notifi.lambda.parser.complete", "parser.complete"),
        ("io.knative.lambda.invoke.async", "parser.start"),
        ("io.knative.lambda.response.success", "parser.complete"),
        ("io.knative.lambda.response.error", "parser.failed"),
        ("io.knative.lambda.response.timeout", "parser.failed"),
    ],
)
def test_notices_of_both_generations_are_of_the_same_kinds(event_type, kind):
    assert read(event_type, IDS).kind == kind
