"""What an environment is watched by."""

import json

import pytest

from components.manifests.metadata import platform_labels
from components.manifests.network import network_policies
from components.manifests.observability import monitors, telemetry
from components.manifests.observability.scope import Scope
from components.network import NetworkArgs
from components.observability import Observability, ObservabilityArgs
from components.platform import Platform
from components.settings import PlatformSettings
from tests.components.declaring import declare
from tests.components.netpol import Address, Pod, allows

SCOPE = Scope(
    environment="dev",
    namespace="knative-lambda-dev",
    rabbitmq_namespace="rabbitmq-dev",
    rabbitmq_cluster="rabbitmq-cluster-dev",
    builds=5,
)
DASHBOARDS = ["overview", "builds", "functions", "dead-letters", "slo", "cost"]


def settings(**values):
    return PlatformSettings.parse({"environment": "dev", **values})


def platform(**values):
    return declare(lambda: Platform("platform", settings(**values)))


@pytest.fixture(scope="module")
def declared():
    args = ObservabilityArgs(
        namespace="knative-lambda-dev",
        scope=SCOPE,
        labels={"release": "prometheus"},
        dashboard_labels={"grafana_dashboard": "1"},
    )
    return declare(lambda: Observability("watching", args))


def test_the_service_and_the_handler_of_dead_letters_are_scraped_every_half_minute(declared):
    for role, component in (("service", "service"), ("dead-letters", "dead-letters")):
        spec = declared.inputs(f"watching-{role}-monitor")["spec"]
        assert spec["selector"]["matchLabels"] == platform_labels(component)
        assert spec["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "30s"}]


def test_functions_are_scraped_on_their_own_port_every_quarter_of_a_minute(declared):
    spec = declared.inputs("watching-functions-monitor")["spec"]

    (endpoint,) = spec["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == ("user-port", "/metrics", "15s")
    assert spec["selector"]["matchLabels"] == platform_labels("function")


def test_a_function_cannot_pass_its_series_off_as_anothers(declared):
    """What it says of itself is dropped, and of its metrics only the wrapper's are taken, up to a limit."""
    spec = declared.inputs("watching-functions-monitor")["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]

    assert "honorLabels" not in endpoint
    assert endpoint["relabelings"][0]["targetLabel"] == "function"
    assert endpoint["metricRelabelings"] == [
        {"action": "keep", "sourceLabels": ["__name__"], "regex": "knative_lambda_function_.+"},
        {"action": "labeldrop", "regex": "exported_.+"},
    ]
    assert spec["sampleLimit"] == 100


def test_rabbitmq_is_asked_for_its_nodes_and_for_each_queue(declared):
    spec = declared.inputs("watching-rabbitmq-monitor")["spec"]

    assert spec["namespaceSelector"] == {"matchNames": ["rabbitmq-dev"]}
    assert spec["selector"]["matchLabels"]["app.kubernetes.io/name"] == "rabbitmq-cluster-dev"
    assert [endpoint["path"] for endpoint in spec["endpoints"]] == ["/metrics", "/metrics/detailed"]
    assert {endpoint["port"] for endpoint in spec["endpoints"]} == {"prometheus"}
    assert spec["endpoints"][1]["params"] == {"family": ["queue_coarse_metrics", "queue_consumer_count"]}


def test_rabbitmq_with_tls_only_is_asked_over_tls_and_has_to_prove_its_name():
    endpoints = monitors.monitors(SCOPE, "ns", {}, "rabbitmq-ca")["rabbitmq"]["spec"]["endpoints"]

    for endpoint in endpoints:
        assert (endpoint["port"], endpoint["scheme"]) == ("prometheus-tls", "https")
        assert endpoint["tlsConfig"] == {
            "ca": {"secret": {"name": "rabbitmq-ca", "key": "ca.crt"}},
            "serverName": "rabbitmq-cluster-dev.rabbitmq-dev.svc",
        }


def test_everything_carries_what_prometheus_and_grafana_look_for(declared):
    names = {name: kind for kind, name, _ in declared.identities() if name != "watching"}
    for name, kind in names.items():
        labels = declared.inputs(name)["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == "observability"
        wanted = "grafana_dashboard" if kind.endswith("ConfigMap") else "release"
        assert wanted in labels

    assert len(names) == 4 + 1 + len(DASHBOARDS)


def test_each_dashboard_is_a_config_map_with_one_file(declared):
    for key in DASHBOARDS:
        manifest = declared.inputs(f"watching-{key}-dashboard")
        ((name, text),) = manifest["data"].items()
        assert name == f"knative-lambda-dev-{key}.json"
        assert json.loads(text)["uid"] == f"knative-lambda-dev-{key}"
        assert len(text) < 256 * 1024

    assert declared.outputs["watching"] == {
        "dashboards": [f"knative-lambda-dashboard-{key}" for key in DASHBOARDS]
    }
    assert set(declared.outputs["watching"]) == set(Observability.__annotations__)


def test_every_alert_leads_to_its_runbook(declared):
    (_, alerts) = declared.inputs("watching-rules")["spec"]["groups"]

    for rule in alerts["rules"]:
        assert rule["annotations"]["runbook_url"] == f"docs/observability.md#{rule['alert'].lower()}"
        assert rule["labels"]["environment"] == "dev"


def test_what_users_set_reaches_rules_and_dashboards():
    declared = platform(
        observabilityLabels="release=kps, team=a",
        observabilityDashboardLabels="dashboards=yes",
        observabilityRunbookUrl="https://wiki.test/runbook",
        observabilityAvailabilityPercent="99.5",
        observabilityBuildSeconds="240",
        observabilityDeadLetters="7",
        quotaBuilds="40",
    )
    groups = declared.inputs("platform-observability-rules")["spec"]["groups"]
    rules = {rule.get("alert", rule.get("record")): rule for group in groups for rule in group["rules"]}

    assert rules["BuildSlow"]["expr"].endswith("> 240")
    assert rules["DLQAboveThreshold"]["expr"].endswith("> 7")
    assert rules["BuildsNearLimit"]["expr"].endswith(">= 36")
    assert "> 0.072" in next(
        rule["expr"]
        for rule in groups[1]["rules"]
        if (rule["alert"], rule["labels"]["severity"]) == ("EventsAvailabilityBudgetBurn", "critical")
    )
    assert rules["BuildSlow"]["annotations"]["runbook_url"] == "https://wiki.test/runbook#buildslow"
    labels = declared.inputs("platform-observability-rules")["metadata"]["labels"]
    assert (labels["release"], labels["team"]) == ("kps", "a")
    assert (
        declared.inputs("platform-observability-slo-dashboard")["metadata"]["labels"]["dashboards"] == "yes"
    )


@pytest.mark.parametrize(
    ("environment", "given", "there"),
    [
        pytest.param("local", {}, False, id="local"),
        pytest.param("dev", {}, True, id="dev"),
        pytest.param("dev", {"observabilityEnabled": "false"}, False, id="off"),
        pytest.param("local", {"observabilityEnabled": "true"}, True, id="on"),
    ],
)
def test_it_is_declared_where_it_is_wanted(environment, given, there):
    declared = declare(lambda: Platform("p", PlatformSettings.parse({"environment": environment, **given})))

    assert ("p-observability" in {name for _, name, _ in declared.identities()}) is there


def variables(endpoint="http://alloy.observability.svc:4317", ratio=1.0):
    return telemetry.environment(
        service="knative-lambda-builder",
        environment="dev",
        namespace="knative-lambda-dev",
        endpoint=endpoint,
        trace_ratio=ratio,
    )


def test_an_opentelemetry_sdk_is_told_where_traces_go():
    first, *others = variables()

    assert first == {
        "name": "OTEL_POD_NAME",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
    }
    assert {each["name"]: each["value"] for each in others} == {
        "OTEL_SERVICE_NAME": "knative-lambda-builder",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://alloy.observability.svc:4317",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=knative-lambda,deployment.environment=dev,"
        "k8s.namespace.name=knative-lambda-dev,k8s.pod.name=$(OTEL_POD_NAME)",
    }


def test_the_collectors_port_tells_its_protocol():
    values = {each["name"]: each.get("value") for each in variables("https://otlp.test:4318", 0.05)}

    assert values["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    assert values["OTEL_TRACES_SAMPLER_ARG"] == "0.05"


def test_without_a_collector_nothing_is_told():
    assert variables(endpoint="") == []


@pytest.mark.parametrize("component", ["service", "function"])
def test_a_collector_can_be_reached_where_it_is_and_nowhere_else(component):
    def policies(endpoint):
        args = NetworkArgs(
            namespace="ns", broker_name="b", rabbitmq_namespace="rabbitmq", otlp_endpoint=endpoint
        )
        return list(network_policies(args).values())

    pod = Pod("ns", platform_labels(component))
    inside, outside = policies("http://alloy.observability.svc:4317"), policies("https://otlp.test:4318")

    assert allows(inside, pod, Pod("observability"), 4317)
    assert not allows(inside, pod, Pod("observability"), 4318)
    assert not allows(inside, pod, Pod("other"), 4317)
    assert allows(outside, pod, Address("203.0.113.1"), 4318)
    assert not allows(outside, pod, Address("169.254.169.254"), 4318)
    assert not allows(policies(""), pod, Pod("observability"), 4317)
