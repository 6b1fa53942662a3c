"""All resource types by token, those under their older names as well; and what is refused."""

import dataclasses
import difflib

from engine.aws import (
    ecr,
    iam,
    iam_identities,
    iam_inline,
    kms,
    s3_bucket,
    s3_object,
    s3_settings,
    secrets,
    sqs,
)
from engine.aws.spec import ResourceType

_MODULES = (s3_bucket, s3_settings, s3_object, ecr, iam, iam_identities, iam_inline, kms, sqs, secrets)
_OLDER_NAMES = {
    "aws:s3/bucketV2:BucketV2": s3_bucket.BUCKET,
    "aws:s3/bucketVersioningV2:BucketVersioningV2": s3_settings.VERSIONING,
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2":
        s3_settings.ENCRYPTION,
    "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2": s3_settings.LIFECYCLE,
    "aws:s3/bucketObject:BucketObject": s3_object.OBJECT,
}  # fmt: skip
"""pulumi-aws 7 keeps these tokens beside the new ones (sdk/python/pulumi_aws/s3/*_v2.py)."""

TYPES: dict[str, ResourceType] = {
    **{kind.type: kind for module in _MODULES for kind in module.TYPES},
    **{token: dataclasses.replace(kind, type=token) for token, kind in _OLDER_NAMES.items()},
}


def refusal(token: str) -> str:
    """Return why resources of a type are not served, and what is near it."""
    near = difflib.get_close_matches(token, TYPES, 1, cutoff=0.8)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return (
        f"{token} is not supported by the embedded engine{hint}; run the stack with Pulumi's own engine and "
        "provider, or make the resource outside of it"
    )
