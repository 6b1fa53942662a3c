"""What is set on a bucket: versioning, encryption, public access, ownership, policy, lifecycle, events.

Each is one PUT of a whole document, so that creating and updating are the same call, and the same call twice
is as good as once. terraform: internal/service/s3/bucket_*.go.
"""

from collections.abc import Callable
from typing import Any

from engine.aws import documents
from engine.aws.client import Aws, ServiceError
from engine.aws.s3_bucket import GONE, is_conflict
from engine.aws.shapes import from_api, given, to_api
from engine.aws.spec import (
    Change,
    Created,
    Json,
    Prop,
    ResourceType,
    block,
    blocks,
    document,
    flag,
    mapping,
    number,
    regional,
    strings,
    text,
)

Put = Callable[[Aws, Json], None]
Get = Callable[[Aws, Json], Json | None]

_BUCKET = text(required=True, force_new=True)
_OWNED = {"bucket": _BUCKET, "expectedBucketOwner": text(force_new=True, local=True)}


def _setting(
    type_: str, props: dict[str, Prop], put: Put, get: Get, remove: Put, **options: Any
) -> ResourceType:
    """Declare a setting; its id is the bucket's name, and the expected owner's account after a comma."""

    def create(aws: Aws, inputs: Json) -> Created:
        aws.patiently(lambda: put(aws, inputs), _is_passing)
        return Created(id=",".join(filter(None, (inputs["bucket"], inputs.get("expectedBucketOwner")))))

    def update(aws: Aws, id_: str, change: Change) -> None:
        aws.patiently(lambda: put(aws, change.new), _is_passing)

    def read(aws: Aws, id_: str, recorded: Json) -> Json | None:
        name, _, owner = id_.partition(",")
        found = get(aws, {"bucket": name, "expectedBucketOwner": owner})
        return (
            None
            if found is None
            else {"bucket": name, **({"expectedBucketOwner": owner} if owner else {}), **found}
        )

    def delete(aws: Aws, id_: str, recorded: Json) -> None:
        aws.patiently(lambda: remove(aws, {**recorded, "bucket": id_.partition(",")[0]}), _is_busy)

    return ResourceType(
        type=type_, props=regional(props), create=create, update=update, read=read, delete=delete, leaf=True,
        **options,
    )  # fmt: skip


def _is_busy(error: ServiceError) -> bool:
    return error.code == "OperationAborted"


def _is_passing(error: ServiceError) -> bool:
    """Say whether a bucket, or a principal of a policy, was just made and is not seen everywhere yet."""
    return is_conflict(error) or (error.code == "MalformedPolicy" and "rincipal" in error.message)


def _target(inputs: Json) -> dict[str, str]:
    owner = inputs.get("expectedBucketOwner")
    return {"Bucket": inputs["bucket"], **({"ExpectedBucketOwner": owner} if owner else {})}


def _put_versioning(aws: Aws, inputs: Json) -> None:
    wanted = inputs["versioningConfiguration"]
    if wanted["status"] == "Disabled":  # S3 has no such state to set: it is how buckets begin
        return
    mfa = {"MFA": inputs["mfa"]} if inputs.get("mfa") else {}
    configuration = to_api(_VERSIONING_FIELDS, wanted)
    aws.call("s3", "put_bucket_versioning", VersioningConfiguration=configuration, **_target(inputs), **mfa)


def _get_versioning(aws: Aws, inputs: Json) -> Json | None:
    answer = aws.find("s3", "get_bucket_versioning", GONE, **_target(inputs))
    if answer is None:
        return None
    return {"versioningConfiguration": from_api(_VERSIONING_FIELDS, {"Status": "Disabled", **answer})}


def _suspend_versioning(aws: Aws, inputs: Json) -> None:
    if (inputs.get("versioningConfiguration") or {}).get("status") == "Disabled":
        return
    suspended = {"Status": "Suspended"}
    aws.find("s3", "put_bucket_versioning", GONE, VersioningConfiguration=suspended, **_target(inputs))


def _cannot_be_disabled(old: Json, new: Json) -> str | None:
    before = (old.get("versioningConfiguration") or {}).get("status")
    after = (new.get("versioningConfiguration") or {}).get("status")
    if after != "Disabled" or before in (None, "Disabled"):
        return None
    return (
        f"versioningConfiguration.status cannot go from {before} to Disabled: a bucket once versioned stays "
        "so; use Suspended"
    )


def _put_encryption(aws: Aws, inputs: Json) -> None:
    configuration = {"Rules": [_encryption_rule(rule) for rule in inputs["rules"]]}
    aws.call(
        "s3", "put_bucket_encryption", ServerSideEncryptionConfiguration=configuration, **_target(inputs)
    )


def _get_encryption(aws: Aws, inputs: Json) -> Json | None:
    gone = (*GONE, "ServerSideEncryptionConfigurationNotFoundError")
    answer = aws.find("s3", "get_bucket_encryption", gone, **_target(inputs))
    if answer is None:
        return None
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    return {"rules": [_encryption_rule_found(rule) for rule in rules]}


