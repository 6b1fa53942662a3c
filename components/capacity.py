"""What an environment may use: one row an environment, in the units of the platform contract.

The rows are section 7's quotas and section 8's builder sizes, see docs/decisions/0040. Whoever needs other
numbers sets the `quota*` keys of the stack configuration; `local` has no row: nothing enforces quotas there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Guaranteed and most compute, in thousandths of a CPU and MiB."""

    cpu_requests: int
    memory_requests: int
    cpu_limits: int
    memory_limits: int

    def __add__(self, other: "Compute") -> "Compute":
        return Compute(
            cpu_requests=self.cpu_requests + other.cpu_requests,
            memory_requests=self.memory_requests + other.memory_requests,
            cpu_limits=self.cpu_limits + other.cpu_limits,
            memory_limits=self.memory_limits + other.memory_limits,
        )

    def times(self, pods: int) -> "Compute":
        """Return what so many of them use."""
        return Compute(
            cpu_requests=self.cpu_requests * pods,
            memory_requests=self.memory_requests * pods,
            cpu_limits=self.cpu_limits * pods,
            memory_limits=self.memory_limits * pods,
        )


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How much of everything an environment may have."""

    requests_cores: int
    """CPUs that all functions together may be guaranteed."""
    requests_gib: int
    """GiB of memory that all functions together may be guaranteed."""
    limits_cores: int
    """CPUs that the limits of all functions together may reach."""
    limits_gib: int
    """GiB of memory that the limits of all functions together may reach."""
    pods: int
    """Pods of all functions together."""
    functions: int
    """Functions, running or scaled to zero."""
    builds: int
    """Builds at the same time."""
    volume_claims: int
    """PersistentVolumeClaims."""
    service_min_pods: int
    """Fewest pods of the automation service."""
    service_pods: int
    """Most pods of the automation service."""
    service_cpu_percent: int
    """Share of its guaranteed CPU at which the automation service gets another pod."""
    service: Compute
    """One pod of the automation service."""
    dead_letter_pods: int
    """Pods of the handler of dead letters."""


CAPACITIES: Final[Mapping[str, Capacity]] = {
    "dev": Capacity(
        requests_cores=4,
        requests_gib=8,
        limits_cores=8,
        limits_gib=16,
        pods=20,
        functions=20,
        builds=5,
        volume_claims=2,
        service_min_pods=1,
        service_pods=1,
        service_cpu_percent=70,
        service=Compute(cpu_requests=250, memory_requests=512, cpu_limits=500, memory_limits=1024),
        dead_letter_pods=1,
    ),
    "stg": Capacity(
        requests_cores=8,
        requests_gib=16,
        limits_cores=16,
        limits_gib=32,
        pods=50,
        functions=50,
        builds=10,
        volume_claims=5,
        service_min_pods=2,
        service_pods=5,
        service_cpu_percent=70,
        service=Compute(cpu_requests=500, memory_requests=1024, cpu_limits=1000, memory_limits=2048),
        dead_letter_pods=2,
    ),
    "prd": Capacity(
        requests_cores=16,
        requests_gib=32,
        limits_cores=32,
        limits_gib=64,
        pods=100,
        functions=100,
        builds=20,
        volume_claims=10,
        service_min_pods=3,
        service_pods=10,
        service_cpu_percent=60,
        service=Compute(cpu_requests=1000, memory_requests=2048, cpu_limits=2000, memory_limits=4096),
        dead_letter_pods=2,
    ),
}
"""By environment. Staging's limits, pods and claims are not in the contract: they lie between the others."""
