"""The consumer: what brings events from RabbitMQ to their receivers where there is no Knative Eventing."""

from typing import TYPE_CHECKING, Final

from components.manifests.amqp_program import Program
from components.manifests.quota import CONSUMER
from components.manifests.topology import DEAD_LETTERS, EVENTS

if TYPE_CHECKING:
    from components.consumer import ConsumerArgs

NAME: Final = "knative-lambda-consumer"
"""Of account, Deployment, Service and disruption budget."""

COMPONENT: Final = "consumer"

_PREFETCH: Final = 50
"""Events under way in each pod, as many as a Trigger's `parallelism` (contract, section 4.2)."""
_GRACE_SECONDS: Final = 60
"""For calls of functions, which last that long at most unless they say more; others come again."""
_SHUTDOWN_SECONDS: Final = _GRACE_SECONDS + 15
"""And the pause before, and connections that are closed."""


def url(namespace: str) -> str:
    """Return where it takes events, inside the cluster."""
    return f"http://{NAME}.{namespace}.svc.cluster.local"


def program(args: "ConsumerArgs") -> Program:
    """Return the program."""
    return Program(
        name=NAME,
        component=COMPONENT,
        module="service.consumer",
        compute=CONSUMER,
        shutdown_seconds=_SHUTDOWN_SECONDS,
        variables={
            "DLQ_EXCHANGE": DEAD_LETTERS,
            "EVENTS_EXCHANGE": EVENTS,
            "EVENTS_QUEUE": args.queue,
            "FUNCTION_URL": "http://{name}.{namespace}.svc.cluster.local",
            "NAMESPACE": args.namespace_name,
            "PREFETCH": str(_PREFETCH),
            "REPLY_EXCHANGE": EVENTS,
            "SHUTDOWN_GRACE_SECONDS": str(_GRACE_SECONDS),
            "SUBSCRIBER_TYPES": ",".join(args.event_types),
            "SUBSCRIBER_URL": args.subscriber_url,
        },
    )
