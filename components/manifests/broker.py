"""The environment's Knative Broker, backed by RabbitMQ."""

from typing import Any, Final

from components.capacity import Compute
from components.manifests.metadata import Manifest, object_meta, platform_labels
from components.manifests.trigger import Delivery, compute_annotations, delivery_spec

BROKER_CLASS: Final = "RabbitMQBroker"

INGRESS: Final = Compute(cpu_requests=50, memory_requests=32, cpu_limits=1000, memory_limits=400)
"""The Broker's ingress, and as much again for its own dispatcher of dead letters: they share annotations
(eventing-rabbitmq, pkg/reconciler/broker/broker.go)."""


def broker_config(name: str, namespace: Any, *, cluster: str, cluster_namespace: str) -> Manifest:
    """Return the RabbitMQ side of a Broker: which cluster, and replicated (quorum) queues."""
    return {
        "apiVersion": "eventing.knative.dev/v1alpha1",
        "kind": "RabbitmqBrokerConfig",
        "metadata": object_meta(name, namespace, platform_labels("broker")),
        "spec": {
            "rabbitmqClusterReference": {"name": cluster, "namespace": cluster_namespace},
            "queueType": "quorum",
        },
    }


def broker(name: str, namespace: Any, *, config: str, delivery: Delivery) -> Manifest:
    """Return the Broker; `config` is the name of its RabbitmqBrokerConfig in the same namespace.

    `delivery` holds for Triggers that say nothing of their own, other people's among them.
    """
    annotations = {"eventing.knative.dev/broker.class": BROKER_CLASS, **compute_annotations(INGRESS)}
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Broker",
        "metadata": object_meta(name, namespace, platform_labels("broker"), annotations),
        "spec": {
            "config": {
                "apiVersion": "eventing.knative.dev/v1alpha1",
                "kind": "RabbitmqBrokerConfig",
                "name": config,
                "namespace": namespace,
            },
            "delivery": delivery_spec(namespace, delivery),
        },
    }
