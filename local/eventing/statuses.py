"""The statuses of Brokers and Triggers, with Knative's conditions, reasons and texts."""

from dataclasses import dataclass
from typing import Any

from local.apiserver.errors import ApiError
from local.apiserver.kinds import BROKER
from local.apiserver.store import Store
from local.eventing.delivery import Route
from local.eventing.filters import Filter, FilterError, compile_filter
from local.eventing.policy import PolicyError, compile_policy
from local.eventing.references import UnresolvedError, resolve
from local.node.objects import Json, is_true
from local.serving.conditions import Condition, conditions

_PARALLELISM = "rabbitmq.eventing.knative.dev/parallelism"
_DEFAULT_PARALLELISM, _MAX_PARALLELISM = 100, 1000
"""As the RabbitMQ broker has them."""


@dataclass(frozen=True)
class TriggerView:
    """What a Trigger's objects come to: its status, and what its queue needs."""

    status: Json
    wanted: Filter | None
    route: Route | None
    parallelism: int


def view_broker(store: Store, broker: Json, url: str, moment: str) -> Json:
    """Return a Broker's status; `url` is where its ingress is, `moment` a Kubernetes timestamp."""
    namespace = broker["metadata"]["namespace"]
    delivery = broker.get("spec", {}).get("delivery") or {}
    sink, resolved = _dead_letter_sink(store, delivery, namespace)
    entries = [Condition(name, "True") for name in ("Addressable", "FilterReady", "IngressReady")]
    entries += [Condition("TriggerChannelReady", "True"), resolved]
    status: Json = {
        "observedGeneration": broker["metadata"]["generation"],
        "address": {"name": "http", "url": url},
        "conditions": conditions(broker, moment, *entries),
    }
    if sink is not None:
        status["deadLetterSinkUri"] = sink
    return status


def view_trigger(store: Store, trigger: Json, moment: str) -> TriggerView:
    """Look at a Trigger and all that it refers to."""
    spec, namespace = trigger.get("spec", {}), trigger["metadata"]["namespace"]
    broker, broker_ready = _broker(store, namespace, spec.get("broker", ""))
    subscriber, subscriber_resolved = _subscriber(store, spec.get("subscriber") or {}, namespace)
    inherited = (broker or {}).get("spec", {}).get("delivery") or {}
    own = spec.get("delivery") or {}
    chosen = own if own.get("deadLetterSink") else inherited
    sink, sink_resolved = _dead_letter_sink(store, chosen, namespace)
    wanted, route, subscribed = None, None, Condition("SubscriptionReady", "True")
    parallelism = _DEFAULT_PARALLELISM
    try:
        wanted = compile_filter(spec)
        policy = compile_policy(own, inherited)
        parallelism = _parallelism(trigger)
        route = Route(subscriber, sink, policy) if subscriber else None
    except FilterError as error:
        subscribed = Condition("SubscriptionReady", "False", "FilterNotSupported", str(error))
    except PolicyError as error:
        subscribed = Condition("SubscriptionReady", "False", "InvalidDelivery", str(error))
    dependency = Condition("DependencyReady", "True")
    entries = (broker_ready, dependency, subscribed, subscriber_resolved, sink_resolved)
    status: Json = {
        "observedGeneration": trigger["metadata"]["generation"],
        "conditions": conditions(trigger, moment, *entries),
    }
    if subscriber is not None:
        status["subscriberUri"] = subscriber
    if sink is not None:
        status["deadLetterSinkUri"] = sink
    return TriggerView(status, wanted if broker and subscribed.status == "True" else None, route, parallelism)


def _broker(store: Store, namespace: str, name: str) -> tuple[Json | None, Condition]:
    try:
        broker: Json = store.get(BROKER, namespace, name)
    except ApiError:
        return None, Condition(
            "BrokerReady", "False", "BrokerDoesNotExist", f'Broker "{name}" does not exist'
        )
    if is_true(broker, "Ready"):
        return broker, Condition("BrokerReady", "True")
    return broker, Condition(
        "BrokerReady", "Unknown", "BrokerNotConfigured", "Broker has not yet been reconciled."
    )


def _subscriber(store: Store, destination: Json, namespace: str) -> tuple[str | None, Condition]:
    try:
        return resolve(store, destination, namespace), Condition("SubscriberResolved", "True")
    except UnresolvedError as error:
        reason = "Unable to get the Subscriber's URI"
        return None, Condition("SubscriberResolved", "False", reason, str(error))


def _dead_letter_sink(store: Store, delivery: Json, namespace: str) -> tuple[str | None, Condition]:
    destination: Any = delivery.get("deadLetterSink")
    name = "DeadLetterSinkResolved"
    if not destination:
        text = "No dead letter sink is configured."
        return None, Condition(name, "True", "DeadLetterSinkNotConfigured", text)
    try:
        return resolve(store, destination, namespace), Condition(name, "True")
    except UnresolvedError as error:
        return None, Condition(name, "False", "Unable to get the dead letter sink's URI", str(error))


def _parallelism(trigger: Json) -> int:
    text = str((trigger["metadata"].get("annotations") or {}).get(_PARALLELISM, _DEFAULT_PARALLELISM))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= _MAX_PARALLELISM):
        raise PolicyError(f"the annotation {_PARALLELISM} is {text!r}; allowed are 1 to {_MAX_PARALLELISM}")
    return int(text)
