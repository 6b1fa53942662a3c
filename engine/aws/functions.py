"""The provider's functions: who and where we are, policy documents, registry credentials.

Shapes are pulumi-aws 7's (`sdk/python/pulumi_aws/get_*.py`, `iam/get_policy_document.py`,
`ecr/get_authorization_token.py`); terraform: internal/service/{sts,meta,iam,ecr}/*_data_source.go.
"""

import base64
from collections.abc import Callable
from typing import Final

from engine.aws.client import Aws
from engine.aws.policy_document import policy_document
from engine.aws.shapes import moment
from engine.aws.spec import Json
from engine.provider import ProviderError
from engine.values import secret


def call(aws: Aws, token: str, args: Json) -> Json:
    """Call a function by its token; ProviderError for one that is not supported."""
    function = FUNCTIONS.get(token)
    if function is None:
        known = ", ".join(sorted(FUNCTIONS))
        raise ProviderError(
            f"the function {token} is not supported by the embedded engine; there are {known}"
        )
    return function(aws, args)


def _caller_identity(aws: Aws, args: Json) -> Json:
    identity = aws.session.identity()
    account = identity["Account"]
    return {"id": account, "accountId": account, "arn": identity["Arn"], "userId": identity["UserId"]}


def _region(aws: Aws, args: Json) -> Json:
    known = aws.session.partition(aws.region)["regions"].get(aws.region, {})
    endpoint = f"ec2.{aws.region}.{aws.dns_suffix}"
    return {
        "id": aws.region,
        "name": aws.region,
        "region": aws.region,
        "description": known.get("description", ""),
        "endpoint": endpoint,
    }


def _partition(aws: Aws, args: Json) -> Json:
    reverse = ".".join(reversed(aws.dns_suffix.split(".")))
    return {
        "id": aws.partition,
        "partition": aws.partition,
        "dnsSuffix": aws.dns_suffix,
        "reverseDnsPrefix": reverse,
    }


def _authorization_token(aws: Aws, args: Json) -> Json:
    registry = {"registryIds": [args["registryId"]]} if args.get("registryId") else {}
    found = aws.call("ecr", "get_authorization_token", **registry)["authorizationData"][0]
    user, _, password = base64.b64decode(found["authorizationToken"]).decode().partition(":")
    return {
        "id": aws.region,
        "region": aws.region,
        "authorizationToken": secret(found["authorizationToken"]),
        "expiresAt": moment(found["expiresAt"]),
        "password": secret(password),
        "proxyEndpoint": found["proxyEndpoint"],
        "userName": user,
        **({"registryId": args["registryId"]} if args.get("registryId") else {}),
    }


def _policy_document(aws: Aws, args: Json) -> Json:
    return policy_document(args)


FUNCTIONS: Final[dict[str, Callable[[Aws, Json], Json]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": _authorization_token,
}
