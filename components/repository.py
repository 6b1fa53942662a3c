"""Repository: one ECR repository with its lifecycle. The only module that declares ECR's resources."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import ecr

from components.manifests import repository as manifests
from components.manifests.metadata import Manifest


@dataclass(frozen=True, kw_only=True)
class RepositoryArgs:
    """Which repository, and what becomes of its images."""

    repository: str
    """Its name, which may have slashes."""
    region: str
    """AWS region."""
    immutable: bool
    """Whether a tag stays with the image that it was first given to."""
    expire_days: int
    """When images are deleted, in days after their push; 0: never."""
    untagged_days: int = 1
    """When images without a tag are deleted, in days after their push."""
    kms_key_arn: str = ""
    """Key that layers are encrypted with; empty: one that ECR keeps. Another key makes another repository."""
    force_delete: bool = False
    """Delete the images with the repository; without it the deletion of one that holds any fails."""


class Repository(pulumi.ComponentResource):
    """An ECR repository that scans what is pushed and lets go of what is old."""

    repository: pulumi.Output[str]
    """Its name, known once it exists."""
    url: pulumi.Output[str]
    """Its address, registry included."""
    arn: pulumi.Output[str]
    """Its ARN."""

    def __init__(self, name: str, args: RepositoryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Repository", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        made = ecr.Repository(
            f"{name}-repository",
            name=args.repository,
            region=args.region,
            image_tag_mutability="IMMUTABLE" if args.immutable else "MUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=_encryption(args.kms_key_arn),
            force_delete=args.force_delete,
            opts=child,
        )
        ecr.LifecyclePolicy(
            f"{name}-lifecycle",
            repository=made.name,
            region=args.region,
            policy=json.dumps(manifests.expiry(args.expire_days, args.untagged_days)),
            opts=child,
        )
        self.repository, self.url, self.arn = made.name, made.repository_url, made.arn
        self.register_outputs({"repository": self.repository, "url": self.url, "arn": self.arn})


def pull_through_cache(
    name: str,
    *,
    prefix: str,
    region: str,
    upstream: str,
    credential_arn: str,
    opts: pulumi.ResourceOptions,
) -> ecr.PullThroughCacheRule:
    """Declare that ECR fetches images below the prefix from the upstream, when they are first asked for.

    `credential_arn` is a Secrets Manager secret with the upstream's user; empty where it needs none.
    """
    return ecr.PullThroughCacheRule(
        name,
        ecr_repository_prefix=prefix,
        region=region,
        upstream_registry_url=upstream,
        credential_arn=credential_arn or None,
        opts=opts,
    )


def _encryption(kms_key_arn: str) -> list[Manifest]:
    if kms_key_arn:
        return [{"encryption_type": "KMS", "kms_key": kms_key_arn}]
    return [{"encryption_type": "AES256"}]
