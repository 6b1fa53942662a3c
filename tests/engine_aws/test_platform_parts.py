"""An environment's buckets, repositories and roles, by pulumi-aws and our engine, in an emulated AWS."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components import naming
from engine.errors import EngineError
from tests.engine_aws.cloud import REGION, Cloud
from tests.engine_aws.environments import ACCOUNT, ISSUER, parts

SOURCE, CONTEXT, STATE = (
    naming.source_bucket("prd"),
    naming.context_bucket("prd"),
    naming.state_bucket("prd"),
)
FUNCTIONS, CACHE, SERVICE = "knative-lambdas-prd", "knative-lambdas-prd-cache", "knative-lambda-builder-prd"
ROLES = ("knative-lambda-builder-prd", "knative-lambda-gitops-prd", "knative-lambda-kaniko-prd")


def changes(result: Any) -> dict[str, int]:
    return {name: count for name, count in result.changes.items() if name != "same"}


def left(cloud: Cloud) -> list[Any]:
    """Everything that there is in the account."""
    return [
        *(item["Name"] for item in cloud.call("s3", "list_buckets")["Buckets"]),
        *(item["repositoryName"] for item in cloud.call("ecr", "describe_repositories")["repositories"]),
        *(item["RoleName"] for item in cloud.call("iam", "list_roles")["Roles"]),
        *cloud.call("iam", "list_open_id_connect_providers")["OpenIDConnectProviderList"],
    ]


def test_all_is_made_as_it_was_previewed_and_a_second_update_asks_for_nothing(cloud: Cloud) -> None:
    planned = cloud.preview(parts())
    assert cloud.requests == []

    made = cloud.up(parts())
    again = cloud.up(parts())

    assert changes(planned) == changes(made) == {"create": made.changes["create"]}
    assert changes(again) == {}
    assert cloud.writes == []


def test_buckets_are_private_encrypted_and_versioned(cloud: Cloud) -> None:
    cloud.up(parts())

    for bucket in (SOURCE, CONTEXT, STATE):
        _is_private(cloud, bucket)
        _keeps_well(cloud, bucket)


def _is_private(cloud: Cloud, bucket: str) -> None:
    block = cloud.call("s3", "get_public_access_block", Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    owner = cloud.call("s3", "get_bucket_ownership_controls", Bucket=bucket)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    policy = json.loads(cloud.call("s3", "get_bucket_policy", Bucket=bucket)["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["WithoutTls", "OldTls"]


def _keeps_well(cloud: Cloud, bucket: str) -> None:
    encryption = cloud.call("s3", "get_bucket_encryption", Bucket=bucket)["ServerSideEncryptionConfiguration"]
    assert encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert cloud.call("s3", "get_bucket_versioning", Bucket=bucket)["Status"] == "Enabled"


def test_contexts_expire_in_the_service_and_code_does_not(cloud: Cloud) -> None:
    cloud.up(parts())

    expiring = {
        bucket: {
            rule["Filter"]["Prefix"]: rule["Expiration"]["Days"]
            for rule in cloud.call("s3", "get_bucket_lifecycle_configuration", Bucket=bucket)["Rules"]
            if "Days" in rule.get("Expiration", {})
        }
        for bucket in (SOURCE, CONTEXT, STATE)
    }
    assert expiring == {SOURCE: {}, CONTEXT: {"build-context/": 7, "builds/": 7}, STATE: {}}


def test_repositories_scan_and_let_go_as_declared(cloud: Cloud) -> None:
    cloud.up(parts())

    found = {
        item["repositoryName"]: item for item in cloud.call("ecr", "describe_repositories")["repositories"]
    }
    assert {name: item["imageTagMutability"] for name, item in found.items()} == {
        FUNCTIONS: "IMMUTABLE",
        CACHE: "MUTABLE",
        SERVICE: "MUTABLE",
    }
    assert all(item["imageScanningConfiguration"]["scanOnPush"] for item in found.values())
    assert found[FUNCTIONS]["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{FUNCTIONS}"


def test_roles_trust_the_provider_that_was_made_with_them(cloud: Cloud) -> None:
    cloud.up(parts())

    (provider,) = cloud.call("iam", "list_open_id_connect_providers")["OpenIDConnectProviderList"]
    for name in ROLES:
        role = cloud.call("iam", "get_role", RoleName=name)["Role"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Federated": provider["Arn"]}
        assert list(statement["Condition"]) == ["StringEquals"]
        assert {key.rpartition(":")[0] for key in statement["Condition"]["StringEquals"]} == {
            ISSUER.removeprefix("https://")
        }
        assert cloud.call("iam", "list_role_policies", RoleName=name)["PolicyNames"] == ["rights"]


def test_settings_change_in_place(cloud: Cloud) -> None:
    cloud.up(parts())

    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd"
    changed = cloud.up(
        parts(
            storageContextDays="3",
            registryRetentionDays="10",
            storageKmsKeyArn=key,
            registryImmutable="false",
        )
    )

    # The lifecycles of contexts and images, tags, three encryptions, two policies that may use the key.
    assert changes(changed) == {"update": 1 + 1 + 1 + 3 + 2}
    rules = cloud.call("s3", "get_bucket_lifecycle_configuration", Bucket=CONTEXT)["Rules"]
    assert {"Days": 3} in [rule.get("Expiration") for rule in rules]
    policy = cloud.call("iam", "get_role_policy", RoleName=ROLES[2], PolicyName="rights")["PolicyDocument"]
    assert key in str(policy)


def test_a_renamed_repository_takes_the_place_of_the_old_one(cloud: Cloud) -> None:
    cloud.up(parts())

    changed = cloud.up(parts(registryCacheRepository="layers"))

    assert changed.changes["replace"] == 2
    assert "layers" in left(cloud)
    assert CACHE not in left(cloud)


def test_a_protected_bucket_is_not_replaced(cloud: Cloud) -> None:
    cloud.up(parts())

    with pytest.raises(EngineError, match="protect"):
        cloud.up(parts(storageSourceBucket="elsewhere"))

    assert SOURCE in left(cloud)
    assert "elsewhere" not in left(cloud)


def open_a_bucket(cloud: Cloud) -> None:
    cloud.call("s3", "delete_public_access_block", Bucket=SOURCE)


def let_everybody_in(cloud: Cloud) -> None:
    cloud.call("s3", "delete_bucket_policy", Bucket=STATE)


def suspend_versions(cloud: Cloud) -> None:
    suspended = {"Status": "Suspended"}
    cloud.call("s3", "put_bucket_versioning", Bucket=SOURCE, VersioningConfiguration=suspended)


def let_tags_move(cloud: Cloud) -> None:
    cloud.call("ecr", "put_image_tag_mutability", repositoryName=FUNCTIONS, imageTagMutability="MUTABLE")


def keep_all_images(cloud: Cloud) -> None:
    cloud.call("ecr", "delete_lifecycle_policy", repositoryName=FUNCTIONS)


def widen_rights(cloud: Cloud) -> None:
    anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    document = json.dumps(anything)
    cloud.call("iam", "put_role_policy", RoleName=ROLES[2], PolicyName="rights", PolicyDocument=document)


def trust_everybody(cloud: Cloud) -> None:
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    cloud.call("iam", "update_assume_role_policy", RoleName=ROLES[0], PolicyDocument=document)


def test_what_somebody_else_changed_is_found_by_a_refresh_and_set_right(cloud: Cloud) -> None:
    drifts = [
        open_a_bucket,
        let_everybody_in,
        suspend_versions,
        let_tags_move,
        keep_all_images,
        widen_rights,
        trust_everybody,
    ]
    cloud.up(parts())
    for drift in drifts:
        drift(cloud)

    found = changes(cloud.refresh())
    repaired = changes(cloud.up(parts()))
    settled = changes(cloud.up(parts()))

    # Three are gone; four are other than they were.
    assert found == {"delete": 3, "update": 4}
    assert repaired == {"create": 3, "update": 4}
    assert settled == {}


def test_a_protected_environment_is_destroyed_once_that_is_said(cloud: Cloud) -> None:
    cloud.up(parts())
    with pytest.raises(EngineError, match="protect"):
        cloud.destroy()
    assert {SOURCE, STATE} <= set(left(cloud))

    cloud.up(parts(storageProtect="false"))
    cloud.destroy()

    assert left(cloud) == []


@pytest.mark.parametrize(("environment", "emptied"), [("dev", True), ("prd", False)])
def test_objects_are_deleted_with_their_bucket_in_dev_only(
    cloud: Cloud, environment: str, emptied: bool
) -> None:
    bucket = naming.context_bucket(environment)
    cloud.up(parts(environment, storageProtect="false"))
    # The emulated AWS takes every request for one without TLS, which the policy refuses.
    cloud.call("s3", "delete_bucket_policy", Bucket=bucket)
    cloud.call("s3", "put_object", Bucket=bucket, Key="build-context/p/t/h/context.tar.gz", Body=b"x")

    if emptied:
        cloud.destroy()
        assert left(cloud) == []
        return
    with pytest.raises(EngineError, match="forceDestroy"):
        cloud.destroy()
    assert bucket in left(cloud)


def test_base_images_are_fetched_by_way_of_ecr(cloud: Cloud) -> None:
    cloud.up(parts(registryUpstream="public.ecr.aws"))

    rules = cloud.call(
        "ecr", "describe_pull_through_cache_rules", ecrRepositoryPrefixes=["knative-lambda-base-prd"]
    )
    assert [rule["upstreamRegistryUrl"] for rule in rules["pullThroughCacheRules"]] == ["public.ecr.aws"]
    cloud.up(parts())
    with pytest.raises(ClientError, match="PullThroughCacheRuleNotFound"):
        cloud.call(
            "ecr", "describe_pull_through_cache_rules", ecrRepositoryPrefixes=["knative-lambda-base-prd"]
        )


def test_another_account_is_not_touched(cloud: Cloud) -> None:
    """What the stack files set: credentials of a neighbouring account change nothing there."""
    with pytest.raises(EngineError, match="allowedAccountIds"):
        cloud.up(parts(), aws_allowedAccountIds='["210987654321"]')

    assert left(cloud) == []
