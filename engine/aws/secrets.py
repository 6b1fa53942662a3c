"""Secrets Manager: secrets, and the versions of their values.

terraform: internal/service/secretsmanager/{secret,secret_version}.go.
"""

import base64
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
    Kind,
    Prop,
    ResourceType,
    document,
    flag,
    number,
    regional,
    strings,
    tagged,
    text,
)
from engine.provider import ProviderError

_GONE = ("ResourceNotFoundException",)
_CURRENT = "AWSCURRENT"
_DELETED = "InvalidRequestException"
"""What Secrets Manager answers for a secret that waits for its deletion."""


def _create_secret(aws: Aws, inputs: Json) -> Created:
    request = given(
        Name=inputs["name"],
        Description=inputs.get("description"),
        KmsKeyId=inputs.get("kmsKeyId"),
        Tags=pairs(inputs.get("tags") or {}),
    )
    try:
        return Created(id=aws.call("secretsmanager", "create_secret", **request)["ARN"])
    except ServiceError as error:
        if error.code != _DELETED or "scheduled for deletion" not in error.message:
            raise
        raise ProviderError(
            f"the secret {inputs['name']} waits for its deletion, and keeps its name until then: restore and "
            "import it, or choose another name; recoveryWindowInDays = 0 deletes without a wait"
        ) from error


def _complete_secret(aws: Aws, id_: str, inputs: Json) -> None:
    if inputs.get("policy"):
        _put_policy(aws, id_, inputs["policy"])


def _put_policy(aws: Aws, id_: str, policy: str) -> None:
    def put() -> Json:
        return aws.call("secretsmanager", "put_resource_policy", SecretId=id_, ResourcePolicy=policy)

    aws.patiently(put, _is_new_principal)


def _is_new_principal(error: ServiceError) -> bool:
    return error.code == "MalformedPolicyDocumentException"


def _find_secret(aws: Aws, inputs: Json) -> str | None:
    found = aws.find("secretsmanager", "describe_secret", _GONE, SecretId=inputs["name"])
    return found["ARN"] if found and "DeletedDate" not in found else None


def _read_secret(aws: Aws, id_: str, recorded: Json) -> Json | None:
    found = aws.find("secretsmanager", "describe_secret", _GONE, SecretId=id_)
    if found is None or "DeletedDate" in found:
        return None
    policy = aws.find("secretsmanager", "get_resource_policy", _GONE, SecretId=id_) or {}
    return {
        "name": found["Name"],
        "arn": found["ARN"],
        "description": found.get("Description", ""),
        "kmsKeyId": found.get("KmsKeyId", ""),
        "policy": policy.get("ResourcePolicy", ""),
        "tags": unpaired(found.get("Tags", ())),
    }


def _update_secret(aws: Aws, id_: str, change: Change) -> None:
    new = change.new
    if change.touches("description", "kmsKeyId"):
        request = {"Description": new.get("description", ""), **given(KmsKeyId=new.get("kmsKeyId"))}
        aws.call("secretsmanager", "update_secret", SecretId=id_, **request)
    if change.touches("policy"):
        if new.get("policy"):
            _put_policy(aws, id_, new["policy"])
        else:
            aws.call("secretsmanager", "delete_resource_policy", SecretId=id_)


def _tag_secret(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    if removed:
        aws.call("secretsmanager", "untag_resource", SecretId=id_, TagKeys=removed)
    if added:
        aws.call("secretsmanager", "tag_resource", SecretId=id_, Tags=pairs(added))


def _delete_secret(aws: Aws, id_: str, recorded: Json) -> None:
    window = recorded.get("recoveryWindowInDays", 30)
    how = {"RecoveryWindowInDays": window} if window else {"ForceDeleteWithoutRecovery": True}
    aws.find("secretsmanager", "delete_secret", (*_GONE, _DELETED), SecretId=id_, **how)


def _create_version(aws: Aws, inputs: Json) -> Created:
    binary = inputs.get("secretBinary")
    value = given(SecretBinary=base64.b64decode(binary) if binary else None)
    text_value = {} if value else {"SecretString": inputs.get("secretString", "")}
    answer = aws.call(
        "secretsmanager", "put_secret_value", SecretId=inputs["secretId"], **value, **text_value
    )
    return Created(id=f"{inputs['secretId']}|{answer['VersionId']}")


def _read_version(aws: Aws, id_: str, recorded: Json) -> Json | None:
    secret, _, version = id_.partition("|")
    gone = (*_GONE, _DELETED)
    found = aws.find("secretsmanager", "get_secret_value", gone, SecretId=secret, VersionId=version)
    if found is None or not found.get("VersionStages"):
        return None
    binary = found.get("SecretBinary")
    return {
        "secretId": secret,
        "arn": found["ARN"],
        "secretArn": found["ARN"],
        "versionId": found["VersionId"],
        "versionStages": sorted(found["VersionStages"]),
        "hasSecretStringWo": False,
        **({"secretBinary": base64.b64encode(binary).decode()} if binary else {}),
        **({"secretString": found["SecretString"]} if "SecretString" in found else {}),
    }


def _delete_version(aws: Aws, id_: str, recorded: Json) -> None:
    """Take the version's labels away, after which it is deleted; the current one goes with its secret."""
    secret, _, version = id_.partition("|")
    gone = (*_GONE, _DELETED)
    found = _read_version(aws, id_, {})
    for stage in (found or {}).get("versionStages", ()):
        if stage != _CURRENT:
            label = {"SecretId": secret, "VersionStage": stage, "RemoveFromVersionId": version}
            aws.find("secretsmanager", "update_secret_version_stage", gone, **label)


SECRET = ResourceType(
    type="aws:secretsmanager/secret:Secret",
    props=tagged(
        regional(
            {
                "name": text(force_new=True),
                "description": text(),
                "kmsKeyId": text(),
                "policy": document(documents.policy, computed=True),
                "recoveryWindowInDays": number(default=30, local=True),
                "forceOverwriteReplicaSecret": flag(default=False, local=True),
                "arn": OUTPUT,
            }
        )
    ),
    refused={
        "namePrefix": "use name, or leave both out for a unique name",
        "replicas": "leave it out: replication to other regions is not done here",
        "type": "leave it out",
    },
    autoname=Autoname(length=512),
    create=_create_secret,
    complete=_complete_secret,
    find=_find_secret,
    read=_read_secret,
    update=_update_secret,
    tag=_tag_secret,
    delete=_delete_secret,
)
SECRET_VERSION = ResourceType(
    type="aws:secretsmanager/secretVersion:SecretVersion",
    props=regional(
        {
            "secretId": text(required=True, force_new=True),
            "secretString": text(force_new=True, secret=True),
            "secretBinary": text(force_new=True, secret=True),
            "arn": OUTPUT,
            "secretArn": OUTPUT,
            "versionId": OUTPUT,
            "versionStages": strings(output=True),
            "hasSecretStringWo": Prop(kind=Kind.BOOL, output=True),
        }
    ),
    refused={
        "secretStringWo": "use secretString, which is encrypted in the state",
        "secretStringWoVersion": "use secretString, which is encrypted in the state",
        "versionStages": "leave it out: the newest version is the current one",
    },
    exclusive=(("secretString", "secretBinary"),),
    create=_create_version,
    read=_read_version,
    delete=_delete_version,
)

TYPES = (SECRET, SECRET_VERSION)
