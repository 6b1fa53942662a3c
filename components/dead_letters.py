"""DeadLetters: the handler that keeps what nobody took in RabbitMQ's queue of dead letters."""

from dataclasses import dataclass

import pulumi

from components.amqp_program import AmqpProgramArgs, declare
from components.manifests import dead_letters as manifests


@dataclass(frozen=True, kw_only=True)
class DeadLettersArgs(AmqpProgramArgs):
    """Where it keeps the letters. With one pod, a node that is away for minutes loses some."""

    queue: str
    """Queue that letters wait in."""
    target_queue: str
    """Queue that replayed events wait in."""
    replay_seconds: int
    """Between two passes of the replay schedule; 0: there is none."""
    has_tokens: bool
    """Whether there is a Secret of tokens; without, nobody may go through the letters."""


class DeadLetters(pulumi.ComponentResource):
    """Account without rights, Deployment, Service; a disruption budget where there are several pods."""

    sink: pulumi.Output[str]
    """Address of the dead letter sink inside the cluster."""

    def __init__(self, name: str, args: DeadLettersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:DeadLetters", name, None, opts)
        declare(name, manifests.program(args), args, self)
        self.sink = pulumi.Output.from_input(manifests.sink_url(args.namespace_name))
        self.register_outputs({"sink": self.sink})
