"""IAM roles and managed policies, and what connects them.

terraform: internal/service/iam/{role,policy,role_policy_attachment}.go. IAM is
consistent only after a while: what refers to something just made is tried again for some time.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping

from engine.aws import documents
from engine.aws.client import Aws, ServiceError
from engine.aws.shapes import given, moment, pairs, unpaired
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
    tagged,
    text,
)
from engine.provider import ProviderError

GONE = ("NoSuchEntity",)
_VERSIONS_KEPT = 5
"""Versions that a managed policy can have (IAM quota)."""


def is_unseen(error: ServiceError) -> bool:
    """Say whether something just made is not seen everywhere yet."""
    return error.code in ("NoSuchEntity", "ConcurrentModification") or is_new_principal(error)


def is_new_principal(error: ServiceError) -> bool:
    """Say whether a policy may name a principal that was just made."""
    return error.code == "MalformedPolicyDocument" and "rincipal" in error.message


def _create_role(aws: Aws, inputs: Json) -> Created:
    optional = given(
        Description=inputs.get("description"),
        PermissionsBoundary=inputs.get("permissionsBoundary"),
        Tags=pairs(inputs.get("tags") or {}),
    )
    aws.patiently(
        lambda: aws.call(
            "iam",
            "create_role",
            RoleName=inputs["name"],
            Path=inputs["path"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            MaxSessionDuration=inputs["maxSessionDuration"],
            **optional,
        ),
        is_new_principal,
    )
    return Created(id=inputs["name"])


def _find_role(aws: Aws, inputs: Json) -> str | None:
    return inputs["name"] if aws.find("iam", "get_role", GONE, RoleName=inputs["name"]) else None


def _read_role(aws: Aws, id_: str, recorded: Json) -> Json | None:
    answer = aws.find("iam", "get_role", GONE, RoleName=id_)
    if answer is None:
        return None
    role = answer["Role"]
    return {
        "name": role["RoleName"],
        "path": role["Path"],
        "arn": role["Arn"],
        "uniqueId": role["RoleId"],
        "createDate": moment(role["CreateDate"]),
        "assumeRolePolicy": document_text(role["AssumeRolePolicyDocument"]),
        "description": role.get("Description", ""),
        "maxSessionDuration": role.get("MaxSessionDuration", 3600),
        "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "tags": unpaired(role.get("Tags", ())),
    }


def _update_role(aws: Aws, id_: str, change: Change) -> None:
    new = change.new
    if change.touches("assumeRolePolicy"):
        aws.patiently(
            lambda: aws.call(
                "iam", "update_assume_role_policy", RoleName=id_, PolicyDocument=new["assumeRolePolicy"]
            ),
            is_new_principal,
        )
    if change.touches("description", "maxSessionDuration"):
        aws.call("iam", "update_role", RoleName=id_, Description=new.get("description", ""),
                 MaxSessionDuration=new["maxSessionDuration"])  # fmt: skip
    if change.touches("permissionsBoundary"):
        put_boundary(aws, "role", {"RoleName": id_}, new.get("permissionsBoundary"))


def put_boundary(aws: Aws, what: str, target: Json, boundary: str | None) -> None:
    """Set the permissions boundary of a role or user, or take it away."""
    if boundary:
        aws.call("iam", f"put_{what}_permissions_boundary", PermissionsBoundary=boundary, **target)
    else:
        aws.find("iam", f"delete_{what}_permissions_boundary", GONE, **target)


def _tag_role(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    retag(aws, "role", {"RoleName": id_}, added, removed)


def retag(aws: Aws, what: str, target: Json, added: Mapping[str, str], removed: list[str]) -> None:
    """Set and remove tags of an IAM resource."""
    if removed:
        aws.call("iam", f"untag_{what}", TagKeys=removed, **target)
    if added:
        aws.call("iam", f"tag_{what}", Tags=pairs(added), **target)


def _delete_role(aws: Aws, id_: str, recorded: Json) -> None:
    if recorded.get("forceDetachPolicies"):
        strip(aws, "role", {"RoleName": id_})
    with deleting(f"the role {id_}", "set forceDetachPolicies to true and update the stack"):
        aws.find("iam", "delete_role", GONE, RoleName=id_)


def strip(aws: Aws, what: str, target: Json) -> None:
    """Detach all managed policies of a role or user and delete its inline ones."""
    try:
        attached = list(aws.pages("iam", f"list_attached_{what}_policies", "AttachedPolicies", **target))
        inline = list(aws.pages("iam", f"list_{what}_policies", "PolicyNames", **target))
    except ServiceError as error:
        if error.code in GONE:
            return
        raise
    for policy in attached:
        aws.find("iam", f"detach_{what}_policy", GONE, PolicyArn=policy["PolicyArn"], **target)
    for name in inline:
        aws.find("iam", f"delete_{what}_policy", GONE, PolicyName=name, **target)


@contextlib.contextmanager
def deleting(what: str, force: str) -> Iterator[None]:
    """Say in plain words why something cannot be deleted while other things hang on it."""
    try:
        yield
    except ServiceError as error:
        if error.code != "DeleteConflict":
            raise
        raise ProviderError(
            f"{what} is in use by something outside this stack ({error.message}): take it away first, "
            f"or {force}"
        ) from error


def _create_policy(aws: Aws, inputs: Json) -> Created:
    optional = given(Description=inputs.get("description"), Tags=pairs(inputs.get("tags") or {}))
    required = {"PolicyName": inputs["name"], "Path": inputs["path"], "PolicyDocument": inputs["policy"]}
    answer = aws.call("iam", "create_policy", **required, **optional)
    return Created(id=answer["Policy"]["Arn"])


def _find_policy(aws: Aws, inputs: Json) -> str | None:
    name, path = inputs["name"], inputs["path"]
    found = aws.pages("iam", "list_policies", "Policies", Scope="Local", PathPrefix=path)
    return next((item["Arn"] for item in found if item["PolicyName"] == name and item["Path"] == path), None)


def _read_policy(aws: Aws, id_: str, recorded: Json) -> Json | None:
    answer = aws.find("iam", "get_policy", GONE, PolicyArn=id_)
    if answer is None:
        return None
    policy = answer["Policy"]
    version = aws.find("iam", "get_policy_version", GONE, PolicyArn=id_, VersionId=policy["DefaultVersionId"])
    return version and {
        "name": policy["PolicyName"],
        "path": policy["Path"],
        "arn": policy["Arn"],
        "policyId": policy["PolicyId"],
        "attachmentCount": policy.get("AttachmentCount", 0),
        "description": policy.get("Description", ""),
        "policy": document_text(version["PolicyVersion"]["Document"]),
        "tags": unpaired(policy.get("Tags", ())),
    }


def _update_policy(aws: Aws, id_: str, change: Change) -> None:
    if not change.touches("policy"):
        return
    versions = _other_versions(aws, id_)
    if len(versions) + 1 >= _VERSIONS_KEPT:
        aws.find("iam", "delete_policy_version", GONE, PolicyArn=id_, VersionId=versions[0])
    aws.call(
        "iam", "create_policy_version", PolicyArn=id_, PolicyDocument=change.new["policy"], SetAsDefault=True
    )


def _other_versions(aws: Aws, arn: str) -> list[str]:
    """Return the ids of versions that are not the default one, oldest first."""
    found = [item for item in aws.pages("iam", "list_policy_versions", "Versions", PolicyArn=arn)
             if not item["IsDefaultVersion"]]  # fmt: skip
    return [item["VersionId"] for item in sorted(found, key=lambda item: item["CreateDate"])]


def _tag_policy(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    retag(aws, "policy", {"PolicyArn": id_}, added, removed)


def _delete_policy(aws: Aws, id_: str, recorded: Json) -> None:
    if aws.find("iam", "get_policy", GONE, PolicyArn=id_) is None:
        return
    with deleting(f"the policy {id_}", "detach it from what is named there"):
        for version in _other_versions(aws, id_):
            aws.find("iam", "delete_policy_version", GONE, PolicyArn=id_, VersionId=version)
        aws.find("iam", "delete_policy", GONE, PolicyArn=id_)


def _attach(aws: Aws, inputs: Json) -> Created:
    role, arn = inputs["role"], inputs["policyArn"]
    aws.patiently(lambda: aws.call("iam", "attach_role_policy", RoleName=role, PolicyArn=arn), is_unseen)
    return Created(id=f"{role}/{arn}")


def _find_attachment(aws: Aws, inputs: Json) -> str | None:
    id_ = f"{inputs['role']}/{inputs['policyArn']}"
    return id_ if _read_attachment(aws, id_, inputs) else None


def _read_attachment(aws: Aws, id_: str, recorded: Json) -> Json | None:
    role, arn = _attached(id_, recorded)
    try:
        found = list(aws.pages("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=role))
    except ServiceError as error:
        if error.code in GONE:
            return None
        raise
    return {"role": role, "policyArn": arn} if any(item["PolicyArn"] == arn for item in found) else None


def _detach(aws: Aws, id_: str, recorded: Json) -> None:
    role, arn = _attached(id_, recorded)
    aws.find("iam", "detach_role_policy", GONE, RoleName=role, PolicyArn=arn)


def _attached(id_: str, recorded: Json) -> tuple[str, str]:
    """Return role and policy: as recorded (older states have made-up ids), else of `<role>/<policy ARN>`."""
    if recorded.get("role") and recorded.get("policyArn"):
        return recorded["role"], recorded["policyArn"]
    role, _, arn = id_.partition("/")
    if not arn:
        raise ProviderError(f"{id_!r} names no attachment; give it as <role name>/<policy ARN>")
    return role, arn


def document_text(document: object) -> str:
    """Return a policy of IAM's answer as text; botocore has decoded it."""
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))


