"""The automation service: what it runs, how often, how large."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Final

import pulumi

from components.capacity import CAPACITIES, Capacity, Compute
from components.settings import values
from components.settings.fields import SECRET, Group, setting

_LOG_LEVELS: Final = {"dev": "debug", "stg": "info", "prd": "warn"}
"""The platform contract's, section 8."""
_EVENT_PATHS: Final = ("/", "/events", "/cloud-events", "/cloudevents", "/build")
"""Where the service takes events; its own list is in service/settings.py, which this layer does not know."""


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(Group):
    """The service's Deployment; numbers that are None are the environment's, see CAPACITIES."""

    PREFIX: ClassVar[str] = "service"

    image: str = setting(values.image, "")
    """The image of service and monitor; empty: `{environment}-latest` in the platform's own repository."""
    replicas: int | None = setting(values.count, None)
    """Fewest pods."""
    max_replicas: int | None = setting(values.count, None)
    """Most pods; what is above the fewest is up to the load."""
    requests_millicores: int | None = setting(values.count, None)
    """CPU guaranteed to each pod, in thousandths."""
    requests_mib: int | None = setting(values.count, None)
    """Memory guaranteed to each pod, in MiB."""
    limits_millicores: int | None = setting(values.count, None)
    """Most CPU of each pod, in thousandths."""
    limits_mib: int | None = setting(values.count, None)
    """Most memory of each pod, in MiB."""
    log_level: str = setting(
        values.choice("debug", "info", "warn", "error"),
        derived=lambda environment, _: _LOG_LEVELS.get(environment, "info"),
    )
    """debug, info, warn or error."""
    passphrase: pulumi.Output[str] | None = setting(SECRET, None)
    """Opens secrets in functions' stacks; None: they hold none, and none is needed."""
    api_tokens: pulumi.Output[str] | None = setting(SECRET, None)
    """Tokens of those who may read functions and builds, one a line; None: nobody may."""
    signature_keys: pulumi.Output[str] | None = setting(SECRET, None)
    """Keys that events from outside are signed with, one a line; None: they need not be signed."""
    attestation_key: pulumi.Output[str] | None = setting(SECRET, None)
    """PEM text of the Ed25519 key that builds' attestations are signed with; None: they are not."""
    signed_paths: tuple[str, ...] = setting(values.choices(*_EVENT_PATHS), ())
    """Paths whose events have to be signed; none: all but `/`, to which Triggers deliver."""
    source_rate: int | None = setting(values.count, None)
    """Most events of each source in a second, of each pod; None: no limit."""
    source_burst: int | None = setting(values.count, None)
    """Most events of each source at once, of each pod; None: the service's own choice."""

    def applied(self, capacity: Capacity) -> Capacity:
        """Return an environment's capacity with the numbers that are given here."""
        fewest = self.replicas or min(capacity.service_min_pods, self.max_replicas or capacity.service_pods)
        return dataclasses.replace(
            capacity,
            service_min_pods=fewest,
            service_pods=self.max_replicas or max(capacity.service_pods, fewest),
            service=Compute(
                cpu_requests=self.requests_millicores or capacity.service.cpu_requests,
                memory_requests=self.requests_mib or capacity.service.memory_requests,
                cpu_limits=self.limits_millicores or capacity.service.cpu_limits,
                memory_limits=self.limits_mib or capacity.service.memory_limits,
            ),
        )

    def problems(self, environment: str) -> list[str]:
        """Return where the least is more than the most, the environment's own numbers included."""
        if environment not in CAPACITIES:
            return []
        whole = self.applied(CAPACITIES[environment])
        pairs = (
            ("Replicas", whole.service_min_pods, "MaxReplicas", whole.service_pods),
            ("RequestsMillicores", whole.service.cpu_requests, "LimitsMillicores", whole.service.cpu_limits),
            ("RequestsMib", whole.service.memory_requests, "LimitsMib", whole.service.memory_limits),
        )
        return [
            f"service{low} is {least} and service{high} is {most}: raise the second or lower the first"
            for low, least, high, most in pairs
            if least > most
        ]
