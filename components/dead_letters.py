"""DeadLetters: the handler that keeps what nobody took in RabbitMQ's queue of dead letters."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests import dead_letters as manifests


@dataclass(frozen=True, kw_only=True)
class DeadLettersArgs:
    """What runs, how often, and where it keeps the letters."""

    namespace: pulumi.Input[str]
    """Namespace of Broker and Triggers, whose sink it is."""
    namespace_name: str
    """The same, for the sink's address."""
    environment: str
    """dev, stg or prd."""
    image: pulumi.Input[str]
    """The platform's own image."""
    replicas: int
    """Pods; with one, letters are given up by the dispatchers where its node takes minutes to come back."""
    amqp_host: str
    """Name of RabbitMQ's Service."""
    amqp_port: int
    """5671 with TLS, 5672 without."""
    queue: str
    """Queue that letters wait in."""
    target_queue: str
    """Queue that replayed events wait in."""
    replay_seconds: int
    """Between two passes of the replay schedule; 0: there is none."""
    has_tokens: bool
    """Whether there is a Secret of tokens; without, nobody may go through the letters."""
    credentials_secret: pulumi.Input[str]
    """Secret with `username` and `password`."""
    tls_secret: str = ""
    """Secret whose `ca.crt` RabbitMQ's certificate is trusted by; empty: no TLS."""
    pull_secret: str = ""
    """Secret that the image is pulled with; empty: none is needed."""
    log_level: str = "info"
    """debug, info, warn or error."""


class DeadLetters(pulumi.ComponentResource):
    """Account without rights, Deployment, Service; a disruption budget where there are several pods."""

    sink: pulumi.Output[str]
    """Address of the dead letter sink inside the cluster."""

    def __init__(self, name: str, args: DeadLettersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:DeadLetters", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = custom(f"{name}-identity", manifests.account(args.namespace), child)
        custom(f"{name}-service", manifests.service(args.namespace), child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[identity])
        custom(f"{name}-deployment", manifests.deployment(args), after)
        if args.replicas > 1:
            custom(f"{name}-budget", manifests.disruption_budget(args.namespace), child)
        self.sink = pulumi.Output.from_input(manifests.sink_url(args.namespace_name))
        self.register_outputs({"sink": self.sink})
