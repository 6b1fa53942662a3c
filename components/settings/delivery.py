"""Where the Broker delivers the platform's own events."""

from dataclasses import dataclass

from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class DeliverySettings(Group):
    """Addresses in the place of the Services that the platform has for it."""

    subscriber_uri: str = setting(values.url, "")
    """Where the automation service takes events; empty: the Service `knative-lambda-builder`."""
    broker_uri: str = setting(values.url, "")
    """The Broker's ingress as pods reach it; empty: the RabbitMQ broker's own Service."""
    dead_letter_uri: str = setting(values.url, "")
    """Where undeliverable events go; empty: the Service `knative-lambda-dlq-handler`."""