def _encryption_rule(rule: Json) -> Json:
    """Return a rule for the API, which has the blocked types one level deeper."""
    result = to_api(_ENCRYPTION_FIELDS, rule)
    blocked = result.pop("BlockedEncryptionTypes", None)
    return {**result, **({"BlockedEncryptionTypes": {"EncryptionType": blocked}} if blocked else {})}


def _encryption_rule_found(rule: Json) -> Json:
    blocked = rule.get("BlockedEncryptionTypes", {}).get("EncryptionType")
    return from_api(_ENCRYPTION_FIELDS, {**rule, "BlockedEncryptionTypes": blocked})


def _remove(operation: str, *more_gone: str) -> Put:
    def remove(aws: Aws, inputs: Json) -> None:
        aws.find("s3", operation, (*GONE, *more_gone), **_target(inputs))

    return remove


def _put_public_access(aws: Aws, inputs: Json) -> None:
    configuration = to_api(_PUBLIC_ACCESS_FIELDS, inputs)
    aws.call("s3", "put_public_access_block", PublicAccessBlockConfiguration=configuration, **_target(inputs))


def _get_public_access(aws: Aws, inputs: Json) -> Json | None:
    gone = (*GONE, "NoSuchPublicAccessBlockConfiguration")
    answer = aws.find("s3", "get_public_access_block", gone, **_target(inputs))
    return (
        None if answer is None else from_api(_PUBLIC_ACCESS_FIELDS, answer["PublicAccessBlockConfiguration"])
    )


def _remove_public_access(aws: Aws, inputs: Json) -> None:
    if not inputs.get("skipDestroy"):
        _remove("delete_public_access_block", "NoSuchPublicAccessBlockConfiguration")(aws, inputs)


def _put_ownership(aws: Aws, inputs: Json) -> None:
    rule = to_api(_OWNERSHIP_FIELDS, inputs["rule"])
    aws.call("s3", "put_bucket_ownership_controls", OwnershipControls={"Rules": [rule]}, **_target(inputs))


def _get_ownership(aws: Aws, inputs: Json) -> Json | None:
    gone = (*GONE, "OwnershipControlsNotFoundError")
    answer = aws.find("s3", "get_bucket_ownership_controls", gone, **_target(inputs))
    return (
        None
        if answer is None
        else {"rule": from_api(_OWNERSHIP_FIELDS, answer["OwnershipControls"]["Rules"][0])}
    )


def _put_policy(aws: Aws, inputs: Json) -> None:
    aws.call("s3", "put_bucket_policy", Policy=inputs["policy"], **_target(inputs))


def _get_policy(aws: Aws, inputs: Json) -> Json | None:
    answer = aws.find("s3", "get_bucket_policy", (*GONE, "NoSuchBucketPolicy"), **_target(inputs))
    return None if answer is None else {"policy": answer["Policy"]}


def _put_lifecycle(aws: Aws, inputs: Json) -> None:
    # A rule without filter and prefix is refused; the empty prefix means every object.
    rules = [{**_lifecycle_filter(rule), **to_api(_LIFECYCLE_FIELDS, rule)} for rule in inputs["rules"]]
    request = given(TransitionDefaultMinimumObjectSize=inputs.get("transitionDefaultMinimumObjectSize"))
    request |= {"LifecycleConfiguration": {"Rules": rules}}
    aws.call("s3", "put_bucket_lifecycle_configuration", **_target(inputs), **request)


def _lifecycle_filter(rule: Json) -> Json:
    return {} if rule.get("filter") or rule.get("prefix") is not None else {"Filter": {"Prefix": ""}}


def _get_lifecycle(aws: Aws, inputs: Json) -> Json | None:
    gone = (*GONE, "NoSuchLifecycleConfiguration")
    answer = aws.find("s3", "get_bucket_lifecycle_configuration", gone, **_target(inputs))
    if answer is None:
        return None
    size = answer.get("TransitionDefaultMinimumObjectSize")
    rules = [from_api(_LIFECYCLE_FIELDS, rule) for rule in answer["Rules"]]
    return {"rules": rules, **({"transitionDefaultMinimumObjectSize": size} if size else {})}


def _put_notification(aws: Aws, inputs: Json) -> None:
    configuration: Json = {"EventBridgeConfiguration": {}} if inputs.get("eventbridge") else {}
    aws.call("s3", "put_bucket_notification_configuration", NotificationConfiguration=configuration,
             **_target(inputs))  # fmt: skip


def _get_notification(aws: Aws, inputs: Json) -> Json | None:
    answer = aws.find("s3", "get_bucket_notification_configuration", GONE, **_target(inputs))
    return None if answer is None else {"eventbridge": "EventBridgeConfiguration" in answer}


def _remove_notification(aws: Aws, inputs: Json) -> None:
    aws.find(
        "s3", "put_bucket_notification_configuration", GONE, NotificationConfiguration={}, **_target(inputs)
    )


