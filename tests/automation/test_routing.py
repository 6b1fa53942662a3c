"""Where events go without Triggers: the same as with those that the platform declares."""

import dataclasses

import pytest

from automation.deliveries.routing import Routes
from components.function import FunctionArgs
from components.manifests.function import start_trigger

ROUTES = Routes(
    service_url="http://service/",
    service_types=frozenset({"network.notifi.lambda.build.start", "network.notifi.lambda.parser.start"}),
    function_url="http://{name}.{namespace}.svc.cluster.local",
    namespace="knative-lambda-dev",
)
START = {
    "type": "network.notifi.lambda.parser.start",
    "source": "network.notifi.acme",
    "subject": "greeter",
    "id": "1",
}


def urls(attributes, routes=ROUTES):
    return [destination.url for destination in routes.of(attributes)]


def test_what_the_service_takes_goes_to_the_service_alone():
    assert urls({**START, "type": "network.notifi.lambda.build.start"}) == ["http://service/"]


def test_parser_start_goes_to_the_function_whose_trigger_would_want_it_and_to_the_service():
    args = FunctionArgs(
        function_name="lambda-acme-greeter",
        namespace="knative-lambda-dev",
        third_party_id="acme",
        parser_id="greeter",
        image="i",
        broker="b",
        broker_url="http://b",
    )
    wanted = start_trigger(args)["spec"]

    assert {name: START[name] for name in wanted["filter"]["attributes"]} == wanted["filter"]["attributes"]
    name = wanted["subscriber"]["ref"]["name"]
    assert urls(START) == ["http://service/", f"http://{name}.knative-lambda-dev.svc.cluster.local"]


@pytest.mark.parametrize(
    "changed",
    [{"source": "acme"}, {"source": "network.notifi."}, {"subject": ""}, {"type": "parser.start"}],
)
def test_what_names_no_function_goes_to_none(changed):
    assert urls({**START, **changed}) in ([], ["http://service/"])


def test_what_nobody_asked_for_goes_nowhere():
    assert urls({**START, "type": "network.notifi.lambda.parser.complete"}) == []


def test_what_is_no_event_goes_to_the_service_which_says_why():
    assert urls({}) == ["http://service/"]


def test_a_name_that_could_lead_elsewhere_stays_a_label():
    (_, url) = urls({**START, "subject": "evil.example/#"})
    assert url.startswith("http://lambda-acme-evil-example-")
    assert url.endswith(".knative-lambda-dev.svc.cluster.local")


def test_without_a_table_of_types_everything_goes_to_the_service():
    assert urls({"type": "any"}, dataclasses.replace(ROUTES, service_types=frozenset())) == [
        "http://service/"
    ]
