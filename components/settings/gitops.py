"""Whether and how Flux hears of what happens to functions."""

from dataclasses import dataclass
from typing import ClassVar

import pulumi

from components.manifests.flux import ALERT_TYPES, RECEIVER_TYPES, FluxResource, flux_resource
from components.manifests.gitops import trigger_count
from components.settings import values
from components.settings.fields import SECRET, Group, setting

_REGISTRY = "339954290315.dkr.ecr.us-west-2.amazonaws.com"
_LIFECYCLE = (
    FluxResource(kind="GitRepository", name="homelab-config"),
    FluxResource(kind="Kustomization", name="knative-lambda"),
    FluxResource(kind="Kustomization", name="knative-lambda-configs"),
)
_REMEDIATION = (FluxResource(kind="Kustomization", name="security-policies"),)


def _resources(value: str) -> tuple[FluxResource, ...]:
    """Return Flux's resources from a list separated by commas."""
    return tuple(flux_resource(part.strip()) for part in value.split(","))


def _repository(value: str) -> str:
    """Return an image repository: registry and path."""
    found = values.registries(value)
    if len(found) != 1 or "/" not in found[0]:
        raise ValueError("give one repository such as registry.example/team/functions, without a tag")
    return found[0]


@dataclass(frozen=True, kw_only=True)
class GitopsSettings(Group):
    """Flux's side of an environment; without `enabled` nothing of it is made."""

    PREFIX: ClassVar[str] = "gitops"

    enabled: bool = setting(values.flag, False)
    """Whether there is a Flux that is to hear of events."""
    namespace: str = setting(values.label, "flux-system")
    """Flux's namespace."""
    receiver: str = setting(values.choice(*RECEIVER_TYPES), RECEIVER_TYPES[0])
    """What the Receivers take, one of RECEIVER_TYPES."""
    token: pulumi.Output[str] | None = setting(SECRET, None)
    """What the Receivers' addresses are made of, and signatures with `generic-hmac`."""
    token_secret: str = setting(values.label, "")
    """Secret in Flux's namespace that has the token in its place; then the Broker brings nothing."""
    lifecycle_resources: tuple[FluxResource, ...] = setting(_resources, _LIFECYCLE)
    """What is reconciled when a function is ready or gone."""
    security_resources: tuple[FluxResource, ...] = setting(_resources, _REMEDIATION)
    """What is reconciled on a critical security alert."""
    image: str = setting(
        _repository, derived=lambda environment, _: f"{_REGISTRY}/knative-lambdas-{environment}"
    )
    """Repository of functions' images, which is scanned when a build is done."""
    image_secret: str = setting(values.label, "")
    """Pull Secret in Flux's namespace; empty: ECR by its own identity, others without one."""
    alert_type: str = setting(values.choice(*ALERT_TYPES), ALERT_TYPES[0])
    """What takes alerts about Flux's work, one of ALERT_TYPES."""
    alert_address: pulumi.Output[str] | None = setting(SECRET, None)
    """Where alerts are posted; None: nobody is told."""

    @property
    def triggers(self) -> int:
        """How many Triggers bring events to Flux."""
        return trigger_count(self.receiver) if self.enabled and self.token is not None else 0

    def problems(self, environment: str) -> list[str]:
        """Return that the token is missing where Receivers are to be made, or is there twice."""
        if not self.enabled or (self.token is not None) != bool(self.token_secret):
            return []
        if self.token_secret:
            return ["gitopsToken and gitopsTokenSecret are both set: remove the one that does not hold"]
        return [
            "gitopsEnabled is true and gitopsToken is not set: Flux's Receivers need a token, a long random"
            " text; set it with `pulumi config set --secret gitopsToken`, or remove gitopsEnabled"
        ]
