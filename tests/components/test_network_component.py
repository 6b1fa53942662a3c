"""Which connections an environment's pods may make and take, by evaluating the policies."""

import pytest

from components.manifests.metadata import function_labels, platform_labels
from components.manifests.network import network_policies
from components.network import Network, NetworkArgs
from tests.components.declaring import declare
from tests.components.netpol import Address, Pod, allows

OURS = "knative-lambda-dev"


def args(**values):
    defaults = {
        "namespace": OURS,
        "broker_name": "knative-lambda-broker-dev",
        "rabbitmq_namespace": "rabbitmq-dev",
        "ingress_namespace": "kourier-system",
    }
    return NetworkArgs(**{**defaults, **values})


def policies(**values):
    return list(network_policies(args(**values)).values())


def broker_pod(role, broker="knative-lambda-broker-dev"):
    return Pod(OURS, {"eventing.knative.dev/broker": broker, "eventing.knative.dev/brokerRole": role})


PODS = {
    "function": Pod(OURS, {**function_labels("tp", "p", "function"), "serving.knative.dev/service": "f"}),
    "other function": Pod(OURS, function_labels("tp2", "p2", "function")),
    "build": Pod(OURS, {**function_labels("tp", "p", "build"), "job-name": "j"}),
    "service": Pod(OURS, platform_labels("service")),
    "dead letters": Pod(OURS, platform_labels("dead-letters")),
    "broker ingress": broker_pod("ingress"),
    "dispatcher": broker_pod("dispatcher"),
    "dead-letter dispatcher": broker_pod("dispatcher-dlq"),
    "foreign broker": broker_pod("ingress", broker="other"),
    "stranger": Pod(OURS, {"app": "stranger"}),
    "source": Pod(OURS, {"eventing.knative.dev/SourceName": "knative-lambda-source"}),
    "foreign source": Pod(OURS, {"eventing.knative.dev/SourceName": "another"}),
    "dns": Pod("kube-system", {"k8s-app": "kube-dns"}),
    "rabbitmq": Pod("rabbitmq-dev", {"app.kubernetes.io/component": "rabbitmq"}),
    "rabbitmq of prd": Pod("rabbitmq-prd", {"app.kubernetes.io/component": "rabbitmq"}),
    "activator": Pod("knative-serving", {"app": "activator"}),
    "autoscaler": Pod("knative-serving", {"app": "autoscaler"}),
    "gateway": Pod("kourier-system", {"app": "3scale-kourier-gateway"}),
    "prometheus": Pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "grafana": Pod("monitoring", {"app.kubernetes.io/name": "grafana"}),
    "notifi": Pod("notifi", {"app": "notifi-storage-manager"}),
    "tenant": Pod("default", {"app": "tenant"}),
    "aws": Address("52.94.133.131"),
    "aws ipv6": Address("2600:1f14::1"),
    "api server": Address("10.0.0.1"),
    "metadata": Address("169.254.169.254"),
    "metadata ipv6": Address("fd00:ec2::254"),
}

ALLOWED = [
    ("function", "dns", 53),
    ("function", "aws", 443),
    ("function", "aws ipv6", 443),
    ("function", "broker ingress", 8080),
    ("function", "notifi", 4000),
    ("build", "aws", 443),
    ("build", "api server", 443),
    ("build", "api server", 6443),
    ("build", "broker ingress", 8080),
    ("build", "dns", 53),
    ("service", "aws", 443),
    ("service", "api server", 6443),
    ("service", "rabbitmq", 5672),
    ("service", "broker ingress", 8080),
    ("service", "notifi", 4000),
    ("service", "notifi", 5000),
    ("service", "dead letters", 8080),
    ("dead letters", "rabbitmq", 5672),
    ("dead letters", "broker ingress", 8080),
    ("broker ingress", "rabbitmq", 5672),
    ("broker ingress", "dns", 53),
    ("dispatcher", "rabbitmq", 5672),
    ("dispatcher", "broker ingress", 8080),
    ("dispatcher", "service", 8080),
    ("dispatcher", "dead letters", 8080),
    ("dispatcher", "gateway", 8081),
    ("dispatcher", "activator", 8012),
    ("dead-letter dispatcher", "rabbitmq", 5672),
    ("dead-letter dispatcher", "dead letters", 8080),
    ("source", "rabbitmq", 5672),
    ("source", "broker ingress", 8080),
    ("prometheus", "source", 9090),
    ("activator", "function", 8012),
    ("activator", "function", 8013),
    ("gateway", "function", 8012),
    ("autoscaler", "function", 9090),
    ("activator", "service", 8080),
    ("gateway", "service", 8443),
    ("prometheus", "function", 9091),
    ("prometheus", "function", 8080),
    ("prometheus", "service", 8080),
    ("prometheus", "broker ingress", 9090),
    ("prometheus", "dispatcher", 9090),
]

