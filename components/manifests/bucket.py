"""What is set on a bucket: who may not get in, and what goes away by itself."""

from typing import Final

from components.manifests.metadata import Manifest

_OLDEST_TLS: Final = 1.2
_UPLOAD_DAYS: Final = 1
"""How long the parts of an upload that was given up are kept: ours take minutes."""


def tls_only(bucket_arn: str) -> Manifest:
    """Return a bucket policy that refuses every request without TLS, or with a version below 1.2.

    It allows nothing: that is what the policies of roles are for.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            _refused("WithoutTls", bucket_arn, {"Bool": {"aws:SecureTransport": "false"}}),
            _refused("OldTls", bucket_arn, {"NumericLessThan": {"s3:TlsVersion": _OLDEST_TLS}}),
        ],
    }


def encryption(kms_key_arn: str) -> Manifest:
    """Return the default encryption: with the KMS key, or without one with a key that S3 keeps.

    The bucket key saves a call to KMS, and its price, for nearly every object.
    """
    if not kms_key_arn:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    by_default = {"sse_algorithm": "aws:kms", "kms_master_key_id": kms_key_arn}
    return {"apply_server_side_encryption_by_default": by_default, "bucket_key_enabled": True}


def lifecycle(expire_days: int, noncurrent_days: int, prefixes: tuple[str, ...] = ("",)) -> list[Manifest]:
    """Return the lifecycle's rules: what expires, when old versions go; 0 days: objects stay.

    Only what is below one of `prefixes` expires; a rule of S3 has one prefix at most.

    Without the clean-up of delete markers a versioned bucket's listings get slower with all that was ever
    in it. A rule that expires objects by age takes those markers with it.
    """
    everything: Manifest = {"filter": {"prefix": ""}, "status": "Enabled"}
    return [
        *_expiry(expire_days, prefixes),
        {
            **everything,
            "id": "old-versions",
            "noncurrent_version_expiration": {"noncurrent_days": noncurrent_days},
        },
        {
            **everything,
            "id": "unfinished-uploads",
            "abort_incomplete_multipart_upload": {"days_after_initiation": _UPLOAD_DAYS},
        },
    ]


def _expiry(days: int, prefixes: tuple[str, ...]) -> list[Manifest]:
    everywhere: Manifest = {"filter": {"prefix": ""}, "status": "Enabled"}
    if not days:
        markers = {"expired_object_delete_marker": True}
        return [{**everywhere, "id": "delete-markers", "expiration": markers}]
    rule: Manifest = {**everywhere, "id": "expire", "expiration": {"days": days}}
    first, *others = ({**rule, "filter": {"prefix": prefix}} for prefix in prefixes)
    return [first, *({**one, "id": f"expire-{one['filter']['prefix'].strip('/')}"} for one in others)]


def _refused(sid: str, bucket_arn: str, condition: Manifest) -> Manifest:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": condition,
    }
