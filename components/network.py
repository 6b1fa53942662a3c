"""Network: which connections an environment's pods may make and take."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests import network as manifests


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Where the neighbours are."""

    namespace: pulumi.Input[str]
    """Namespace whose pods are restricted."""
    broker_name: str
    """Name of the Broker whose ingress and dispatchers run there."""
    rabbitmq_namespace: str
    """Namespace of the RabbitmqCluster."""
    rabbitmq_tls: bool = False
    """Whether RabbitMQ is spoken to over TLS: port 5671 in the place of 5672."""
    source_name: str = "knative-lambda-source"
    """Name of the RabbitmqSource whose adapter runs there."""
    serving_namespace: str = "knative-serving"
    """Namespace of Knative's activator and autoscaler."""
    ingress_namespace: str = "knative-serving"
    """Namespace of the gateway that Knative Services are reached through."""
    monitoring_namespace: str = "monitoring"
    """Namespace of Prometheus."""
    notifi_namespace: str = "notifi"
    """Namespace of Notifi's services."""
    api_server_cidr: str = ""
    """Addresses of the API server; empty: any."""
    storage_endpoint: str = ""
    """URL of S3-compatible storage; empty: AWS."""
    allowed_registries: tuple[str, ...] = ()
    """Registries; one with a port of its own opens that port for builds and the automation service."""
    scan_database: str = ""
    """Repository of the database that builds' scanners fetch; its registry's port is opened for builds."""
    flux_namespace: str = ""
    """Namespace of Flux, whose Receivers get events; empty: none does."""
    otlp_endpoint: str = ""
    """URL of the OpenTelemetry collector that the automation service and functions may reach; empty: none."""
    subscriber_uri: str = ""
    """Where the automation service takes events, if not at its Service."""
    broker_uri: str = ""
    """Where pods send events, if not to the Broker's ingress in the namespace."""
    sink_uris: tuple[str, ...] = ()
    """Where the automation service sends events besides the Broker."""
    consumer: bool = False
    """Whether our consumer stands for Broker, dispatchers and source."""
    dead_letter_uri: str = ""
    """Where undeliverable events go, if not to their Service."""


class Network(pulumi.ComponentResource):
    """NetworkPolicies: nothing in, nothing out, and one policy for each kind of pod with what it may do."""

    policies: pulumi.Output[list[str]]
    """Names of the policies, in order."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Network", name, None, opts)
        planned = manifests.network_policies(args)
        for key, policy in planned.items():
            custom(f"{name}-{key}", policy, pulumi.ResourceOptions(parent=self))
        self.policies = pulumi.Output.from_input(
            [str(policy["metadata"]["name"]) for policy in planned.values()]
        )
        self.register_outputs({"policies": self.policies})
