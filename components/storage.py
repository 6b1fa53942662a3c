"""Storage: the buckets of code, of build contexts and of functions' stacks."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pulumi

from components import providers
from components.manifests.cloud import Cloud


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """Which buckets, whose, and how long things stay in them."""

    provider: str
    """One of STORAGE_PROVIDERS: whether the buckets are made here or were made elsewhere."""
    cloud: Cloud
    """Where the buckets are; of S3-compatible storage the region counts."""
    endpoint: str = ""
    """URL of S3-compatible storage."""
    source_bucket: str
    """Bucket of parsers' code."""
    context_bucket: str
    """Bucket of build contexts."""
    state_bucket: str
    """Bucket of functions' stacks."""
    kms_key_arn: str = ""
    """Key that objects are encrypted with; empty: one that S3 keeps."""
    context_days: int = 7
    """When build contexts are deleted, in days."""
    version_days: int = 30
    """When replaced or deleted code and states are gone for good, in days."""
    delete_contexts: bool = False
    """Delete the context bucket with what is in it; without it, it has to be empty."""
    delete_all: bool = False
    """The same for all buckets."""
    protect: bool = False
    """Refuse to delete the buckets of code and states."""


class Storage(pulumi.ComponentResource):
    """Three buckets of S3; or, of S3-compatible storage, only where they are: those are made elsewhere."""

    source_bucket: pulumi.Output[str]
    """Name of the bucket of parsers' code."""
    context_bucket: pulumi.Output[str]
    """Name of the bucket of build contexts."""
    state_url: pulumi.Output[str]
    """Where functions' stacks keep their state, as PULUMI_BACKEND_URL takes it."""

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Storage", name, None, opts)
        state_bucket = self._set_buckets(name, args)
        self.state_url = state_bucket.apply(lambda bucket: _state_url(bucket, args))
        self.register_outputs(
            {
                "source_bucket": self.source_bucket,
                "context_bucket": self.context_bucket,
                "state_url": self.state_url,
            }
        )

    def _set_buckets(self, name: str, args: StorageArgs) -> pulumi.Output[str]:
        """Assign the outputs, and return the name of the state's bucket."""
        if args.provider != providers.AWS:
            self.source_bucket = pulumi.Output.from_input(args.source_bucket)
            self.context_bucket = pulumi.Output.from_input(args.context_bucket)
            return pulumi.Output.from_input(args.state_bucket)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect)
        contexts = pulumi.ResourceOptions(parent=self)
        self.source_bucket = self._bucket(f"{name}-source", args.source_bucket, args, kept)
        self.context_bucket = self._bucket(
            f"{name}-context",
            args.context_bucket,
            args,
            contexts,
            expire_days=args.context_days,
            # Where revisions come from is kept beside them, for longer: revisions run for months.
            expire_prefixes=("build-context/", "builds/"),
            # A context is named by its content: no version of it is worth keeping.
            noncurrent_days=1,
            force_destroy=args.delete_all or args.delete_contexts,
        )
        return self._bucket(f"{name}-state", args.state_bucket, args, kept)

    def _bucket(
        self, name: str, bucket: str, args: StorageArgs, opts: pulumi.ResourceOptions, **others: Any
    ) -> pulumi.Output[str]:
        # The SDK for AWS takes a while to load, and only environments in AWS have it.
        from components.bucket import Bucket, BucketArgs

        given = {"noncurrent_days": args.version_days, "force_destroy": args.delete_all, **others}
        made = Bucket(
            name, BucketArgs(bucket=bucket, cloud=args.cloud, kms_key_arn=args.kms_key_arn, **given), opts
        )
        return made.bucket


def _state_url(bucket: str, args: StorageArgs) -> str:
    """Return the backend's URL, with the parameters that Pulumi's own engine reads as well."""
    parameters = {"region": args.cloud.region}
    if args.endpoint:
        parameters |= {"endpoint": args.endpoint, "s3ForcePathStyle": "true"}
    return f"s3://{bucket}?{urlencode(parameters)}"
