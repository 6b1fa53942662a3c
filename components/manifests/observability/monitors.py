"""What Prometheus is to scrape in an environment: the service and dead letters, all functions, RabbitMQ.

Knative's own components are left out: their metrics are off unless a cluster's administrator turns them on
(knative.dev/pkg, observability/metrics/config.go), and what is needed of them RabbitMQ and kube-state-metrics
tell as well, under names that do not change with Knative's version (docs/decisions/0048).
"""

from typing import Any, Final

from components.manifests.metadata import Manifest, object_meta, platform_labels
from components.manifests.observability.scope import (
    CONSUMER_JOB,
    DEAD_LETTERS_JOB,
    FUNCTIONS_JOB,
    SERVICE_JOB,
    Scope,
)

MONITORING: Final = "monitoring.coreos.com/v1"

PORT_NAME: Final = "http"
"""Name of the port of our Services that serves /metrics."""

FUNCTION_PORT: Final = "user-port"
"""What Knative calls a function's own port (serving, pkg/apis/serving/v1/revision_helpers.go)."""

SERVICE_INTERVAL: Final = "30s"
FUNCTION_INTERVAL: Final = "15s"
"""Contract, section 6."""

FUNCTION_METRICS: Final = "knative_lambda_function_"
"""What the names of a function's metrics begin with."""

FUNCTION_SAMPLES: Final = 100
"""Most series of one instance of a function: the wrapper has some 20, and one for each type of error."""

_QUEUE_FAMILIES: Final = ["queue_coarse_metrics", "queue_consumer_count"]


def monitors(
    scope: Scope, namespace: Any, labels: dict[str, str], ca_secret: str = ""
) -> dict[str, Manifest]:
    """Return the monitors by what they watch; `labels` are what the cluster's Prometheus selects them by.

    `ca_secret` in our namespace holds the `ca.crt` of a RabbitMQ that answers over TLS only.
    """
    return {
        "service": _service(SERVICE_JOB, namespace, "service", labels),
        "dead-letters": _service(DEAD_LETTERS_JOB, namespace, "dead-letters", labels),
        **({"consumer": _service(CONSUMER_JOB, namespace, "consumer", labels)} if scope.consumer else {}),
        "functions": _functions(namespace, labels),
        "rabbitmq": _rabbitmq(scope, namespace, labels, ca_secret),
    }


def _service(name: str, namespace: Any, component: str, labels: dict[str, str]) -> Manifest:
    """Return a monitor of one of our Services, which says with labels what it is."""
    spec = {
        "selector": {"matchLabels": platform_labels(component)},
        "endpoints": [{"port": PORT_NAME, "path": "/metrics", "interval": SERVICE_INTERVAL}],
    }
    return _monitor("ServiceMonitor", name, namespace, labels, spec)


def _functions(namespace: Any, labels: dict[str, str]) -> Manifest:
    """Return a monitor of all functions' pods: a Knative Service has no Service of its own to be scraped by.

    What runs there is other people's code: only the wrapper's metrics are taken, as many as it has, and whose
    they are is what Knative says on the pod, not what the pod says.
    """
    named = {
        "sourceLabels": ["__meta_kubernetes_pod_label_serving_knative_dev_service"],
        "targetLabel": "function",
    }
    endpoint = {
        "port": FUNCTION_PORT,
        "path": "/metrics",
        "interval": FUNCTION_INTERVAL,
        "relabelings": [named, _REVISION, {"action": "labeldrop", "regex": "endpoint|container"}],
        "metricRelabelings": [
            {"action": "keep", "sourceLabels": ["__name__"], "regex": f"{FUNCTION_METRICS}.+"},
            {"action": "labeldrop", "regex": "exported_.+"},
        ],
    }
    spec = {
        "selector": {"matchLabels": platform_labels("function")},
        "podMetricsEndpoints": [endpoint],
        "sampleLimit": FUNCTION_SAMPLES,
        "bodySizeLimit": "1MB",
    }
    return _monitor("PodMonitor", FUNCTIONS_JOB, namespace, labels, spec)


_REVISION: Final = {
    "sourceLabels": ["__meta_kubernetes_pod_label_serving_knative_dev_revision"],
    "targetLabel": "revision",
}
"""Knative's name of an instance's revision, which a rollout is judged by."""


def _rabbitmq(scope: Scope, namespace: Any, labels: dict[str, str], ca_secret: str) -> Manifest:
    """Return a monitor of the cluster's nodes, and of each queue's depth and consumers.

    /metrics adds all queues of a node up, /metrics/detailed tells them apart (RabbitMQ,
    deps/rabbitmq_prometheus). Plain on port 15692, or with TLS only on 15691 (cluster-operator,
    internal/resource/service.go).
    """
    names = {"app.kubernetes.io/name": scope.rabbitmq_cluster, "app.kubernetes.io/component": "rabbitmq"}
    queues = {"path": "/metrics/detailed", "params": {"family": _QUEUE_FAMILIES}}
    port = _tls_port(scope, ca_secret) if ca_secret else {"port": "prometheus"}
    spec = {
        "namespaceSelector": {"matchNames": [scope.rabbitmq_namespace]},
        "selector": {"matchLabels": names},
        "endpoints": [
            {**port, "interval": SERVICE_INTERVAL, **path} for path in ({"path": "/metrics"}, queues)
        ],
    }
    return _monitor("ServiceMonitor", "knative-lambda-rabbitmq", namespace, labels, spec)


def _tls_port(scope: Scope, ca_secret: str) -> Manifest:
    name = f"{scope.rabbitmq_cluster}.{scope.rabbitmq_namespace}.svc"
    authority = {"secret": {"name": ca_secret, "key": "ca.crt"}}
    return {"port": "prometheus-tls", "scheme": "https", "tlsConfig": {"ca": authority, "serverName": name}}


def _monitor(kind: str, name: str, namespace: Any, labels: dict[str, str], spec: Manifest) -> Manifest:
    ours = platform_labels("observability")
    return {
        "apiVersion": MONITORING,
        "kind": kind,
        "metadata": object_meta(name, namespace, {**labels, **ours}),
        "spec": spec,
    }
