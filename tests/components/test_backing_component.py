"""What an environment stands on: RabbitMQ and its content, Knative, certificates, secrets from a store."""

import json

import pytest

from components.backing import Backing, BackingArgs
from components.certificates import Certificates
from components.external_secrets import ExternalSecrets
from components.knative import Knative
from components.manifests.network import rabbitmq_policy
from components.manifests.rabbitmq import SIZES
from components.platform import Platform
from components.rabbitmq import Rabbitmq, RabbitmqArgs
from components.settings import PlatformSettings
from components.topology import Topology
from tests.components.declaring import declare
from tests.components.netpol import Address, Pod, allows

RABBITMQ = {"app.kubernetes.io/name": "rabbitmq-cluster-dev", "app.kubernetes.io/component": "rabbitmq"}


def backing(environment="dev", **values):
    settings = PlatformSettings.parse({"environment": environment, **values})
    namespace = f"knative-lambda-{environment}"
    return declare(lambda: Backing("b", BackingArgs(settings=settings, namespace=namespace)))


@pytest.fixture(scope="module")
def dev():
    return backing()


@pytest.fixture(scope="module")
def prd():
    return backing("prd")


@pytest.fixture(scope="module")
def stored():
    return backing(secretsStore="vault", secretsStored="storage,state,registry,rabbitmq")


def names(declared):
    return {name for _, name, _ in declared.identities()}


def reference(declared, name):
    return declared.inputs(name)["spec"]["rabbitmqClusterReference"]


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("b", Backing),
        ("b-knative", Knative),
        ("b-certificates", Certificates),
        ("b-rabbitmq", Rabbitmq),
        ("b-topology", Topology),
        ("b-secrets", ExternalSecrets),
    ],
)
def test_outputs_are_the_declared_ones(stored, name, component):
    assert set(stored.outputs[name]) == set(component.__annotations__)


def test_what_clients_of_rabbitmq_have_to_know(dev, stored):
    assert dev.outputs["b"] == {
        "amqp_host": "rabbitmq-cluster-dev.rabbitmq-dev.svc.cluster.local",
        "amqp_port": 5671,
        "amqp_handler_secret": "knative-lambda-dead-letters-user-credentials",
        "amqp_consumer_secret": "",
        "amqp_publisher_secret": "notifi-publisher-user-credentials",
        "tls_secret": "rabbitmq-cluster-dev-tls",
    }
    assert stored.outputs["b"]["amqp_handler_secret"] == "knative-lambda-dead-letters-rabbitmq"
    assert backing(tlsEnabled="false").outputs["b"]["amqp_port"] == 5672


def test_rabbitmq_has_the_contracts_size_and_settings(dev, prd):
    small, large = (declared.inputs("b-rabbitmq-cluster")["spec"] for declared in (dev, prd))

    assert (small["replicas"], large["replicas"]) == (1, 3)
    assert large["resources"] == {
        "requests": {"cpu": "500m", "memory": "2Gi"},
        "limits": {"cpu": "1000m", "memory": "4Gi"},
    }
    assert large["persistence"] == {"storage": "20Gi"}
    assert large["rabbitmq"]["additionalConfig"].splitlines()[:2] == [
        "consumer_timeout = 3600000",
        "heartbeat = 60",
    ]
    assert "ssl_options.versions.2 = tlsv1.2" in large["rabbitmq"]["additionalConfig"]


