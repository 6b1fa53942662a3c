"""Bucket: one S3 bucket with everything that guards it. The only module that declares buckets."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import s3

from components.manifests import bucket as manifests
from components.manifests.cloud import Cloud


@dataclass(frozen=True, kw_only=True)
class BucketArgs:
    """Which bucket, and what becomes of what is in it."""

    bucket: str
    """Its name, unique among all buckets of AWS."""
    cloud: Cloud
    """Where it is."""
    kms_key_arn: str = ""
    """Key that objects are encrypted with; empty: one that S3 keeps."""
    expire_days: int = 0
    """When objects are deleted, in days after they were written; 0: never."""
    expire_prefixes: tuple[str, ...] = ("",)
    """What is deleted then, by the beginnings of keys; the rest stays."""
    noncurrent_days: int
    """When a version is deleted, in days after another one or a deletion took its place."""
    force_destroy: bool = False
    """Delete the objects with the bucket; without it the deletion of a bucket that holds any fails."""


class Bucket(pulumi.ComponentResource):
    """A private, encrypted, versioned bucket that is reached by TLS only, with a lifecycle."""

    bucket: pulumi.Output[str]
    """Its name, known once it and all its settings exist."""
    arn: pulumi.Output[str]
    """Its ARN."""

    def __init__(self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Bucket", name, None, opts)
        made = s3.Bucket(
            f"{name}-bucket",
            bucket=args.bucket,
            region=args.cloud.region,
            force_destroy=args.force_destroy,
            opts=pulumi.ResourceOptions(parent=self),
        )
        settings = [*self._shut(name, made, args), *self._kept(name, made, args)]
        ready = pulumi.Output.all(made.bucket, *(setting.id for setting in settings))
        self.bucket = ready.apply(lambda values: str(values[0]))
        self.arn = made.arn
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})

    def _shut(self, name: str, made: s3.Bucket, args: BucketArgs) -> list[pulumi.CustomResource]:
        """Declare who gets in: no ACLs, nobody from outside, nobody without TLS."""
        child, region = pulumi.ResourceOptions(parent=self), args.cloud.region
        ownership = s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=made.bucket,
            region=region,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=child,
        )
        block = s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            bucket=made.bucket,
            region=region,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        # S3 refuses two changes of one bucket's access at the same time.
        policy = s3.BucketPolicy(
            f"{name}-policy",
            bucket=made.bucket,
            region=region,
            policy=json.dumps(manifests.tls_only(args.cloud.bucket_arn(args.bucket))),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
        )
        return [ownership, policy]

    def _kept(self, name: str, made: s3.Bucket, args: BucketArgs) -> list[pulumi.CustomResource]:
        """Declare how objects are kept: encrypted, in versions, and for how long."""
        child, region = pulumi.ResourceOptions(parent=self), args.cloud.region
        encryption = s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=made.bucket,
            region=region,
            rules=[manifests.encryption(args.kms_key_arn)],
            opts=child,
        )
        versioning = s3.BucketVersioning(
            f"{name}-versioning",
            bucket=made.bucket,
            region=region,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        lifecycle = s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=made.bucket,
            region=region,
            rules=manifests.lifecycle(args.expire_days, args.noncurrent_days, args.expire_prefixes),
            # Rules about versions need a bucket that has them.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        return [encryption, lifecycle]
