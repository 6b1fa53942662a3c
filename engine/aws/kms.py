"""KMS keys and their aliases.

terraform: internal/service/kms/{key,alias}.go. A key is never deleted at once: it is scheduled for deletion,
and counts as gone from then on.
"""

from collections.abc import Mapping

from engine.aws import documents
from engine.aws.client import Aws, ServiceError
from engine.aws.shapes import given, pairs, unpaired
from engine.aws.spec import (
    OUTPUT,
    Autoname,
    Change,
    Created,
    Json,
    ResourceType,
    document,
    flag,
    number,
    regional,
    tagged,
    text,
)

_GONE = ("NotFoundException",)
_DELETED = ("PendingDeletion", "PendingReplicaDeletion")
_NO_ROTATION = (*_GONE, "UnsupportedOperationException", "KMSInvalidStateException")
_TAG_NAMES = ("TagKey", "TagValue")
_POLICY_NAME = "default"


def _create_key(aws: Aws, inputs: Json) -> Created:
    request = given(
        Description=inputs.get("description"),
        KeyUsage=inputs["keyUsage"],
        KeySpec=inputs["customerMasterKeySpec"],
        Policy=inputs.get("policy"),
        MultiRegion=inputs.get("multiRegion"),
        BypassPolicyLockoutSafetyCheck=inputs["bypassPolicyLockoutSafetyCheck"],
        Tags=pairs(inputs.get("tags") or {}, *_TAG_NAMES),
    )
    answer = aws.patiently(lambda: aws.call("kms", "create_key", **request), _is_new_principal)
    return Created(id=answer["KeyMetadata"]["KeyId"])


def _is_new_principal(error: ServiceError) -> bool:
    """Say whether the key policy may name a principal that was just made."""
    return error.code == "MalformedPolicyDocumentException"


def _is_unseen(error: ServiceError) -> bool:
    return error.code in _GONE


def _complete_key(aws: Aws, id_: str, inputs: Json) -> None:
    if inputs.get("enableKeyRotation"):
        aws.patiently(lambda: _set_rotation(aws, id_, inputs), _is_unseen)
    if not inputs["isEnabled"]:
        aws.patiently(lambda: aws.call("kms", "disable_key", KeyId=id_), _is_unseen)


def _set_rotation(aws: Aws, id_: str, inputs: Json) -> None:
    if not inputs.get("enableKeyRotation"):
        aws.call("kms", "disable_key_rotation", KeyId=id_)
        return
    period = given(RotationPeriodInDays=inputs.get("rotationPeriodInDays"))
    aws.call("kms", "enable_key_rotation", KeyId=id_, **period)


def _read_key(aws: Aws, id_: str, recorded: Json) -> Json | None:
    answer = aws.find("kms", "describe_key", _GONE, KeyId=id_)
    if answer is None or answer["KeyMetadata"]["KeyState"] in _DELETED:
        return None
    key = answer["KeyMetadata"]
    policy = aws.find("kms", "get_key_policy", _GONE, KeyId=id_, PolicyName=_POLICY_NAME) or {}
    rotation = aws.find("kms", "get_key_rotation_status", _NO_ROTATION, KeyId=id_) or {}
    tags = aws.pages("kms", "list_resource_tags", "Tags", KeyId=id_)
    return {
        "keyId": key["KeyId"],
        "arn": key["Arn"],
        "description": key.get("Description", ""),
        "keyUsage": key["KeyUsage"],
        "customerMasterKeySpec": key.get("KeySpec") or key.get("CustomerMasterKeySpec"),
        "isEnabled": key["Enabled"],
        "multiRegion": key.get("MultiRegion", False),
        "policy": policy.get("Policy", ""),
        "enableKeyRotation": rotation.get("KeyRotationEnabled", False),
        "rotationPeriodInDays": rotation.get("RotationPeriodInDays", 0),
        "tags": unpaired(tags, *_TAG_NAMES),
    }


def _update_key(aws: Aws, id_: str, change: Change) -> None:
    new = change.new
    if change.touches("isEnabled") and new["isEnabled"]:
        aws.call("kms", "enable_key", KeyId=id_)
    if change.touches("enableKeyRotation", "rotationPeriodInDays"):
        _set_rotation(aws, id_, new)
    if change.touches("description"):
        aws.call("kms", "update_key_description", KeyId=id_, Description=new.get("description", ""))
    if change.touches("policy"):
        bypass = new["bypassPolicyLockoutSafetyCheck"]
        request = {"KeyId": id_, "PolicyName": _POLICY_NAME, "Policy": new["policy"]}
        aws.patiently(
            lambda: aws.call("kms", "put_key_policy", BypassPolicyLockoutSafetyCheck=bypass, **request),
            _is_new_principal,
        )
    if change.touches("isEnabled") and not new["isEnabled"]:
        aws.call("kms", "disable_key", KeyId=id_)


