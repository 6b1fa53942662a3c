"""Knative Eventing of the local platform: Brokers, Triggers, deliveries, retries and dead letters."""

from local.eventing.eventing import Eventing

__all__ = ["Eventing"]
