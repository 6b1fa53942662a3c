"""FunctionComponent: one parser as a running function."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests import function as manifests


@dataclass(frozen=True, kw_only=True)
class FunctionArgs:
    """What a function is made of. Quantities are Kubernetes quantities in pairs of (cpu, memory)."""

    function_name: str
    """Name of all its objects, see `naming.function_name`."""
    namespace: str
    """Namespace that the objects live in; it must exist."""
    third_party_id: str
    """Owner of the parser; events of this third party start the function."""
    parser_id: str
    """Id of the parser; events with this subject start the function."""
    image: pulumi.Input[str]
    """Image reference, by digest wherever the digest is known."""
    broker: str
    """Name of the Broker that the Trigger hangs on."""
    broker_url: str
    """URL of the Broker's ingress, for what the function wants to send."""
    handler: str = "parser.handler"
    """`module.function`, or a function's name, that the wrapper calls."""
    timeout_seconds: int = 60
    """Longest run of one call, in seconds."""
    log_level: str = "info"
    """debug, info, warning or error."""
    pull_secret: str = ""
    """Secret that the image is pulled with; empty: none."""
    trigger: bool = True
    """Whether Knative Eventing brings its events; else our consumer does, and there is no Trigger."""
    dead_letter_uri: str = ""
    """Where undeliverable events are posted; empty: the Service `dead_letter_service`."""
    dead_letter_service: str = "knative-lambda-dlq-handler"
    """Service that takes undeliverable events when no URI is set."""
    min_scale: int = 0
    """Fewest pods; 0 lets an idle function cost nothing."""
    max_scale: int = 10
    """Most pods."""
    target_concurrency: int = 100
    """Requests in flight per pod that the autoscaler aims at."""
    container_concurrency: int = 10
    """Most requests in flight per pod."""
    scale_down_delay_seconds: int = 30
    """How long fewer requests must last before pods are taken away, in seconds."""
    requests: tuple[str, str] = ("100m", "128Mi")
    """Guaranteed cpu and memory of one pod."""
    limits: tuple[str, str] = ("500m", "512Mi")
    """Most cpu and memory of one pod."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables of this revision alone, by name; they win over the shared configuration."""
    secret_variables: tuple[tuple[str, str, str], ...] = ()
    """Variables that Secrets hold: name, Secret, and the Secret's key."""
    number: int = 0
    """Which of the function's deployments it is, for who looks at the Service; 0: not said."""
    pending: bool = False
    """Whether the rollout is still being watched."""
    percent: int = 100
    """Share of the traffic of the newest revision that is ready."""
    stable_revision: str = ""
    """Knative's name of the revision that has the rest; needed if there is a rest."""


class FunctionComponent(pulumi.ComponentResource):
    """A ServiceAccount without token, a ConfigMap, a Knative Service, and the Trigger that starts it."""

    service_name: pulumi.Output[str]
    """Name of the Knative Service, known once it and its Trigger exist."""

    def __init__(self, name: str, args: FunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:FunctionComponent", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        account = custom(f"{name}-identity", manifests.service_account(args), child)
        config = custom(f"{name}-config", manifests.config_map(args), child)
        # A pod needs its identity and configuration to start; the Trigger needs somewhere to deliver to.
        after_config = pulumi.ResourceOptions(parent=self, depends_on=[account, config])
        service = custom(f"{name}-service", manifests.knative_service(args), after_config)
        last = service
        if args.trigger:
            after_service = pulumi.ResourceOptions(parent=self, depends_on=[service])
            last = custom(f"{name}-trigger", manifests.start_trigger(args), after_service)
        self.service_name = last.id.apply(lambda _: args.function_name)
        self.register_outputs({"service_name": self.service_name})
