"""Knative Triggers: which events go to whom, how often delivery is tried, where untaken events end."""

from dataclasses import dataclass
from typing import Any, Final

from components.capacity import Compute
from components.manifests.metadata import Manifest, object_meta

DISPATCHER: Final = Compute(cpu_requests=50, memory_requests=64, cpu_limits=500, memory_limits=256)
"""One dispatcher. Without annotations it gets limits of 4 CPU and 600Mi, made for a parallelism of 1000
(eventing-rabbitmq, pkg/reconciler/trigger/resources/dispatcher.go): 26 of them would eat any quota."""

_RABBITMQ: Final = "rabbitmq.eventing.knative.dev"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How a Trigger delivers: the platform's values are the defaults."""

    retry: int = 5
    """Deliveries after the first one that failed."""
    backoff_policy: str = "exponential"
    backoff_delay: str = "PT1S"
    """Wait before the first retry, as an ISO 8601 duration."""
    timeout: str = "PT30S"
    """Longest wait for one delivery's answer, as an ISO 8601 duration."""
    dead_letter_uri: str = ""
    """Where undeliverable events are posted; empty: the Service `dead_letter_service`."""
    dead_letter_service: str = "knative-lambda-dlq-handler"
    """Service in the Trigger's namespace that takes undeliverable events when no URI is set."""


def sink(namespace: Any, *, uri: str = "", service: str = "", api_version: str = "v1") -> Manifest:
    """Return a destination: the URI when there is one, the named Service (core or Knative) otherwise."""
    if uri:
        return {"uri": uri}
    return {"ref": {"apiVersion": api_version, "kind": "Service", "name": service, "namespace": namespace}}


def trigger(
    *,
    name: str,
    namespace: Any,
    labels: dict[str, str],
    broker: Any,
    attributes: dict[str, str],
    subscriber: Manifest,
    delivery: Delivery,
    parallelism: int = 50,
) -> Manifest:
    """Return a Trigger of the RabbitMQ broker; `parallelism` is how many events may be under way."""
    annotations = {f"{_RABBITMQ}/parallelism": str(parallelism), **compute_annotations(DISPATCHER)}
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": object_meta(name, namespace, labels, annotations),
        "spec": {
            "broker": broker,
            "filter": {"attributes": attributes},
            "subscriber": subscriber,
            "delivery": delivery_spec(namespace, delivery),
        },
    }


def delivery_spec(namespace: Any, delivery: Delivery) -> Manifest:
    """Return a delivery as Triggers and Brokers have it; `namespace` is that of the dead letters' Service."""
    dead_letters = sink(namespace, uri=delivery.dead_letter_uri, service=delivery.dead_letter_service)
    return {
        "retry": delivery.retry,
        "backoffPolicy": delivery.backoff_policy,
        "backoffDelay": delivery.backoff_delay,
        "timeout": delivery.timeout,
        "deadLetterSink": dead_letters,
    }


def compute_annotations(compute: Compute) -> dict[str, str]:
    """Return what eventing-rabbitmq makes the pods of a Broker, Trigger or source of (its pkg/utils)."""
    return {
        f"{_RABBITMQ}/cpu-request": f"{compute.cpu_requests}m",
        f"{_RABBITMQ}/cpu-limit": f"{compute.cpu_limits}m",
        f"{_RABBITMQ}/memory-request": f"{compute.memory_requests}Mi",
        f"{_RABBITMQ}/memory-limit": f"{compute.memory_limits}Mi",
    }