NO_PREFIX = {"namePrefix": "use name, or leave both out for a unique name"}

ROLE = ResourceType(
    type="aws:iam/role:Role",
    props=tagged(
        {
            "name": text(force_new=True),
            "path": text(default="/", force_new=True),
            "assumeRolePolicy": document(documents.policy, required=True),
            "description": text(),
            "forceDetachPolicies": flag(default=False, local=True),
            "maxSessionDuration": number(default=3600),
            "permissionsBoundary": text(),
            "arn": OUTPUT,
            "createDate": OUTPUT,
            "uniqueId": OUTPUT,
        }
    ),
    regional=False,
    refused={
        **NO_PREFIX,
        "inlinePolicies": "use aws:iam/rolePolicy:RolePolicy",
        "managedPolicyArns": "use aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    },
    autoname=Autoname(length=64),
    create=_create_role,
    find=_find_role,
    read=_read_role,
    update=_update_role,
    tag=_tag_role,
    delete=_delete_role,
)
POLICY = ResourceType(
    type="aws:iam/policy:Policy",
    props=tagged(
        {
            "name": text(force_new=True),
            "path": text(default="/", force_new=True),
            "description": text(force_new=True),
            "policy": document(documents.policy, required=True),
            "arn": OUTPUT,
            "policyId": OUTPUT,
            "attachmentCount": Prop(kind=Kind.INT, output=True),
        }
    ),
    regional=False,
    refused={**NO_PREFIX, "delayAfterPolicyCreationInMs": "leave it out"},
    autoname=Autoname(length=128),
    create=_create_policy,
    find=_find_policy,
    read=_read_policy,
    update=_update_policy,
    tag=_tag_policy,
    delete=_delete_policy,
)
ATTACHMENT = ResourceType(
    type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    props={
        "role": text(required=True, force_new=True),
        "policyArn": text(required=True, force_new=True),
    },
    regional=False,
    create=_attach,
    find=_find_attachment,
    read=_read_attachment,
    delete=_detach,
    leaf=True,
)

TYPES = (ROLE, POLICY, ATTACHMENT)
