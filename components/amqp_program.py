"""What the platform's programs before RabbitMQ have in common: account, Deployment, Service, budget."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests import amqp_program as manifests


@dataclass(frozen=True, kw_only=True)
class AmqpProgramArgs:
    """What runs, how often, and how it gets into RabbitMQ."""

    namespace: pulumi.Input[str]
    """Namespace of the environment."""
    namespace_name: str
    """The same, for the program's address."""
    environment: str
    """dev, stg or prd."""
    image: pulumi.Input[str]
    """The platform's own image."""
    replicas: int
    """Pods."""
    amqp_host: str
    """Name of RabbitMQ's Service."""
    amqp_port: int
    """5671 with TLS, 5672 without."""
    credentials_secret: pulumi.Input[str]
    """Secret with `username` and `password`."""
    tls_secret: str = ""
    """Secret whose `ca.crt` RabbitMQ's certificate is trusted by; empty: no TLS."""
    pull_secret: str = ""
    """Secret that the image is pulled with; empty: none is needed."""
    log_level: str = "info"
    """debug, info, warn or error."""


def declare(
    name: str, program: manifests.Program, args: AmqpProgramArgs, parent: pulumi.ComponentResource
) -> None:
    """Declare a program's objects as children of `parent`; a budget where there are several pods."""
    child = pulumi.ResourceOptions(parent=parent)
    identity = custom(f"{name}-identity", manifests.account(program, args.namespace), child)
    custom(f"{name}-service", manifests.service(program, args.namespace), child)
    after = pulumi.ResourceOptions(parent=parent, depends_on=[identity])
    custom(f"{name}-deployment", manifests.deployment(program, args), after)
    if args.replicas > 1:
        custom(f"{name}-budget", manifests.disruption_budget(program, args.namespace), child)
