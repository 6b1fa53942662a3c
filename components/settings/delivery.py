"""Where the Broker delivers the platform's own events."""

from dataclasses import dataclass
from typing import Final

from components import emitted
from components.settings import values
from components.settings.fields import Group, setting

TRIGGERS: Final = "triggers"
AMQP: Final = "amqp"
DELIVERIES: Final = (TRIGGERS, AMQP)
"""Knative Eventing's Broker and Triggers; our consumer, straight from RabbitMQ."""


def _emits(value: str) -> tuple[str, ...]:
    """Return what is told; `none` stands for nothing."""
    return () if value == "none" else values.choices(*emitted.EMITTED)(value)


@dataclass(frozen=True, kw_only=True)
class DeliverySettings(Group):
    """Addresses in the place of the Services that the platform has for it."""

    eventing_delivery: str = setting(values.choice(*DELIVERIES), TRIGGERS)
    """What brings events to their receivers, one of DELIVERIES."""
    subscriber_uri: str = setting(values.url, "")
    """Where the automation service takes events; empty: the Service `knative-lambda-builder`."""
    broker_uri: str = setting(values.url, "")
    """The Broker's ingress as pods reach it; empty: the RabbitMQ broker's own Service."""
    emits: tuple[str, ...] = setting(_emits, (emitted.LIFECYCLE, emitted.ALERTS, emitted.AUDIT))
    """What the platform tells of functions, of EMITTED."""
    sink_uri: str = setting(values.url, "")
    """Where that goes; empty: the Broker."""
    scheduler_uri: str = setting(values.url, "")
    """Notifi's scheduler, told how builds with a context id ended; empty: it is not."""
    dead_letter_uri: str = setting(values.url, "")
    """Where undeliverable events go; empty: the Service `knative-lambda-dlq-handler`."""
    dead_letter_replay_seconds: int = setting(values.interval, 300)
    """Between two passes of the handler's replay schedule; 0: letters wait for somebody to ask."""

    @property
    def over_amqp(self) -> bool:
        """Whether there is no Knative Eventing."""
        return self.eventing_delivery == AMQP

    def problems(self, environment: str) -> list[str]:
        """Return that the local platform has no RabbitMQ."""
        if self.over_amqp and environment == "local":
            return [f"eventingDelivery is {AMQP!r}, and local has no RabbitMQ: set it to {TRIGGERS}"]
        return []
