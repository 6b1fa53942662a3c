"""The platform's events in the form of CDEvents 0.4.1, which a Flux Receiver takes."""

import json
from dataclasses import replace

import pytest

from automation.events import FunctionId
from automation.outbox.emission import Kind
from automation.outbox.messages import message
from components.manifests.flux import CDEVENTS
from components.manifests.gitops import BUILD, EVENTS, LIFECYCLE
from tests.automation import worlds
from tests.automation.test_emissions import ALL, told

RUNNING = worlds.building().build
FUNCTION = FunctionId("tp1", "parser1")


def of_kind(emitted):
    return [json.loads(message(one, FUNCTION).body) for one in emitted if one.kind is Kind.CDEVENTS]


def by_type(emitted):
    return {event["type"]: event for event in of_kind(emitted)}


def test_a_finished_build_publishes_an_artifact_and_deploys_it():
    told_ = by_type(told(worlds.building(), worlds.complete(build=RUNNING)))

    deployed = told_["dev.cdevents.service.deployed.0.2.0"]["data"]
    assert deployed["context"]["version"] == "0.4.1"
    assert deployed["subject"]["type"] == "service"
    assert deployed["subject"]["id"] == "lambda-tp1-parser1"
    assert deployed["subject"]["content"]["environment"] == {"id": "dev"}
    artifact = (
        "pkg:oci/knative-lambdas@sha256%3A" + "d" * 64 + "?repository_url=registry.test/knative-lambdas"
    )
    assert deployed["subject"]["content"]["artifactId"] == artifact
    published = told_["dev.cdevents.artifact.published.0.2.0"]["data"]["subject"]
    assert published["id"].startswith(artifact)
    assert published["content"] == {}
    assert told_["dev.cdevents.build.finished.0.2.0"]["data"]["subject"]["id"] == "build-1"


def test_the_envelope_repeats_the_context():
    for event in of_kind(told(worlds.building(), worlds.complete(build=RUNNING))):
        context = event["data"]["context"]
        assert (event["id"], event["type"], event["source"]) == (
            context["id"],
            context["type"],
            context["source"],
        )
        assert event["subject"] == event["data"]["subject"]["id"]


def test_what_receivers_wait_for_is_told():
    deployed = by_type(told(worlds.updating(), worlds.complete(build=RUNNING)))
    removed = by_type(told(worlds.running(), worlds.delete()))

    assert {*EVENTS[CDEVENTS][LIFECYCLE], *EVENTS[CDEVENTS][BUILD]} <= {*deployed, *removed}


def test_an_incident_carries_the_severity_that_receivers_ask_for():
    found = by_type(told(worlds.building(), worlds.failed(build=RUNNING)))

    incident = found["dev.cdevents.incident.detected.0.2.0"]["data"]
    assert incident["customData"]["severity"] == "warning"
    assert "lambda-tp1-parser1" in incident["subject"]["content"]["description"]


@pytest.mark.parametrize("kinds", [{Kind.CDEVENTS}, {Kind.LIFECYCLE}])
def test_each_form_can_be_had_without_the_other(kinds):
    only = replace(ALL, kinds=frozenset(kinds))

    assert {
        one.kind for one in told(worlds.building(), worlds.complete(build=RUNNING), telling=only)
    } == kinds
