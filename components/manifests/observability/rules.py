"""An environment's rules for Prometheus: what is recorded for objectives, and all alerts."""

from typing import Any

from components.manifests.metadata import Manifest, object_meta, platform_labels
from components.manifests.observability import objectives
from components.manifests.observability.alert import Alert
from components.manifests.observability.alerts import builds, delivery, functions, service
from components.manifests.observability.monitors import MONITORING
from components.manifests.observability.scope import Scope

RULES = "knative-lambda"
"""Name of the PrometheusRule."""


def alerts(scope: Scope) -> list[Alert]:
    """Return all alerts of an environment."""
    burning = [
        alert
        for objective in objectives.objectives(scope)
        for alert in objectives.burn_alerts(scope, objective)
    ]
    parts = [part.alerts(scope) for part in (service, builds, delivery, functions)]
    return [*(alert for part in parts for alert in part), *burning]


def groups(scope: Scope) -> list[Manifest]:
    """Return the groups of rules; Prometheus evaluates the rules of a group in their order."""
    recorded: list[Manifest] = [objectives.calls_rule(scope)]
    for objective in objectives.objectives(scope):
        recorded += objectives.recordings(scope, objective)
    return [
        {"name": f"{scope.namespace}.objectives", "interval": "1m", "rules": recorded},
        {
            "name": f"{scope.namespace}.alerts",
            "interval": "30s",
            "rules": [alert.rule(scope) for alert in alerts(scope)],
        },
    ]


def prometheus_rule(scope: Scope, namespace: Any, labels: dict[str, str]) -> Manifest:
    """Return the PrometheusRule; `labels` are what the cluster's Prometheus selects it by."""
    return {
        "apiVersion": MONITORING,
        "kind": "PrometheusRule",
        "metadata": object_meta(RULES, namespace, {**labels, **platform_labels("observability")}),
        "spec": {"groups": groups(scope)},
    }
