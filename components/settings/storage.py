"""Where code, build contexts and functions' stacks are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi

from components import naming
from components.providers import AWS, S3_COMPATIBLE, STORAGE_PROVIDERS
from components.settings import values
from components.settings.fields import SECRET, Group, setting


def _provider(environment: str, given: Mapping[str, Any]) -> str:
    elsewhere = given.get("endpoint") or given.get("access_key_id")
    return S3_COMPATIBLE if environment == "local" or elsewhere else AWS


@dataclass(frozen=True, kw_only=True)
class StorageSettings(Group):
    """Object storage and the way into it."""

    PREFIX: ClassVar[str] = "storage"

    provider: str = setting(values.choice(*STORAGE_PROVIDERS), derived=_provider)
    """`aws`, or `s3-compatible` where an endpoint or a static key is given, and in `local`."""
    endpoint: str = setting(values.url, "")
    """URL of S3-compatible storage; empty: AWS. Builds and the automation service may reach its port."""
    access_key_id: str = setting(values.text, "")
    """Static key of S3-compatible storage; empty: access by IAM role."""
    secret_access_key: pulumi.Output[str] | None = setting(SECRET, None)
    """The secret of that key."""
    source_bucket: str = setting(
        values.bucket, derived=lambda environment, _: naming.source_bucket(environment)
    )
    """Bucket of parsers' code."""
    context_bucket: str = setting(
        values.bucket, derived=lambda environment, _: naming.context_bucket(environment)
    )
    """Bucket of build contexts."""
    state_bucket: str = setting(
        values.bucket, derived=lambda environment, _: naming.state_bucket(environment)
    )
    """Bucket of functions' stacks."""
    kms_key_arn: str = setting(values.kms_key_arn, "")
    """Key that S3 encrypts objects with; empty: one that it keeps."""
    context_days: int = setting(values.count, 7)
    """When S3 deletes build contexts, in days."""
    version_days: int = setting(values.count, 30)
    """When S3 deletes replaced or deleted code and states for good, in days."""
    protect: bool = setting(values.flag, derived=lambda environment, _: environment in {"stg", "prd"})
    """Whether the buckets of code and states are refused to be deleted."""

    def problems(self, environment: str) -> list[str]:
        """Return half a static key, what storage of this kind does not have, and buckets in common."""
        return [*self._key_problems(), *self._foreign_to_aws(), *self._bucket_problems()]

    def _key_problems(self) -> list[str]:
        if bool(self.access_key_id) == (self.secret_access_key is not None):
            return []
        return [
            "storageAccessKeyId and storageSecretAccessKey belong together:"
            " set both, or neither to use IAM roles"
        ]

    def _foreign_to_aws(self) -> list[str]:
        if self.provider != AWS:
            return []
        given = {"storageEndpoint": self.endpoint, "storageAccessKeyId": self.access_key_id}
        return [
            f"{key} is {text!r} and storageProvider is {AWS!r}, which has an address of its own and is opened"
            f" by IAM: remove the key, or set storageProvider to {S3_COMPATIBLE}"
            for key, text in given.items()
            if text
        ]

    def _bucket_problems(self) -> list[str]:
        buckets = [self.source_bucket, self.context_bucket, self.state_bucket]
        if len(set(buckets)) == len(buckets):
            return []
        return [
            f"storageSourceBucket, storageContextBucket and storageStateBucket are {', '.join(buckets)}:"
            " contexts expire and states are overwritten, so give each a bucket of its own"
        ]
