"""Where an environment is in AWS, and the names that follow from it."""

from dataclasses import dataclass
from typing import Final

_PARTITIONS: Final = {"cn-": ("aws-cn", "amazonaws.com.cn"), "us-gov-": ("aws-us-gov", "amazonaws.com")}
"""By the beginning of a region's name: the partition, and what ends the names of its hosts."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """An account in a region. Names are computed, so that a preview shows whole policies."""

    account: str
    """Twelve digits."""
    region: str
    """Such as us-west-2."""

    @property
    def partition(self) -> str:
        """What ARNs begin with after `arn:`."""
        return self._parts[0]

    @property
    def registry(self) -> str:
        """Host of the account's ECR registry."""
        return f"{self.account}.dkr.{self.host('ecr')}"

    def host(self, service: str) -> str:
        """Return the host of a service, which is its name in conditions of policies as well."""
        return f"{service}.{self.region}.{self._parts[1]}"

    def bucket_arn(self, bucket: str) -> str:
        """Return a bucket's ARN."""
        return f"arn:{self.partition}:s3:::{bucket}"

    def repository_arn(self, repository: str) -> str:
        """Return an ECR repository's ARN."""
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{repository}"

    @property
    def _parts(self) -> tuple[str, str]:
        found = [parts for prefix, parts in _PARTITIONS.items() if self.region.startswith(prefix)]
        return found[0] if found else ("aws", "amazonaws.com")
