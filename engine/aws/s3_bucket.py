"""`aws:s3/bucket:Bucket`: the bucket itself; what is set on it are resources of their own (`s3_settings`).

terraform: internal/service/s3/bucket.go. Properties that repeat those settings on the bucket are deprecated
there and refused here. The outputs leave out what only mirrors the settings (versioning, grants, ...).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.aws.client import Aws, ServiceError
from engine.aws.shapes import pairs, unpaired
from engine.aws.spec import OUTPUT, Autoname, Created, Json, ResourceType, flag, regional, tagged, text
from engine.provider import ProviderError

GONE = ("NoSuchBucket", "NotFound", "404")
_NO_TAGS = ("NoSuchTagSet", "NoSuchTagSetError")
_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed")
_FIRST_REGION = "us-east-1"
_VISIBLE_SECONDS = 20.0


def create(aws: Aws, inputs: Json) -> Created:
    """Create the bucket; one of that name is an error whoever owns it."""
    name = inputs["bucket"]
    if aws.region == _FIRST_REGION and find(aws, inputs):
        # Here, and only here, S3 answers a second CreateBucket of the same owner with success.
        raise ProviderError(
            f"the bucket {name} exists already and is yours; import it, or choose another name"
        )
    location = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    lock = {"ObjectLockEnabledForBucket": True} if inputs.get("objectLockEnabled") else {}
    aws.call("s3", "create_bucket", Bucket=name, **({} if aws.region == _FIRST_REGION else location), **lock)
    return Created(id=name)


def complete(aws: Aws, id_: str, inputs: Json) -> None:
    """Wait until the bucket is seen, and tag it."""
    aws.wait(lambda: find(aws, {"bucket": id_}), _VISIBLE_SECONDS)
    if inputs.get("tags"):
        aws.patiently(lambda: _put_tags(aws, id_, inputs["tags"]), is_conflict)


def find(aws: Aws, inputs: Json) -> str | None:
    """Return the name if the bucket exists; access denied (somebody else's) is an error."""
    found = aws.find("s3", "head_bucket", GONE, Bucket=inputs["bucket"])
    return None if found is None else str(inputs["bucket"])


def read(aws: Aws, id_: str, recorded: Json) -> Json | None:
    """Return the bucket's own properties."""
    head = aws.find("s3", "head_bucket", GONE, Bucket=id_)
    if head is None:
        return None
    tags = aws.find("s3", "get_bucket_tagging", (*_NO_TAGS, *GONE), Bucket=id_) or {}
    return {
        "bucket": id_,
        "arn": f"arn:{aws.partition}:s3:::{id_}",
        "bucketDomainName": f"{id_}.s3.{aws.dns_suffix}",
        "bucketRegion": head.get("BucketRegion") or aws.region,
        "bucketRegionalDomainName": f"{id_}.s3.{aws.region}.{aws.dns_suffix}",
        "objectLockEnabled": _is_locked(aws, id_, recorded),
        "tags": unpaired(tags.get("TagSet", ())),
    }


def tag(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    """Set all tags at once, the only way that there is."""
    present = (read(aws, id_, recorded) or {}).get("tags", {})
    wanted = {name: value for name, value in {**present, **added}.items() if name not in removed}
    if wanted:
        aws.patiently(lambda: _put_tags(aws, id_, wanted), is_conflict)
    else:
        aws.call("s3", "delete_bucket_tagging", Bucket=id_)


def delete(aws: Aws, id_: str, recorded: Json) -> None:
    """Delete the bucket; with `forceDestroy` every version of every object first."""
    if recorded.get("forceDestroy"):
        delete_versions(aws, id_, locked=bool(recorded.get("objectLockEnabled")))
    try:
        aws.find("s3", "delete_bucket", GONE, Bucket=id_)
    except ServiceError as error:
        if error.code != "BucketNotEmpty":
            raise
        raise ProviderError(
            f"the bucket {id_} is not empty, and forceDestroy is not set: empty it, or set forceDestroy to "
            "true, update the stack, and delete then"
        ) from error


def delete_versions(aws: Aws, bucket: str, key: str | None = None, *, locked: bool = False) -> int:
    """Delete all versions and markers, of one key or of all; returns how many.

    `locked` asks for those under governance-mode retention as well, which needs a permission of its own.
    """
    bypass = {"BypassGovernanceRetention": True} if locked else {}
    count = 0
    for batch in _batches(aws, bucket, key):
        objects = {"Objects": batch, "Quiet": True}
        answer = aws.call("s3", "delete_objects", Bucket=bucket, Delete=objects, **bypass)
        if refused := answer.get("Errors"):
            first = refused[0]
            raise ProviderError(
                f"{len(refused)} objects of the bucket {bucket} cannot be deleted, the first is "
                f"{first.get('Key')}: {first.get('Code')} {first.get('Message')}"
            )
        count += len(batch)
    return count


def is_conflict(error: ServiceError) -> bool:
    """Say whether S3 is busy with another change of the same bucket, or does not see the bucket yet."""
    return error.code in ("OperationAborted", "NoSuchBucket")


def _batches(aws: Aws, bucket: str, key: str | None) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of versions, 1000 at most; each is a new list, since what the last one named is gone."""
    prefix = {"Prefix": key} if key is not None else {}
    while True:
        page = aws.find("s3", "list_object_versions", GONE, Bucket=bucket, **prefix) or {}
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        batch = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for item in found
            if key in (None, item["Key"])
        ]
        if not batch:
            return
        yield batch


def _put_tags(aws: Aws, bucket: str, tags: Mapping[str, str]) -> Json:
    return aws.call("s3", "put_bucket_tagging", Bucket=bucket, Tagging={"TagSet": pairs(tags)})


def _is_locked(aws: Aws, bucket: str, recorded: Json) -> bool:
    """Read whether object lock is on; it cannot change, so a recorded answer holds."""
    if "objectLockEnabled" in recorded and "arn" in recorded:
        return bool(recorded["objectLockEnabled"])
    answer = aws.find("s3", "get_object_lock_configuration", (*_NO_LOCK, *GONE), Bucket=bucket) or {}
    return bool(answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")


_SETTINGS = {
    "accelerationStatus": "leave it out: no resource for it is supported either",
    "acl": "leave it out: new buckets refuse ACLs; give access by a aws:s3/bucketPolicy:BucketPolicy",
    "bucketNamespace": "leave it out: buckets are in the global namespace",
    "bucketPrefix": "use bucket, or leave both out for a unique name",
    "corsRules": "leave it out: no resource for it is supported either",
    "grants": "give access by a aws:s3/bucketPolicy:BucketPolicy",
    "lifecycleRules": "use aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "logging": "leave it out: no resource for it is supported either",
    "objectLockConfiguration": "leave it out: no resource for it is supported either",
    "policy": "use aws:s3/bucketPolicy:BucketPolicy",
    "replicationConfiguration": "leave it out: no resource for it is supported either",
    "requestPayer": "leave it out: no resource for it is supported either",
    "serverSideEncryptionConfiguration":
        "use aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "versioning": "use aws:s3/bucketVersioning:BucketVersioning",
    "website": "leave it out: no resource for it is supported either",
}  # fmt: skip

BUCKET = ResourceType(
    type="aws:s3/bucket:Bucket",
    props=tagged(
        regional(
            {
                "bucket": text(computed=True, force_new=True),
                "forceDestroy": flag(default=False, local=True),
                "objectLockEnabled": flag(computed=True, force_new=True),
                "arn": OUTPUT,
                "bucketDomainName": OUTPUT,
                "bucketRegion": OUTPUT,
                "bucketRegionalDomainName": OUTPUT,
            }
        )
    ),
    refused=_SETTINGS,
    autoname=Autoname(property="bucket", length=63, form=lambda name, _: name.lower()),
    create=create,
    complete=complete,
    read=read,
    tag=tag,
    delete=delete,
    find=find,
)

TYPES = (BUCKET,)
