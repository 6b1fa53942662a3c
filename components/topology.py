"""Topology: the exchanges, queues and users of an environment in its RabbitMQ, and the way to the Broker."""

from dataclasses import dataclass, field

import pulumi

from components.declare import custom, within
from components.manifests import topology as manifests


@dataclass(frozen=True, kw_only=True)
class TopologyArgs:
    """Which RabbitMQ, and for whom."""

    namespace: pulumi.Input[str]
    """Namespace of the platform: the objects are there, and the Secrets of the users."""
    cluster: str
    """Name of the RabbitmqCluster."""
    cluster_namespace: str
    """Its namespace; the cluster has to allow `namespace` (`rabbitmq.com/topology-allowed-namespaces`)."""
    events_queue: str
    """Queue of events that others publish."""
    dead_letter_queue: str
    """Queue of dead letters."""
    broker_name: str
    """Broker that those events are brought to."""
    source_name: str = "knative-lambda-source"
    """Name of the RabbitmqSource."""
    source_annotations: dict[str, str] = field(default_factory=dict)
    """What the RabbitmqSource's pod may use."""
    consumer: bool = False
    """Whether our consumer takes the events, not a RabbitmqSource."""
    stored_credentials: bool = False
    """Whether the users' credentials come from a secret store; else RabbitMQ's operator makes them up."""


class Topology(pulumi.ComponentResource):
    """What is declared inside RabbitMQ, with rights for each user to just its exchange or queue."""

    handler_secret: pulumi.Output[str]
    """Secret with `username` and `password` of the handler of dead letters."""
    consumer_secret: pulumi.Output[str]
    """Secret with `username` and `password` of the consumer; empty: there is none."""
    publisher_secret: pulumi.Output[str]
    """Secret with `username` and `password` of who publishes to the exchange `cloud-events`."""

    def __init__(self, name: str, args: TopologyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Topology", name, None, opts)
        child = within(self, opts)
        first: list[pulumi.Resource] = [
            custom(f"{name}-{role}", planned, child) for role, planned in manifests.topology(args).items()
        ]
        after = pulumi.ResourceOptions(parent=self, depends_on=first)
        connected: list[pulumi.Resource] = [
            custom(f"{name}-{role}", planned, after) for role, planned in manifests.connections(args).items()
        ]
        if not args.consumer:
            last = pulumi.ResourceOptions(parent=self, depends_on=connected)
            custom(f"{name}-source", manifests.source(args), last)
        taker = manifests.credentials(args, manifests.CONSUMER_USER) if args.consumer else ""
        self.consumer_secret = pulumi.Output.from_input(taker)
        self.handler_secret = pulumi.Output.from_input(manifests.credentials(args, manifests.HANDLER_USER))
        self.publisher_secret = pulumi.Output.from_input(
            manifests.credentials(args, manifests.PUBLISHER_USER)
        )
        self.register_outputs({key: getattr(self, key) for key in Topology.__annotations__})
