"""Rabbitmq: the cluster behind an environment's Broker."""

from dataclasses import dataclass

import pulumi

from components.declare import custom, within
from components.manifests import network
from components.manifests import rabbitmq as manifests
from components.manifests.rabbitmq import Size


@dataclass(frozen=True, kw_only=True)
class RabbitmqArgs:
    """Which cluster, how large, and who talks to it."""

    cluster: str
    """Name of the RabbitmqCluster."""
    namespace: pulumi.Input[str]
    """Its namespace."""
    namespace_name: str
    """The same, for host names."""
    size: Size
    """Nodes and what each may use."""
    client_namespace: str
    """Namespace whose pods are its clients, and whose exchanges and queues its operator makes in it."""
    publisher_namespace: str = "notifi"
    """Namespace whose pods publish straight to it."""
    operator_namespace: str = "rabbitmq-system"
    """Namespace of RabbitMQ's operators."""
    monitoring_namespace: str = "monitoring"
    """Namespace of Prometheus."""
    api_server_cidr: str = ""
    """Addresses of the API server, which nodes find each other by; empty: any."""
    storage_class: str = ""
    """StorageClass of the nodes' volumes; empty: the cluster's default."""
    tls_secret: str = ""
    """Secret with `tls.crt`, `tls.key` and `ca.crt`; empty: no TLS."""
    tls_only: bool = False
    """Whether the ports without TLS are closed; RabbitMQ's topology operator has to trust `ca.crt` then."""


class Rabbitmq(pulumi.ComponentResource):
    """A RabbitmqCluster whose nodes stay apart, with a disruption budget and a network policy of its own."""

    host: pulumi.Output[str]
    """Name of its Service for AMQP, known once the cluster is declared."""
    port: pulumi.Output[int]
    """Port for AMQP: 5671 with TLS, 5672 without."""

    def __init__(self, name: str, args: RabbitmqArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Rabbitmq", name, None, opts)
        child = within(self, opts)
        custom(f"{name}-policy", network.rabbitmq_policy(args), child)
        if args.size.replicas > 1:
            custom(f"{name}-budget", manifests.disruption_budget(args), child)
        cluster = custom(f"{name}-cluster", manifests.cluster(args), child)
        host = manifests.amqp_host(args.cluster, args.namespace_name)
        self.host = cluster.metadata.apply(lambda _: host)
        self.port = pulumi.Output.from_input(network.amqp_port(bool(args.tls_secret)))
        self.register_outputs({"host": self.host, "port": self.port})
