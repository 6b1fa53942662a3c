"""Broker: where an environment's events go in, and the Triggers that bring the platform its own."""

from dataclasses import dataclass
from typing import Any

import pulumi

from components.declare import custom, within
from components.manifests import broker as manifests
from components.manifests.metadata import platform_labels
from components.manifests.trigger import Delivery, sink, trigger
from components.naming import event_trigger_name


@dataclass(frozen=True, kw_only=True)
class BrokerArgs:
    """Which Broker, over which RabbitMQ cluster, and which events the automation service gets."""

    broker_name: str
    """Name of the Broker."""
    namespace: pulumi.Input[str]
    """Namespace of Broker and Triggers."""
    rabbitmq_cluster: str
    """Name of the RabbitmqCluster."""
    rabbitmq_namespace: str
    """Namespace of the RabbitmqCluster."""
    event_types: tuple[str, ...]
    """Types that the automation service is to get, one Trigger each."""
    subscriber_uri: str = ""
    """Where those events are posted; empty: the Service `subscriber_service`."""
    subscriber_service: str = "knative-lambda-builder"
    """The automation service's Service in the same namespace, used when no URI is set."""
    dead_letter_uri: str = ""
    """Where undeliverable events are posted; empty: the Service `dead_letter_service`."""
    dead_letter_service: str = "knative-lambda-dlq-handler"
    """Service that takes undeliverable events when no URI is set."""


class Broker(pulumi.ComponentResource):
    """A Knative Broker of class RabbitMQBroker, its configuration, and the automation service's Triggers."""

    broker_name: pulumi.Output[str]
    """Name of the Broker."""

    def __init__(self, name: str, args: BrokerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Broker", name, None, opts)
        config = custom(f"{name}-config", self._config(args), within(self, opts))
        after_config = pulumi.ResourceOptions(parent=self, depends_on=[config])
        broker = custom(
            f"{name}-broker",
            manifests.broker(
                args.broker_name, args.namespace, config=args.broker_name, delivery=_delivery(args)
            ),
            after_config,
        )
        after_broker = pulumi.ResourceOptions(parent=self, depends_on=[broker])
        for event_type in args.event_types:
            custom(f"{name}-{event_type}-trigger", self._trigger(args, event_type), after_broker)
        self.broker_name = pulumi.Output.from_input(args.broker_name)
        self.register_outputs({"broker_name": self.broker_name})

    @staticmethod
    def _config(args: BrokerArgs) -> dict[str, Any]:
        return manifests.broker_config(
            args.broker_name,
            args.namespace,
            cluster=args.rabbitmq_cluster,
            cluster_namespace=args.rabbitmq_namespace,
        )

    @staticmethod
    def _trigger(args: BrokerArgs, event_type: str) -> dict[str, Any]:
        return trigger(
            name=event_trigger_name(event_type),
            namespace=args.namespace,
            labels=platform_labels("trigger"),
            broker=args.broker_name,
            attributes={"type": event_type},
            subscriber=sink(args.namespace, uri=args.subscriber_uri, service=args.subscriber_service),
            delivery=_delivery(args),
        )


def _delivery(args: BrokerArgs) -> Delivery:
    return Delivery(dead_letter_uri=args.dead_letter_uri, dead_letter_service=args.dead_letter_service)