_VERSIONING_FIELDS = {
    "status": text(required=True, choices=("Enabled", "Suspended", "Disabled")),
    "mfaDelete": text(computed=True, choices=("Enabled", "Disabled"), api="MFADelete"),
}
_ENCRYPTION_FIELDS = {
    "applyServerSideEncryptionByDefault": block(
        {
            "sseAlgorithm": text(
                required=True, choices=("AES256", "aws:kms", "aws:kms:dsse"), api="SSEAlgorithm"
            ),
            "kmsMasterKeyId": text(api="KMSMasterKeyID"),
        }
    ),
    "blockedEncryptionTypes": strings(computed=True),
    "bucketKeyEnabled": flag(computed=True),
}
_PUBLIC_ACCESS_FIELDS = {
    "blockPublicAcls": flag(default=False),
    "blockPublicPolicy": flag(default=False),
    "ignorePublicAcls": flag(default=False),
    "restrictPublicBuckets": flag(default=False),
}
_OWNERSHIP_FIELDS = {
    "objectOwnership": text(
        required=True, choices=("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced")
    )
}
_TAG_FIELDS = {"key": text(required=True), "value": text(required=True)}
_SIZES = {"objectSizeGreaterThan": number(), "objectSizeLessThan": number()}
_TRANSITION = {"date": text(), "days": number(), "storageClass": text(required=True)}
_LIFECYCLE_FIELDS = {
    "id": text(required=True, length=255, api="ID"),
    "status": text(required=True, choices=("Enabled", "Disabled")),
    "abortIncompleteMultipartUpload": block({"daysAfterInitiation": number()}),
    "expiration": block({"date": text(), "days": number(), "expiredObjectDeleteMarker": flag()}),
    "filter": block(
        {
            "and": block({**_SIZES, "prefix": text(), "tags": mapping()}),
            **_SIZES,
            "prefix": text(),
            "tag": block(_TAG_FIELDS),
        }
    ),
    "noncurrentVersionExpiration": block(
        {"newerNoncurrentVersions": number(), "noncurrentDays": number(required=True)}
    ),
    "noncurrentVersionTransitions": blocks(
        {
            "newerNoncurrentVersions": number(),
            "noncurrentDays": number(required=True),
            "storageClass": text(required=True),
        },
        ordered=False,
    ),
    "prefix": text(),
    "transitions": blocks(_TRANSITION, ordered=False),
}

VERSIONING = _setting(
    "aws:s3/bucketVersioning:BucketVersioning",
    {
        **_OWNED,
        "mfa": text(local=True),
        "versioningConfiguration": block(_VERSIONING_FIELDS, required=True),
    },
    _put_versioning,
    _get_versioning,
    _suspend_versioning,
    forbidden=_cannot_be_disabled,
)
ENCRYPTION = _setting(
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    {
        **_OWNED,
        "rules": blocks(_ENCRYPTION_FIELDS, required=True),
    },
    _put_encryption,
    _get_encryption,
    _remove("delete_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
)
PUBLIC_ACCESS = _setting(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    {"bucket": _BUCKET, **_PUBLIC_ACCESS_FIELDS, "skipDestroy": flag(local=True)},
    _put_public_access,
    _get_public_access,
    _remove_public_access,
)
OWNERSHIP = _setting(
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    {"bucket": _BUCKET, "rule": block(_OWNERSHIP_FIELDS, required=True)},
    _put_ownership,
    _get_ownership,
    _remove("delete_bucket_ownership_controls", "OwnershipControlsNotFoundError"),
)
POLICY = _setting(
    "aws:s3/bucketPolicy:BucketPolicy",
    {"bucket": _BUCKET, "policy": document(documents.policy, required=True)},
    _put_policy,
    _get_policy,
    _remove("delete_bucket_policy", "NoSuchBucketPolicy"),
)
LIFECYCLE = _setting(
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    {
        **_OWNED,
        "rules": blocks(_LIFECYCLE_FIELDS, required=True),
        "transitionDefaultMinimumObjectSize": text(
            computed=True, choices=("all_storage_classes_128K", "varies_by_storage_class")
        ),
    },
    _put_lifecycle,
    _get_lifecycle,
    _remove("delete_bucket_lifecycle", "NoSuchLifecycleConfiguration"),
    refused={"timeouts": "use the resource option custom_timeouts"},
)
NOTIFICATION = _setting(
    "aws:s3/bucketNotification:BucketNotification",
    {"bucket": _BUCKET, "eventbridge": flag(default=False)},
    _put_notification,
    _get_notification,
    _remove_notification,
    refused=dict.fromkeys(
        ("lambdaFunctions", "queues", "topics"), "use eventbridge, and rules there that pass the events on"
    ),
)

TYPES = (VERSIONING, ENCRYPTION, PUBLIC_ACCESS, OWNERSHIP, POLICY, LIFECYCLE, NOTIFICATION)
