"""IAM users with access keys (for S3-compatible clients), and OpenID Connect providers.

terraform: internal/service/iam/{user,access_key,openid_connect_provider}.go.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from engine.aws.client import Aws, ServiceError
from engine.aws.iam import GONE, NO_PREFIX, deleting, is_unseen, put_boundary, retag, strip
from engine.aws.shapes import given, moment, pairs, unpaired
from engine.aws.spec import (
    OUTPUT,
    Autoname,
    Change,
    Created,
    Json,
    Prop,
    ResourceType,
    flag,
    strings,
    tagged,
    text,
)

_SMTP_VERSION = b"\x04"


def _create_user(aws: Aws, inputs: Json) -> Created:
    optional = given(
        PermissionsBoundary=inputs.get("permissionsBoundary"), Tags=pairs(inputs.get("tags") or {})
    )
    aws.call("iam", "create_user", UserName=inputs["name"], Path=inputs["path"], **optional)
    return Created(id=inputs["name"])


def _find_user(aws: Aws, inputs: Json) -> str | None:
    return inputs["name"] if aws.find("iam", "get_user", GONE, UserName=inputs["name"]) else None


def _read_user(aws: Aws, id_: str, recorded: Json) -> Json | None:
    answer = aws.find("iam", "get_user", GONE, UserName=id_)
    if answer is None:
        return None
    user = answer["User"]
    return {
        "name": user["UserName"],
        "path": user["Path"],
        "arn": user["Arn"],
        "uniqueId": user["UserId"],
        "permissionsBoundary": user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "tags": unpaired(user.get("Tags", ())),
    }


def _update_user(aws: Aws, id_: str, change: Change) -> None:
    if change.touches("path"):
        aws.call("iam", "update_user", UserName=id_, NewPath=change.new["path"])
    if change.touches("permissionsBoundary"):
        put_boundary(aws, "user", {"UserName": id_}, change.new.get("permissionsBoundary"))


def _tag_user(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    retag(aws, "user", {"UserName": id_}, added, removed)


def _delete_user(aws: Aws, id_: str, recorded: Json) -> None:
    target = {"UserName": id_}
    if recorded.get("forceDestroy") and _find_user(aws, {"name": id_}):
        strip(aws, "user", target)
        for key in aws.pages("iam", "list_access_keys", "AccessKeyMetadata", **target):
            aws.find("iam", "delete_access_key", GONE, AccessKeyId=key["AccessKeyId"], **target)
        for group in aws.pages("iam", "list_groups_for_user", "Groups", **target):
            aws.find("iam", "remove_user_from_group", GONE, GroupName=group["GroupName"], **target)
        aws.find("iam", "delete_login_profile", GONE, **target)
    with deleting(f"the user {id_}", "set forceDestroy to true and update the stack"):
        aws.find("iam", "delete_user", GONE, **target)


def _create_key(aws: Aws, inputs: Json) -> Created:
    answer = aws.patiently(lambda: aws.call("iam", "create_access_key", UserName=inputs["user"]), is_unseen)
    key = answer["AccessKey"]
    secret = key["SecretAccessKey"]
    return Created(
        id=key["AccessKeyId"],
        outputs={"secret": secret, "sesSmtpPasswordV4": smtp_password(secret, aws.session.region)},
    )


def _complete_key(aws: Aws, id_: str, inputs: Json) -> None:
    if inputs["status"] != "Active":
        aws.call(
            "iam", "update_access_key", UserName=inputs["user"], AccessKeyId=id_, Status=inputs["status"]
        )


def _read_key(aws: Aws, id_: str, recorded: Json) -> Json | None:
    user = recorded.get("user") or _user_of(aws, id_)
    if not user:
        return None
    try:
        keys = list(aws.pages("iam", "list_access_keys", "AccessKeyMetadata", UserName=user))
    except ServiceError as error:
        if error.code in GONE:
            return None
        raise
    found = next((key for key in keys if key["AccessKeyId"] == id_), None)
    return found and {"user": user, "status": found["Status"], "createDate": moment(found["CreateDate"])}


def _user_of(aws: Aws, id_: str) -> str | None:
    answer = aws.find("iam", "get_access_key_last_used", (*GONE, "AccessDenied"), AccessKeyId=id_)
    return answer.get("UserName") if answer else None


def _update_key(aws: Aws, id_: str, change: Change) -> None:
    aws.call(
        "iam", "update_access_key", UserName=change.new["user"], AccessKeyId=id_, Status=change.new["status"]
    )


def _delete_key(aws: Aws, id_: str, recorded: Json) -> None:
    aws.find("iam", "delete_access_key", GONE, UserName=recorded["user"], AccessKeyId=id_)


def smtp_password(secret: str, region: str) -> str:
    """Return the SMTP password that belongs to a secret access key.

    docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html, "Converting existing AWS credentials".
    """
    key = b"AWS4" + secret.encode()
    for part in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return base64.b64encode(_SMTP_VERSION + key).decode()


def _create_oidc(aws: Aws, inputs: Json) -> Created:
    request = given(
        Url=f"https://{_without_scheme(inputs['url'])}",
        ClientIDList=inputs["clientIdLists"],
        ThumbprintList=inputs.get("thumbprintLists"),
        Tags=pairs(inputs.get("tags") or {}),
    )
    return Created(
        id=aws.call("iam", "create_open_id_connect_provider", **request)["OpenIDConnectProviderArn"]
    )


def _find_oidc(aws: Aws, inputs: Json) -> str | None:
    ending = f":oidc-provider/{_without_scheme(inputs['url'])}"
    found = aws.call("iam", "list_open_id_connect_providers")["OpenIDConnectProviderList"]
    return next((item["Arn"] for item in found if item["Arn"].endswith(ending)), None)


def _read_oidc(aws: Aws, id_: str, recorded: Json) -> Json | None:
    found = aws.find("iam", "get_open_id_connect_provider", GONE, OpenIDConnectProviderArn=id_)
    return found and {
        "arn": id_,
        "url": _without_scheme(found["Url"]),
        "clientIdLists": found.get("ClientIDList", []),
        "thumbprintLists": found.get("ThumbprintList", []),
        "tags": unpaired(found.get("Tags", ())),
    }


def _update_oidc(aws: Aws, id_: str, change: Change) -> None:
    target = {"OpenIDConnectProviderArn": id_}
    if change.touches("thumbprintLists"):
        aws.call("iam", "update_open_id_connect_provider_thumbprint", **target,
                 ThumbprintList=change.new.get("thumbprintLists") or [])  # fmt: skip
    before, after = set(change.old.get("clientIdLists") or ()), set(change.new["clientIdLists"])
    for client in sorted(after - before):
        aws.call("iam", "add_client_id_to_open_id_connect_provider", ClientID=client, **target)
    for client in sorted(before - after):
        aws.call("iam", "remove_client_id_from_open_id_connect_provider", ClientID=client, **target)


def _tag_oidc(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    retag(aws, "open_id_connect_provider", {"OpenIDConnectProviderArn": id_}, added, removed)


def _delete_oidc(aws: Aws, id_: str, recorded: Json) -> None:
    aws.find("iam", "delete_open_id_connect_provider", GONE, OpenIDConnectProviderArn=id_)


def _without_scheme(url: str) -> str:
    return url.removeprefix("https://")


_ONLY_ONCE = Prop(output=True, local=True, secret=True)
"""Told by the creation only."""

USER = ResourceType(
    type="aws:iam/user:User",
    props=tagged(
        {
            "name": text(force_new=True),
            "path": text(default="/"),
            "forceDestroy": flag(default=False, local=True),
            "permissionsBoundary": text(),
            "arn": OUTPUT,
            "uniqueId": OUTPUT,
        }
    ),
    regional=False,
    refused=NO_PREFIX,
    autoname=Autoname(length=64),
    create=_create_user,
    find=_find_user,
    read=_read_user,
    update=_update_user,
    tag=_tag_user,
    delete=_delete_user,
)
ACCESS_KEY = ResourceType(
    type="aws:iam/accessKey:AccessKey",
    props={
        "user": text(required=True, force_new=True),
        "status": text(default="Active", choices=("Active", "Inactive")),
        "createDate": OUTPUT,
        "secret": _ONLY_ONCE,
        "sesSmtpPasswordV4": _ONLY_ONCE,
    },
    regional=False,
    refused={"pgpKey": "leave it out: the output `secret` is encrypted in the state"},
    create=_create_key,
    complete=_complete_key,
    read=_read_key,
    update=_update_key,
    delete=_delete_key,
)
OPEN_ID_CONNECT_PROVIDER = ResourceType(
    type="aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    props=tagged(
        {
            "url": text(required=True, force_new=True, canonical=_without_scheme),
            "clientIdLists": strings(required=True),
            "thumbprintLists": strings(computed=True),
            "arn": OUTPUT,
        }
    ),
    regional=False,
    create=_create_oidc,
    find=_find_oidc,
    read=_read_oidc,
    update=_update_oidc,
    tag=_tag_oidc,
    delete=_delete_oidc,
    leaf=True,
)

TYPES = (USER, ACCESS_KEY, OPEN_ID_CONNECT_PROVIDER)