def test_nodes_stay_apart_and_a_drain_takes_one_at_a_time(dev, prd):
    spec = prd.inputs("b-rabbitmq-cluster")["spec"]
    (rule,) = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (spread,) = spec["override"]["statefulSet"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    budget = prd.inputs("b-rabbitmq-budget")["spec"]

    nodes = {**RABBITMQ, "app.kubernetes.io/name": "rabbitmq-cluster-prd"}
    assert rule == {"labelSelector": {"matchLabels": nodes}, "topologyKey": "kubernetes.io/hostname"}
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == (
        "topology.kubernetes.io/zone",
        "ScheduleAnyway",
    )
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": nodes}}
    assert "b-rabbitmq-budget" not in names(dev)
    assert "affinity" not in dev.inputs("b-rabbitmq-cluster")["spec"]


def test_the_platforms_namespace_may_declare_things_in_rabbitmq(dev):
    annotations = dev.inputs("b-rabbitmq-cluster")["metadata"]["annotations"]

    assert annotations == {
        "rabbitmq.com/topology-allowed-namespaces": "knative-lambda-dev",
        "rabbitmq.com/operator-connection-uri": "http://rabbitmq-cluster-dev.rabbitmq-dev.svc:15672",
    }


def test_only_tls_closes_the_other_ports_to_the_operator_as_well():
    cluster = backing(tlsOnly="true").inputs("b-rabbitmq-cluster")

    assert cluster["spec"]["tls"]["disableNonTLSListeners"] is True
    assert cluster["metadata"]["annotations"].keys() == {"rabbitmq.com/topology-allowed-namespaces"}


@pytest.mark.parametrize(("only", "port"), [("false", "prometheus"), ("true", "prometheus-tls")])
def test_metrics_are_read_from_a_port_that_is_open(only, port):
    given = PlatformSettings.parse({"environment": "dev", "tlsOnly": only})

    spec = declare(lambda: Platform("p", given)).inputs("p-observability-rabbitmq-monitor")["spec"]

    assert {endpoint["port"] for endpoint in spec["endpoints"]} == {port}


def test_without_tls_there_is_nothing_of_it():
    plain = backing(tlsEnabled="false")

    assert "tls" not in plain.inputs("b-rabbitmq-cluster")["spec"]
    assert "ssl" not in plain.inputs("b-rabbitmq-cluster")["spec"]["rabbitmq"]["additionalConfig"]
    assert not [name for name in names(plain) if "certificate" in name]


def test_the_namespace_of_rabbitmq_is_guarded_like_the_platforms_own(dev):
    meta = dev.inputs("b-rabbitmq-space-namespace")["metadata"]

    assert meta["name"] == "rabbitmq-dev"
    assert meta["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"


def test_a_rabbitmq_that_is_there_gets_only_its_content():
    found = backing(rabbitmqManaged="false", rabbitmqCluster="shared", rabbitmqNamespace="queues")

    assert not [name for name in names(found) if name.startswith("b-rabbitmq")]
    assert "b-certificates-rabbitmq" not in names(found)
    assert found.inputs("b-certificates-clients")["spec"]["secretName"] == "shared-tls"
    assert reference(found, "b-topology-events-queue") == {"name": "shared", "namespace": "queues"}


QUEUES = {"events": "lambda-events-dev", "dead-letters": "lambda-dlq-queue-dev"}


@pytest.mark.parametrize("role", QUEUES)
def test_queues_are_replicated_and_their_limits_are_policies(dev, role):
    queue, policy = (dev.inputs(f"b-topology-{role}-{kind}")["spec"] for kind in ("queue", "policy"))

    assert {key: queue[key] for key in ("name", "type", "durable", "vhost")} == {
        "name": QUEUES[role],
        "type": "quorum",
        "durable": True,
        "vhost": "/",
    }
    assert "arguments" not in queue
    assert (policy["pattern"], policy["applyTo"]) == (f"^{QUEUES[role]}$", "queues")


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("events", ("cloud-events", "topic")),
        ("dead-letters", ("knative-lambda-dlq", "topic")),
        ("fallback", ("knative-lambda-dlx", "direct")),
    ],
)
def test_exchanges_are_the_contracts(dev, role, kind):
    spec = dev.inputs(f"b-topology-{role}-exchange")["spec"]

    assert (spec["name"], spec["type"]) == kind
    assert spec["durable"] is True


@pytest.mark.parametrize(
    ("role", "way"),
    [
        ("events-network", ("cloud-events", "network.notifi.lambda.#", "lambda-events-dev")),
        ("events-io", ("cloud-events", "io.knative.lambda.#", "lambda-events-dev")),
        ("dead-letters", ("knative-lambda-dlq", "dlq.#", "lambda-dlq-queue-dev")),
        ("fallback", ("knative-lambda-dlx", "dlq", "lambda-dlq-queue-dev")),
    ],
)
def test_bindings_lead_from_exchanges_to_queues(dev, role, way):
    name = f"b-topology-{role}-binding"
    spec = dev.inputs(name)["spec"]

    assert (spec["source"], spec["routingKey"], spec["destination"]) == way
    assert spec["destinationType"] == "queue"
    assert {"b-topology-events-queue", "b-topology-events-exchange"} <= set(dev.depends_on(name))