def _tag_key(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    if removed:
        aws.call("kms", "untag_resource", KeyId=id_, TagKeys=removed)
    if added:
        aws.call("kms", "tag_resource", KeyId=id_, Tags=pairs(added, *_TAG_NAMES))


def _delete_key(aws: Aws, id_: str, recorded: Json) -> None:
    window = given(PendingWindowInDays=recorded.get("deletionWindowInDays") or None)
    # A key that is scheduled already answers with an invalid state.
    aws.find("kms", "schedule_key_deletion", (*_GONE, "KMSInvalidStateException"), KeyId=id_, **window)


def _create_alias(aws: Aws, inputs: Json) -> Created:
    request = {"AliasName": inputs["name"], "TargetKeyId": inputs["targetKeyId"]}
    aws.patiently(lambda: aws.call("kms", "create_alias", **request), _is_unseen)
    return Created(id=inputs["name"])


def _find_alias(aws: Aws, inputs: Json) -> str | None:
    return inputs["name"] if _alias(aws, inputs["name"]) else None


def _alias(aws: Aws, name: str) -> Json | None:
    return next(
        (item for item in aws.pages("kms", "list_aliases", "Aliases") if item["AliasName"] == name), None
    )


def _read_alias(aws: Aws, id_: str, recorded: Json) -> Json | None:
    found = _alias(aws, id_)
    if found is None:
        return None
    arn, key = found["AliasArn"], found.get("TargetKeyId", "")
    key_arn = f"{arn.removesuffix(id_)}key/{key}"
    return {"name": id_, "arn": arn, "targetKeyId": key, "targetKeyArn": key_arn}


def _update_alias(aws: Aws, id_: str, change: Change) -> None:
    aws.call("kms", "update_alias", AliasName=id_, TargetKeyId=change.new["targetKeyId"])


def _delete_alias(aws: Aws, id_: str, recorded: Json) -> None:
    aws.find("kms", "delete_alias", _GONE, AliasName=id_)


def _key_id(value: str) -> str:
    """Return the id of a key that may be given by its ARN."""
    return value.rpartition("/")[2]


def _alias_name(name: str, _: Json) -> str:
    return name if name.startswith("alias/") else f"alias/{name}"


KEY = ResourceType(
    type="aws:kms/key:Key",
    props=tagged(
        regional(
            {
                "description": text(computed=True),
                "policy": document(documents.policy, computed=True),
                "keyUsage": text(
                    default="ENCRYPT_DECRYPT",
                    force_new=True,
                    choices=("ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"),
                ),
                "customerMasterKeySpec": text(default="SYMMETRIC_DEFAULT", force_new=True),
                "isEnabled": flag(default=True),
                "enableKeyRotation": flag(default=False),
                "rotationPeriodInDays": number(computed=True),
                "multiRegion": flag(computed=True, force_new=True),
                "bypassPolicyLockoutSafetyCheck": flag(default=False, local=True),
                "deletionWindowInDays": number(local=True),
                "arn": OUTPUT,
                "keyId": OUTPUT,
            }
        )
    ),
    refused={
        "customKeyStoreId": "leave it out: keys are kept by KMS",
        "xksKeyId": "leave it out: keys are kept by KMS",
    },
    create=_create_key,
    complete=_complete_key,
    read=_read_key,
    update=_update_key,
    tag=_tag_key,
    delete=_delete_key,
)
ALIAS = ResourceType(
    type="aws:kms/alias:Alias",
    props=regional(
        {
            "name": text(force_new=True),
            "targetKeyId": text(required=True, canonical=_key_id),
            "arn": OUTPUT,
            "targetKeyArn": OUTPUT,
        }
    ),
    refused={"namePrefix": "use name, or leave both out for a unique name"},
    autoname=Autoname(length=256, form=_alias_name),
    create=_create_alias,
    find=_find_alias,
    read=_read_alias,
    update=_update_alias,
    delete=_delete_alias,
)

TYPES = (KEY, ALIAS)