DENIED = [
    ("function", "metadata", 80),
    ("function", "metadata", 443),
    ("function", "metadata ipv6", 443),
    ("build", "metadata", 80),
    ("build", "metadata", 443),
    ("build", "metadata ipv6", 443),
    ("service", "metadata", 443),
    ("service", "metadata ipv6", 6443),
    ("function", "api server", 6443),
    ("function", "aws", 80),
    ("function", "other function", 8080),
    ("function", "other function", 8012),
    ("function", "service", 8080),
    ("function", "build", 8080),
    ("function", "rabbitmq", 5672),
    ("function", "foreign broker", 8080),
    ("function", "notifi", 5000),
    ("function", "dns", 443),
    ("build", "function", 8080),
    ("build", "service", 8080),
    ("build", "rabbitmq", 5672),
    ("build", "notifi", 4000),
    ("build", "aws", 80),
    ("service", "function", 8080),
    ("service", "rabbitmq of prd", 5672),
    ("service", "rabbitmq", 15672),
    ("dead letters", "api server", 6443),
    ("dead letters", "aws", 443),
    ("source", "aws", 443),
    ("source", "service", 8080),
    ("function", "source", 9090),
    ("foreign source", "rabbitmq", 5672),
    ("foreign source", "broker ingress", 8080),
    ("service", "rabbitmq", 5671),
    ("broker ingress", "aws", 443),
    ("broker ingress", "function", 8012),
    ("dispatcher", "aws", 443),
    ("dispatcher", "api server", 6443),
    ("dispatcher", "function", 8012),
    ("autoscaler", "function", 8012),
    ("gateway", "service", 8080),
    ("activator", "service", 8443),
    ("function", "service", 8443),
    ("gateway", "function", 8080),
    ("grafana", "function", 9091),
    ("prometheus", "build", 8080),
    ("prometheus", "broker ingress", 8080),
    ("tenant", "function", 8012),
    ("tenant", "service", 8080),
    ("tenant", "broker ingress", 8080),
    ("stranger", "function", 8012),
    ("stranger", "broker ingress", 8080),
    ("stranger", "aws", 443),
    ("activator", "stranger", 8012),
]


@pytest.mark.parametrize(("source", "target", "port"), ALLOWED)
def test_what_the_contract_allows_is_allowed(source, target, port):
    assert allows(policies(), PODS[source], PODS[target], port, "UDP" if port == 53 else "TCP")


@pytest.mark.parametrize(("source", "target", "port"), DENIED)
def test_anything_else_is_denied(source, target, port):
    assert not allows(policies(), PODS[source], PODS[target], port)


def test_without_a_policy_everything_would_pass():
    """The evaluator itself: the denials above come from the policies."""
    assert all(allows([], PODS[source], PODS[target], port) for source, target, port in DENIED)


def test_dns_answers_over_tcp_as_well():
    assert allows(policies(), PODS["build"], PODS["dns"], 53, "TCP")


def test_storage_and_registries_of_ones_own_open_their_ports_for_builds_and_the_service():
    own = policies(
        storage_endpoint="http://minio.test:9000",
        allowed_registries=("registry.test:5000/team", "ghcr.io"),
    )

    for port in (443, 5000, 9000):
        assert allows(own, PODS["build"], PODS["aws"], port)
        assert allows(own, PODS["service"], PODS["aws"], port)
        assert not allows(own, PODS["build"], PODS["metadata"], port)
    assert not allows(own, PODS["function"], PODS["aws"], 9000)
    assert not allows(policies(), PODS["build"], PODS["aws"], 9000)


def test_the_scanners_database_of_ones_own_is_opened_for_builds_alone():
    own = policies(scan_database="mirror.test:5443/trivy-db:2")

    assert allows(own, PODS["build"], PODS["aws"], 5443)
    assert not allows(own, PODS["build"], PODS["metadata"], 5443)
    assert not allows(own, PODS["service"], PODS["aws"], 5443)
    assert not allows(policies(), PODS["build"], PODS["aws"], 5443)