@pytest.mark.parametrize(
    ("user", "rights"),
    [
        (
            "knative-lambda-dead-letters",
            {
                "configure": "^knative-lambda-dlq[.]desk$",
                "write": "^(knative-lambda-dlq|cloud-events)$",
                "read": "^(lambda-dlq-queue-dev|lambda-dlq-queue-dev-poison)$",
            },
        ),
        ("notifi-publisher", {"configure": "^$", "write": "^cloud-events$", "read": "^$"}),
        ("knative-lambda-source", {"configure": "^$", "write": "^$", "read": "^lambda-events-dev$"}),
    ],
)
def test_each_user_may_do_just_its_work(stored, user, rights):
    permission = stored.inputs(f"b-topology-{user}-permission")["spec"]

    assert permission["permissions"] == rights
    assert permission["userReference"] == {"name": user}
    assert stored.inputs(f"b-topology-{user}-user")["spec"]["importCredentialsSecret"] == {
        "name": f"{user}-rabbitmq"
    }
    assert "tags" not in stored.inputs(f"b-topology-{user}-user")["spec"]


def test_without_a_store_rabbitmqs_operator_makes_the_credentials_up(dev):
    assert dev.inputs("b-topology-notifi-publisher-user")["spec"] == {
        "rabbitmqClusterReference": {"name": "rabbitmq-cluster-dev", "namespace": "rabbitmq-dev"}
    }
    assert "b-topology-knative-lambda-source-user" not in names(dev)


def test_a_source_brings_others_events_to_the_broker(dev, stored):
    spec = dev.inputs("b-topology-source")["spec"]

    assert spec["rabbitmqResourcesConfig"] == {
        "exchangeName": "cloud-events",
        "queueName": "lambda-events-dev",
        "predeclared": True,
        "parallelism": 10,
        "vhost": "/",
    }
    assert spec["sink"]["ref"]["kind"] == "Broker"
    assert spec["sink"]["ref"]["name"] == "knative-lambda-broker-dev"
    assert spec["delivery"] == {"retry": 5, "backoffPolicy": "exponential", "backoffDelay": "PT1S"}
    assert spec["rabbitmqClusterReference"] == {
        "name": "rabbitmq-cluster-dev",
        "namespace": "rabbitmq-dev",
    }
    assert reference(stored, "b-topology-source") == {
        "namespace": "knative-lambda-dev",
        "connectionSecret": {"name": "knative-lambda-source-rabbitmq"},
    }


def test_the_broker_comes_after_rabbitmq():
    declared = declare(lambda: Platform("p", PlatformSettings.parse({"environment": "dev"})))

    assert "p-backing-rabbitmq-cluster" in declared.depends_on("p-eventing-config")
    assert "p-eventing-config" in declared.depends_on("p-eventing-broker")


def test_everything_in_rabbitmq_waits_for_it_and_it_waits_for_its_certificate(dev):
    assert "b-rabbitmq-cluster" in dev.depends_on("b-topology-events-queue")
    assert "b-certificates-rabbitmq" in dev.depends_on("b-rabbitmq-cluster")


CERTIFICATES = {
    "clients": ("knative-lambda-dev", "rabbitmq-cluster-dev-tls", ["digital signature", "client auth"]),
    "rabbitmq": (
        "rabbitmq-dev",
        "rabbitmq-cluster-dev-tls",
        ["digital signature", "server auth", "client auth"],
    ),
    "service": ("knative-lambda-dev", "knative-lambda-builder-tls", ["digital signature", "server auth"]),
}


@pytest.mark.parametrize("role", CERTIFICATES)
def test_certificates_are_renewed_thirty_days_before_they_end(dev, role):
    certificate = dev.inputs(f"b-certificates-{role}")
    spec = certificate["spec"]

    assert (certificate["metadata"]["namespace"], spec["secretName"], spec["usages"]) == CERTIFICATES[role]
    assert (spec["duration"], spec["renewBefore"]) == ("2160h0m0s", "720h0m0s")
    assert spec["issuerRef"] == {
        "group": "cert-manager.io",
        "kind": "ClusterIssuer",
        "name": "knative-lambda-dev",
    }
    assert spec["privateKey"]["rotationPolicy"] == "Always"
    assert len(spec["commonName"]) <= 64


