"""Observability: what Prometheus scrapes and watches, and what Grafana shows."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests.observability.config_maps import config_maps
from components.manifests.observability.monitors import monitors
from components.manifests.observability.rules import prometheus_rule
from components.manifests.observability.scope import Scope


@dataclass(frozen=True, kw_only=True)
class ObservabilityArgs:
    """Of which environment, and how the cluster's Prometheus and Grafana find what is declared."""

    namespace: pulumi.Input[str]
    """Namespace that is watched, and that the objects are in."""
    scope: Scope
    """Where the metrics come from, and the thresholds."""
    labels: dict[str, str]
    """On monitors and rules, besides ours."""
    dashboard_labels: dict[str, str]
    """On the dashboards' ConfigMaps, besides ours."""
    rabbitmq_ca_secret: str = ""
    """Secret in the namespace with the `ca.crt` of a RabbitMQ that speaks TLS only; empty: it does not."""


class Observability(pulumi.ComponentResource):
    """ServiceMonitors and a PodMonitor, a PrometheusRule, a ConfigMap for each dashboard."""

    dashboards: pulumi.Output[list[str]]
    """Names of the dashboards' ConfigMaps, in order."""

    def __init__(
        self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("knative-lambda:components:Observability", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        watched = monitors(args.scope, args.namespace, args.labels, args.rabbitmq_ca_secret)
        for role, monitor in watched.items():
            custom(f"{name}-{role}-monitor", monitor, child)
        custom(f"{name}-rules", prometheus_rule(args.scope, args.namespace, args.labels), child)
        planned = config_maps(args.scope, args.namespace, args.dashboard_labels)
        for key, manifest in planned.items():
            custom(f"{name}-{key}-dashboard", manifest, child)
        self.dashboards = pulumi.Output.from_input(
            [str(manifest["metadata"]["name"]) for manifest in planned.values()]
        )
        self.register_outputs({"dashboards": self.dashboards})
