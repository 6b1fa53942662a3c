"""The environment's Knative Broker, backed by RabbitMQ."""

from typing import Any, Final

from components.manifests.metadata import Manifest, object_meta, platform_labels

BROKER_CLASS: Final = "RabbitMQBroker"


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


def broker(name: str, namespace: Any, *, config: str) -> Manifest:
    """Return the Broker; `config` is the name of its RabbitmqBrokerConfig in the same namespace."""
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Broker",
        "metadata": object_meta(
            name, namespace, platform_labels("broker"), {"eventing.knative.dev/broker.class": BROKER_CLASS}
        ),
        "spec": {
            "config": {
                "apiVersion": "eventing.knative.dev/v1alpha1",
                "kind": "RabbitmqBrokerConfig",
                "name": config,
                "namespace": namespace,
            }
        },
    }