def test_rabbitmqs_certificate_has_every_name_that_it_is_called_by(dev):
    spec = dev.inputs("b-certificates-rabbitmq")["spec"]

    assert "rabbitmq-cluster-dev.rabbitmq-dev.svc.cluster.local" in spec["dnsNames"]
    assert "*.rabbitmq-cluster-dev-nodes.rabbitmq-dev.svc.cluster.local" in spec["dnsNames"]
    assert dev.inputs("b-rabbitmq-cluster")["spec"]["tls"] == {
        "secretName": "rabbitmq-cluster-dev-tls",
        "caSecretName": "rabbitmq-cluster-dev-tls",
        "disableNonTLSListeners": False,
    }


def test_an_environment_is_its_own_authority_unless_one_is_named(dev):
    authority = dev.inputs("b-certificates-authority")

    assert authority["metadata"]["namespace"] == "cert-manager"
    assert authority["spec"]["isCA"] is True
    assert authority["spec"]["usages"] == ["cert sign", "crl sign"]
    assert dev.inputs("b-certificates-issuer")["spec"] == {
        "ca": {"secretName": "knative-lambda-dev-authority"}
    }
    named = backing(tlsIssuer="company")
    assert "b-certificates-authority" not in names(named)
    assert named.inputs("b-certificates-service")["spec"]["issuerRef"]["name"] == "company"


def test_knative_serves_inside_the_cluster_only_and_scales_to_zero(dev):
    spec = dev.inputs("b-knative-serving")["spec"]

    assert spec["config"]["domain"] == {"svc.cluster.local": ""}
    assert spec["ingress"] == {
        "kourier": {"enabled": True, "service-type": "ClusterIP"},
        "istio": {"enabled": False},
        "contour": {"enabled": False},
    }
    assert spec["config"]["network"] == {"ingress-class": "kourier.ingress.networking.knative.dev"}
    assert spec["config"]["autoscaler"]["enable-scale-to-zero"] == "true"
    assert spec["config"]["autoscaler"]["container-concurrency-target-percentage"] == "70"
    assert all(isinstance(value, str) for table in spec["config"].values() for value in table.values()), (
        "the operator copies them into ConfigMaps"
    )


@pytest.mark.parametrize(("environment", "replicas"), [("dev", 1), ("stg", 2), ("prd", 3)])
def test_knative_is_as_available_as_its_environment(environment, replicas):
    declared = backing(environment)

    for name in ("b-knative-serving", "b-knative-eventing"):
        assert declared.inputs(name)["spec"]["high-availability"] == {"replicas": replicas}


def test_another_gateway_and_a_registry_without_https_are_told_to_knative():
    given = {"knativeIngress": "contour", "knativeUntaggedRegistries": "registry.test:5000,other:5000"}

    spec = backing(**given).inputs("b-knative-serving")["spec"]

    assert spec["ingress"]["contour"] == {"enabled": True}
    assert spec["ingress"]["kourier"] == {"enabled": False}
    assert (
        spec["config"]["deployment"]["registries-skipping-tag-resolving"] == "registry.test:5000,other:5000"
    )


def test_an_environment_that_shares_its_cluster_leaves_knative_to_another():
    assert not [name for name in names(backing(knativeManaged="false")) if "knative-" in name[:10]]


