"""How a function is run: scale, resources, environment, the way of new revisions to traffic. Pure.

It belongs to what is deployed: a rollback restores it together with the image, a rebuild keeps it. It names
Secrets and never holds their contents. What is None or empty is the environment's default.
"""

from dataclasses import dataclass, fields, replace
from typing import Final


@dataclass(frozen=True, kw_only=True)
class SecretVariable:
    """An environment variable whose value a Secret of the functions' namespace holds."""

    name: str
    secret: str
    """The Secret's name."""
    key: str
    """Which of the Secret's entries."""


@dataclass(frozen=True, kw_only=True)
class FailureLimit:
    """When a revision that is ready is given up because its calls fail."""

    percent: int
    """More of its calls than this have to fail, 1 to 99."""
    min_calls: int = 20
    """Fewer calls say nothing."""
    watch_seconds: int = 600
    """How long it is still watched once it has all of the traffic; 0: only while it has a share."""


@dataclass(frozen=True, kw_only=True)
class RolloutPolicy:
    """How a new revision comes to its traffic, and when it is taken back."""

    steps: tuple[int, ...] = ()
    """Its shares one after the other, in percent, ascending, below 100; none: all, once it is ready."""
    pause_seconds: int = 0
    """How long it keeps a share before it gets the next one; 0: until it is promoted by an event."""
    ready_within_seconds: int = 600
    """How long it may take to become ready: Knative's own limit for a revision's progress."""
    failures: FailureLimit | None = None
    """None: as the environment says; there, calls are not looked at."""


AT_ONCE: Final = RolloutPolicy()
"""All of the traffic for a new revision as soon as it is ready."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """How one function is run. Cpu and memory are Kubernetes quantities."""

    min_scale: int | None = None
    max_scale: int | None = None
    target_concurrency: int | None = None
    container_concurrency: int | None = None
    scale_down_delay_seconds: int | None = None
    cpu_request: str = ""
    memory_request: str = ""
    cpu_limit: str = ""
    memory_limit: str = ""
    timeout_seconds: int | None = None
    """Longest run of one call."""
    env: tuple[tuple[str, str], ...] = ()
    """Variables by name, sorted."""
    secrets: tuple[SecretVariable, ...] = ()
    """Sorted by variable."""
    rollout: RolloutPolicy | None = None
    """How revisions of this function are rolled out; None: as the environment says."""

    def changed(self, other: "Configuration", names: frozenset[str]) -> "Configuration":
        """Return this configuration with the fields of these names as in the other one."""
        return replace(self, **{name: getattr(other, name) for name in names})


PLAIN: Final = Configuration()
"""What functions get that say nothing."""

EVERYTHING: Final = frozenset(field.name for field in fields(Configuration))
"""Names of all its fields."""
