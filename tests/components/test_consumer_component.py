"""The consumer, as it is declared in the place of Broker and Triggers."""

import pytest

from components.capacity import CAPACITIES
from components.consumer import Consumer
from components.manifests import topology
from components.manifests.metadata import platform_labels
from components.manifests.quota import CONSUMER
from components.platform import Platform
from components.settings import EVENT_TYPES, PlatformSettings, SettingsError
from service.consumer.settings import read
from service.settings import read as read_service
from tests.components.declaring import declare
from tests.components.test_quotas_component import compute

NAME = "knative-lambda-consumer"


def platform(environment="dev", **values):
    given = {"environment": environment, "eventingDelivery": "amqp", **values}
    return declare(lambda: Platform("platform", PlatformSettings.parse(given)))


@pytest.fixture(scope="module")
def dev():
    return platform()


@pytest.fixture(scope="module")
def pod(dev):
    return dev.inputs("platform-consumer-deployment")["spec"]["template"]


def variables(pod):
    return {given["name"]: given.get("value", "") for given in pod["spec"]["containers"][0]["env"]}


def test_nothing_of_knative_eventing_is_declared_with_it(dev):
    kinds = {kind for kind, _, _ in dev.identities() if kind.startswith("kubernetes:")}

    assert not [kind for kind in kinds if "eventing.knative.dev" in kind or "sources.knative.dev" in kind]
    assert not [kind for kind in kinds if kind.endswith("KnativeEventing")]
    assert [kind for kind in kinds if kind.endswith("KnativeServing")]


def test_with_triggers_there_is_none():
    plain = platform(eventingDelivery="triggers")

    assert not [name for _, name, _ in plain.identities() if "consumer" in name]


def test_its_address_is_where_pods_send_events(dev):
    address = f"http://{NAME}.knative-lambda-dev.svc.cluster.local"
    service = dev.inputs("platform-service-deployment")["spec"]["template"]

    assert dev.outputs["platform-consumer"] == {"url": address}
    assert set(dev.outputs["platform-consumer"]) == set(Consumer.__annotations__)
    assert dev.outputs["platform"]["broker_url"] == address
    assert dev.outputs["platform"]["broker_name"] == ""
    assert variables(service)["BROKER_URL"] == address
    assert dev.inputs("platform-consumer-service")["metadata"]["name"] == NAME


def test_functions_get_no_triggers_and_refused_events_are_kept_once(dev):
    service = dev.inputs("platform-service-deployment")["spec"]["template"]
    settings = read_service({**variables(service), "NAMESPACE": "ns"})

    assert settings.automation.triggers is False
    assert settings.refused_events_url == ""


def test_what_it_is_told_is_what_its_program_reads(pod):
    settings = read(variables(pod))
    route = settings.route

    assert settings.letters.server.url == "amqps://rabbitmq-cluster-dev.rabbitmq-dev.svc.cluster.local:5671"
    assert settings.letters.exchange == "knative-lambda-dlq"
    assert (route.queue, settings.exchange, route.reply_exchange) == (
        "lambda-events-dev",
        "cloud-events",
        "cloud-events",
    )
    assert route.routes.service_types == set(EVENT_TYPES)
    assert route.routes.service_url == "http://knative-lambda-builder.knative-lambda-dev.svc.cluster.local"
    start = {"type": "network.notifi.lambda.parser.start", "source": "network.notifi.a", "subject": "b"}
    assert route.routes.of(start)[1].url == "http://lambda-a-b.knative-lambda-dev.svc.cluster.local"
    assert settings.http.shutdown_grace_seconds < pod["spec"]["terminationGracePeriodSeconds"]


def test_its_user_may_do_what_it_does_and_no_more(dev):
    permission = dev.inputs(f"platform-backing-topology-{topology.CONSUMER_USER}-permission")
    volumes = {volume["name"]: volume.get("secret") for volume in pod_of(dev)["spec"]["volumes"]}

    assert permission["spec"]["permissions"] == {
        "configure": "^$",
        "write": "^(knative-lambda-dlq|cloud-events)$",
        "read": "^lambda-events-dev$",
    }
    assert volumes["credentials"]["secretName"] == "knative-lambda-consumer-user-credentials"


def pod_of(declared):
    return declared.inputs("platform-consumer-deployment")["spec"]["template"]


def test_its_pods_are_those_that_services_policies_and_budgets_select(dev, pod):
    labels = platform_labels("consumer")

    assert pod["metadata"]["labels"] == labels
    assert dev.inputs("platform-consumer-service")["spec"]["selector"] == labels
    assert dev.inputs("platform-network-consumer")["spec"]["podSelector"] == {"matchLabels": labels}
    budget = platform("prd").inputs("platform-consumer-budget")["spec"]
    assert budget["selector"] == {"matchLabels": labels}


def test_it_meets_the_restricted_pod_security_standard_and_has_no_rights(pod, dev):
    (container,) = pod["spec"]["containers"]

    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["command"] == ["python", "-m", "service.consumer"]
    assert {name for name in container if name.endswith("Probe")} == {
        "startupProbe",
        "livenessProbe",
        "readinessProbe",
    }
    assert dev.inputs("platform-consumer-identity")["automountServiceAccountToken"] is False


@pytest.mark.parametrize("environment", CAPACITIES)
def test_the_quota_has_room_for_it(environment, pod):
    def hard(delivery):
        declared = platform(environment, eventingDelivery=delivery)
        return declared.inputs("platform-quotas-quota")["spec"]["hard"]

    assert compute(pod["spec"]) == CONSUMER
    assert int(hard("amqp")["pods"]) < int(hard("triggers")["pods"]), "no dispatchers"


def test_prometheus_looks_at_it(dev):
    monitor = platform(observabilityEnabled="true").inputs("platform-observability-consumer-monitor")

    assert monitor["spec"]["selector"] == {"matchLabels": platform_labels("consumer")}


@pytest.mark.parametrize(
    ("values", "named"),
    [({"environment": "local"}, "local has no RabbitMQ"), ({"gitopsEnabled": "true"}, "Receivers")],
)
def test_what_cannot_do_without_triggers_is_refused(values, named):
    with pytest.raises(SettingsError, match=named):
        PlatformSettings.parse({"environment": "dev", "eventingDelivery": "amqp", **values})