def test_secrets_from_a_store_are_read_every_hour(stored):
    keys = stored.inputs("b-secrets-knative-lambda-storage")["spec"]

    assert keys["refreshInterval"] == "1h0m0s"
    assert keys["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "vault"}
    assert keys["data"] == [
        {
            "secretKey": "access_key_id",
            "remoteRef": {"key": "knative-lambda/dev/storage", "property": "access-key-id"},
        },
        {
            "secretKey": "secret_access_key",
            "remoteRef": {"key": "knative-lambda/dev/storage", "property": "secret-access-key"},
        },
    ]
    assert keys["target"]["template"]["data"] == {
        "access-key-id": "{{ .access_key_id }}",
        "secret-access-key": "{{ .secret_access_key }}",
    }
    assert stored.outputs["b-secrets"]["names"] == [
        "knative-lambda-storage",
        "knative-lambda-state",
        "knative-lambda-registry-pull",
        "knative-lambda-registry-push",
        "knative-lambda-dead-letters-rabbitmq",
        "notifi-publisher-rabbitmq",
        "knative-lambda-source-rabbitmq",
    ]


def test_the_sources_credentials_come_with_the_address_that_it_needs(stored):
    template = stored.inputs("b-secrets-knative-lambda-source-rabbitmq")["spec"]["target"]["template"]

    assert template["data"] == {
        "username": "{{ .username }}",
        "password": "{{ .password }}",
        "uri": "https://rabbitmq-cluster-dev.rabbitmq-dev.svc.cluster.local",
        "port": "5671",
        "caSecretName": "rabbitmq-cluster-dev-tls",
    }


def test_no_secret_passes_through_the_stack(stored):
    assert "core/v1:Secret" not in json.dumps([kind for kind, *_ in stored.identities()])


PODS = {
    "node": Pod("rabbitmq-dev", RABBITMQ),
    "handler": Pod("knative-lambda-dev", {"app.kubernetes.io/component": "dead-letters"}),
    "notifi": Pod("notifi", {"app": "notifi-scheduler"}),
    "operator": Pod("rabbitmq-system", {"app.kubernetes.io/name": "messaging-topology-operator"}),
    "prometheus": Pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "stranger": Pod("default", {"app": "stranger"}),
    "neighbour": Pod("rabbitmq-dev", {"app": "other"}),
    "metadata": Address("169.254.169.254"),
    "api server": Address("10.0.0.1"),
    "internet": Address("52.94.133.131"),
}


@pytest.mark.parametrize(
    ("source", "target", "port", "allowed"),
    [
        ("handler", "node", 5671, True),
        ("notifi", "node", 5671, True),
        ("operator", "node", 15671, True),
        ("operator", "node", 15672, True),
        ("prometheus", "node", 15692, True),
        ("node", "node", 25672, True),
        ("node", "node", 4369, True),
        ("node", "api server", 443, True),
        ("handler", "node", 5672, False),
        ("handler", "node", 15672, False),
        ("notifi", "node", 15672, False),
        ("operator", "node", 5671, False),
        ("stranger", "node", 5671, False),
        ("neighbour", "node", 25672, False),
        ("node", "metadata", 443, False),
        ("node", "internet", 80, False),
    ],
)
def test_rabbitmq_is_reached_by_its_clients_and_its_operator_only(source, target, port, allowed):
    args = RabbitmqArgs(
        cluster="rabbitmq-cluster-dev",
        namespace="rabbitmq-dev",
        namespace_name="rabbitmq-dev",
        size=SIZES["dev"],
        client_namespace="knative-lambda-dev",
        tls_secret="rabbitmq-cluster-dev-tls",
    )

    assert allows([rabbitmq_policy(args)], PODS[source], PODS[target], port) is allowed


def test_the_service_takes_what_the_store_holds_and_makes_none_of_it():
    """Its variables name Secrets that ExternalSecrets make."""
    given = {
        "environment": "dev",
        "storageEndpoint": "http://minio.storage.svc:9000",
        "registryAddress": "registry.test",
        "secretsStore": "vault",
        "secretsStored": "storage,state,registry",
    }
    declared = declare(lambda: Platform("p", PlatformSettings.parse(given)))

    made = declared.outputs["p-backing-secrets"]["names"]
    (container,) = declared.inputs("p-service-deployment")["spec"]["template"]["spec"]["containers"]
    named = {
        variable["valueFrom"]["secretKeyRef"]["name"]
        for variable in container["env"]
        if "secretKeyRef" in variable.get("valueFrom", {})
    }
    plain = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert named == {"knative-lambda-storage", "knative-lambda-state"}
    assert {*named, plain["REGISTRY_PULL_SECRET"], plain["REGISTRY_PUSH_SECRET"]} == set(made)
    assert "kubernetes:core/v1:Secret" not in {kind for kind, *_ in declared.identities()}


def test_an_environment_with_a_namespace_of_its_own_is_named_by_it_throughout():
    given = PlatformSettings.parse({"environment": "dev", "namespace": "team-dev"})
    declared = declare(lambda: Platform("p", given))

    allowed = declared.inputs("p-backing-rabbitmq-cluster")["metadata"]["annotations"]
    assert allowed["rabbitmq.com/topology-allowed-namespaces"] == "team-dev"
    assert declared.inputs("p-backing-certificates-issuer")["metadata"]["name"] == "team-dev"
    outputs = declared.outputs["p"]
    assert outputs["dead_letter_sink"] == "http://knative-lambda-dlq-handler.team-dev.svc.cluster.local"
    assert ".team-dev.svc." in outputs["broker_url"]