def test_storage_and_registries_inside_the_cluster_are_opened_by_namespace():
    own = policies(
        storage_endpoint="http://minio.storage.svc.cluster.local:9000",
        allowed_registries=("registry.images.svc:5000",),
        dead_letter_uri="http://letters.mail.svc",
    )
    storage, images, mail = (Pod(name, {"app": "any"}) for name in ("storage", "images", "mail"))

    assert allows(own, PODS["build"], storage, 9000)
    assert allows(own, PODS["service"], images, 5000)
    assert allows(own, PODS["dispatcher"], mail, 80)
    assert not allows(own, PODS["build"], storage, 5000)
    assert not allows(own, PODS["build"], PODS["aws"], 9000)
    assert not allows(own, PODS["function"], storage, 9000)


def test_storage_on_port_80_does_not_open_the_metadata_address():
    own = policies(storage_endpoint="http://minio.test")

    assert allows(own, PODS["build"], PODS["aws"], 80)
    assert not allows(own, PODS["build"], PODS["metadata"], 80)
    assert not allows(own, PODS["build"], PODS["metadata ipv6"], 80)


def test_the_api_server_can_be_narrowed_to_its_addresses():
    own = policies(api_server_cidr="10.0.0.0/28")

    assert allows(own, PODS["build"], PODS["api server"], 6443)
    assert not allows(own, PODS["build"], PODS["aws"], 6443)


def test_a_range_that_holds_no_metadata_address_has_no_exceptions():
    """The API server refuses exceptions outside their range."""
    (rule,) = [
        rule
        for rule in network_policies(args(api_server_cidr="10.0.0.0/28"))["builds"]["spec"]["egress"]
        if rule["ports"][-1]["port"] == 6443
    ]

    assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.0/28"}}]


def test_dispatchers_reach_the_addresses_that_stand_in_for_services():
    own = policies(subscriber_uri="http://service.test:8000/", dead_letter_uri="https://dead.test/letters")

    assert allows(own, PODS["dispatcher"], PODS["aws"], 8000)
    assert allows(own, PODS["dispatcher"], PODS["aws"], 443)
    assert not allows(own, PODS["dispatcher"], PODS["metadata"], 443)


def test_with_tls_rabbitmqs_plain_port_is_closed_to_everyone():
    own = policies(rabbitmq_tls=True)

    for source in ("service", "dead letters", "broker ingress", "dispatcher", "source"):
        assert allows(own, PODS[source], PODS["rabbitmq"], 5671)
        assert not allows(own, PODS[source], PODS["rabbitmq"], 5672)


def test_every_policy_is_declared_with_its_name():
    declared = declare(lambda: Network("n", args()))

    names = declared.outputs["n"]["policies"]
    assert names == [
        f"knative-lambda-{key}"
        for key in (
            "default-deny",
            "dns",
            "functions",
            "builds",
            "service",
            "dead-letters",
            "broker-ingress",
            "dispatchers",
            "source",
        )
    ]
    assert declared.inputs("n-default-deny")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert set(declared.outputs["n"]) == set(Network.__annotations__)


def test_the_service_reaches_the_sinks_of_its_events_and_functions_do_not():
    made = network_policies(
        NetworkArgs(
            namespace="ns",
            broker_name="b",
            rabbitmq_namespace="rabbitmq",
            sink_uris=("http://collector.audit.svc:8081",),
        )
    )
    policies = list(made.values())

    assert allows(policies, Pod("ns", platform_labels("service")), Pod("audit"), 8081)
    assert not allows(policies, Pod("ns", platform_labels("service")), Pod("audit"), 8082)
    assert not allows(policies, Pod("ns", platform_labels("function")), Pod("audit"), 8081)


def test_a_consumer_stands_for_brokers_dispatchers_and_sources():
    made = policies(consumer=True)
    consumer = Pod(OURS, platform_labels("consumer"))

    for sender in ("function", "build", "service", "dead letters", "prometheus"):
        assert allows(made, PODS[sender], consumer, 8080), sender
    for receiver, port in (("service", 8080), ("rabbitmq", 5672), ("gateway", 8081), ("activator", 8012)):
        assert allows(made, consumer, PODS[receiver], port), receiver
    for stranger in ("stranger", "tenant", "dispatcher"):
        assert not allows(made, PODS[stranger], consumer, 8080), stranger
    for closed, port in (("aws", 443), ("api server", 6443), ("dead letters", 8080)):
        assert not allows(made, consumer, PODS[closed], port), closed
    assert not allows(made, PODS["dispatcher"], PODS["service"], 8080)
    assert not allows(policies(), consumer, PODS["service"], 8080)
