"""Where images are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pulumi

from components import naming
from components.providers import ECR, OCI, REGISTRY_PROVIDERS
from components.settings import values
from components.settings.fields import SECRET, Group, setting

_RETENTION_DAYS: Final = {"dev": 7, "stg": 30, "prd": 90}
"""The platform contract's, section 8."""
_LOCAL_ADDRESS: Final = "localhost:5001"
"""What the local platform calls its image store."""
_WITH_LOGIN: Final = ("registry-1.docker.io", "ghcr.io", "registry.gitlab.com")
"""Registries that ECR asks only with a user's name (ECR, "Creating a pull through cache rule")."""


def _provider(environment: str, given: Mapping[str, Any]) -> str:
    return OCI if environment == "local" or given.get("address") else ECR


@dataclass(frozen=True, kw_only=True)
class RegistrySettings(Group):
    """The registry, its repositories, and the ways into it."""

    PREFIX: ClassVar[str] = "registry"

    provider: str = setting(values.choice(*REGISTRY_PROVIDERS), derived=_provider)
    """`ecr` or `oci`; without the key `oci` where an address is given, and in `local`."""
    address: str = setting(
        values.registry_host, derived=lambda environment, _: _LOCAL_ADDRESS if environment == "local" else ""
    )
    """Host and port of an OCI registry; of ECR it follows from account and region."""
    repository: str = setting(
        values.repository, derived=lambda environment, _: naming.functions_repository(environment)
    )
    """Repository of functions' images."""
    cache_repository: str = setting(
        values.repository, derived=lambda environment, _: naming.cache_repository(environment)
    )
    """Repository of cached layers."""
    service_repository: str = setting(
        values.repository, derived=lambda environment, _: naming.service_repository(environment)
    )
    """Repository of the platform's own image."""
    insecure: bool = setting(values.flag, False)
    """Whether an OCI registry speaks plain HTTP."""
    kms_key_arn: str = setting(values.kms_key_arn, "")
    """Key that ECR encrypts layers with; empty: one that it keeps."""
    retention_days: int = setting(
        values.days, derived=lambda environment, _: _RETENTION_DAYS.get(environment, 0)
    )
    """When ECR deletes functions' images, in days after their push; 0: never."""
    cache_days: int = setting(values.count, 3)
    """When ECR deletes cached layers, in days after their push."""
    immutable: bool = setting(values.flag, True)
    """Whether ECR refuses to give a function's tag to another image."""
    upstream: str = setting(values.registry_host, "")
    """Registry that base images are fetched from by way of ECR; empty: none."""
    upstream_secret_arn: str = setting(values.secret_arn, "")
    """Secret with the upstream's user; empty: it needs none."""
    pull_config: pulumi.Output[str] | None = setting(SECRET, None)
    """Docker's config.json that images are pulled with."""
    push_config: pulumi.Output[str] | None = setting(SECRET, None)
    """Docker's config.json that builds push with; None: the other one."""

    def variables(self) -> Mapping[str, str]:
        """Return what the service makes a missing repository like, by environment variable; of ECR alone."""
        if self.provider != ECR:
            return {}
        return {
            "ECR_TAGS_IMMUTABLE": "" if self.immutable else "false",
            "ECR_RETENTION_DAYS": str(self.retention_days or ""),
            "ECR_CACHE_DAYS": str(self.cache_days),
            "ECR_KMS_KEY_ARN": self.kms_key_arn,
        }

    def problems(self, environment: str) -> list[str]:
        """Return what one kind of registry has and the other lacks."""
        if self.provider == ECR:
            return [*self._foreign_to_ecr(), *self._upstream_problems()]
        return self._oci_problems()

    def _foreign_to_ecr(self) -> list[str]:
        given = {
            "registryAddress": self.address,
            "registryInsecure": self.insecure,
            "registryPullConfig": self.pull_config is not None,
            "registryPushConfig": self.push_config is not None,
        }
        return [
            f"{key} is set and registryProvider is {ECR!r}, which is found by account and region and opened"
            f" by IAM: remove the key, or set registryProvider to {OCI}"
            for key, found in given.items()
            if found
        ]

    def _upstream_problems(self) -> list[str]:
        if self.upstream_secret_arn and not self.upstream:
            return ["registryUpstreamSecretArn is set without registryUpstream: set both, or neither"]
        if self.upstream in _WITH_LOGIN and not self.upstream_secret_arn:
            return [
                f"registryUpstream is {self.upstream!r}, which ECR asks with a user's name only:"
                " set registryUpstreamSecretArn, or use public.ecr.aws"
            ]
        return []

    def _oci_problems(self) -> list[str]:
        found = []
        if not self.address:
            found.append(
                f"registryAddress is '' and registryProvider is {OCI!r}: set the registry's host[:port]"
            )
        if self.upstream:
            found.append(
                f"registryUpstream is {self.upstream!r} and registryProvider is {OCI!r}: only ECR fetches"
                " images from elsewhere; remove the key"
            )
        return found
