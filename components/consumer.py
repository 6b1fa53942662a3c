"""Consumer: Broker and Triggers in one program, for clusters without Knative Eventing."""

from dataclasses import dataclass

import pulumi

from components.amqp_program import AmqpProgramArgs, declare
from components.manifests import consumer as manifests


@dataclass(frozen=True, kw_only=True)
class ConsumerArgs(AmqpProgramArgs):
    """What it takes from where to whom."""

    queue: str
    """Queue of events."""
    subscriber_url: str
    """Where the automation service takes events."""
    event_types: tuple[str, ...]
    """Types that the automation service is to get."""


class Consumer(pulumi.ComponentResource):
    """Account without rights, Deployment, Service; a disruption budget where there are several pods."""

    url: pulumi.Output[str]
    """Where it takes events, inside the cluster."""

    def __init__(self, name: str, args: ConsumerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Consumer", name, None, opts)
        declare(name, manifests.program(args), args, self)
        self.url = pulumi.Output.from_input(manifests.url(args.namespace_name))
        self.register_outputs({"url": self.url})
