"""The handler of dead letters: where Broker and Triggers send what nobody took."""

from typing import TYPE_CHECKING, Final

from components.manifests.amqp_program import Program
from components.manifests.quota import DEAD_LETTERS
from components.manifests.topology import DEAD_LETTERS as EXCHANGE
from components.manifests.topology import EVENTS
from components.manifests.trigger import Delivery

if TYPE_CHECKING:
    from components.dead_letters import DeadLettersArgs

NAME: Final = "knative-lambda-dlq-handler"
"""Of account, Deployment, Service and disruption budget: the contract's, section 4.4."""

_SHUTDOWN_SECONDS: Final = 40
"""A letter in hand is stored or refused within 25 seconds; then connections are closed."""


def sink_url(namespace: str) -> str:
    """Return where the handler takes letters, inside the cluster."""
    return f"http://{NAME}.{namespace}.svc.cluster.local"


def program(args: "DeadLettersArgs") -> Program:
    """Return the program; dispatchers give a letter up after some minutes without it."""
    return Program(
        name=NAME,
        component="dead-letters",
        module="service.dead_letters",
        compute=DEAD_LETTERS,
        shutdown_seconds=_SHUTDOWN_SECONDS,
        has_tokens=args.has_tokens,
        variables={
            "DELIVERY_RETRIES": str(Delivery.retry),
            "DLQ_EXCHANGE": EXCHANGE,
            "DLQ_NAME": args.queue,
            "REPLAY_INTERVAL_SECONDS": str(args.replay_seconds),
            "TARGET_EXCHANGE": EVENTS,
            "TARGET_QUEUE": args.target_queue,
        },
    )
