"""The provider's functions, called by a program."""

import json
from typing import Any

import pulumi
import pytest

from engine import UpdateFailed
from engine.aws.policy_document import policy_document
from engine.provider import ProviderError
from tests.engine_aws.cloud import Cloud


def invoked(cloud: Cloud, token: str, args: dict[str, Any]) -> Any:
    def program() -> None:
        pulumi.export("result", pulumi.runtime.invoke_output(token, args))

    return cloud.up(program)


def test_the_caller_the_region_and_the_partition_are_told(cloud: Cloud) -> None:
    caller = invoked(cloud, "aws:index/getCallerIdentity:getCallerIdentity", {}).outputs["result"]
    region = invoked(cloud, "aws:index/getRegion:getRegion", {}).outputs["result"]
    china = invoked(cloud, "aws:index/getRegion:getRegion", {"region": "cn-north-1"}).outputs["result"]
    partition = invoked(cloud, "aws:index/getPartition:getPartition", {}).outputs["result"]

    assert caller["accountId"] == "123456789012"
    assert region["region"] == "eu-west-1"
    assert region["endpoint"] == "ec2.eu-west-1.amazonaws.com"
    assert region["description"] == "Europe (Ireland)"
    assert china["endpoint"] == "ec2.cn-north-1.amazonaws.com.cn"
    assert partition["reverseDnsPrefix"] == "com.amazonaws"


def test_registry_credentials_are_secret(cloud: Cloud) -> None:
    result = invoked(cloud, "aws:ecr/getAuthorizationToken:getAuthorizationToken", {})

    assert result.outputs["result"]["userName"] == "AWS"
    assert result.outputs["result"]["password"]
    assert result.secret_names == {"result"}


def test_an_unsupported_function_is_refused_by_name(cloud: Cloud) -> None:
    with pytest.raises(UpdateFailed, match="the function aws:ec2/getVpc:getVpc is not supported"):
        invoked(cloud, "aws:ec2/getVpc:getVpc", {})


def test_a_policy_document_is_written_as_terraform_writes_it() -> None:
    result = policy_document(
        {
            "statements": [
                {
                    "sid": "read",
                    "actions": ["s3:GetObject", "s3:ListBucket"],
                    "resources": ["arn:aws:s3:::home/&{aws:username}"],
                    "principals": [{"type": "AWS", "identifiers": ["arn:aws:iam::1:root"]}],
                    "conditions": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["true"]}],
                }
            ]
        }
    )

    assert json.loads(result["json"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "read",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetObject"],
                "Resource": "arn:aws:s3:::home/${aws:username}",
                "Principal": {"AWS": "arn:aws:iam::1:root"},
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            }
        ],
    }
    assert result["minifiedJson"] == json.dumps(json.loads(result["json"]), separators=(",", ":"))


def test_overrides_take_the_place_of_statements_with_their_sid_and_sources_must_not() -> None:
    def text(effect: str) -> str:
        return json.dumps({"Statement": [{"Sid": "a", "Effect": effect}]})

    own = {"statements": [{"sid": "a", "actions": ["s3:*"], "resources": ["*"]}]}
    overridden = policy_document({**own, "overridePolicyDocuments": [text("Deny")]})

    assert json.loads(overridden["json"])["Statement"] == [{"Sid": "a", "Effect": "Deny"}]
    assert json.loads(policy_document({**own, "sourcePolicyDocuments": [text("Deny")]})["json"])[
        "Statement"
    ] == [{"Sid": "a", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
    with pytest.raises(ProviderError, match="two statements have the Sid 'a'"):
        policy_document({"sourcePolicyDocuments": [text("Allow"), text("Deny")]})
