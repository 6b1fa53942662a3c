"""Quotas: how much of the cluster an environment may use."""

from dataclasses import dataclass

import pulumi

from components.capacity import Capacity
from components.declare import custom
from components.manifests import quota as manifests


@dataclass(frozen=True, kw_only=True)
class QuotasArgs:
    """Whose quota, and how much."""

    namespace: pulumi.Input[str]
    """Namespace that is limited."""
    capacity: Capacity
    """What functions, builds and the automation service may use."""
    triggers: int
    """Triggers of the automation service; each runs two dispatchers all the time."""
    consumer: bool = False
    """Whether our consumer runs in place of all of Knative Eventing's pods."""
    scanned: bool = False
    """Whether builds' pods have a scanner."""


class Quotas(pulumi.ComponentResource):
    """A ResourceQuota for the namespace and a LimitRange with the defaults that such a quota needs."""

    quota_name: pulumi.Output[str]
    """Name of the ResourceQuota."""

    def __init__(self, name: str, args: QuotasArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Quotas", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        limits = custom(f"{name}-limits", manifests.limit_range(args.namespace), child)
        quota = manifests.resource_quota(
            args.namespace, args.capacity, args.triggers, consumer=args.consumer, scanned=args.scanned
        )
        # With the quota alone, a pod whose containers name no limits would be refused.
        after_limits = pulumi.ResourceOptions(parent=self, depends_on=[limits])
        custom(f"{name}-quota", quota, after_limits)
        self.quota_name = pulumi.Output.from_input(manifests.QUOTA)
        self.register_outputs({"quota_name": self.quota_name})
