"""What goes wrong: refusals, lost answers, interrupted runs, things that are not seen yet."""

import json
import time
from typing import Any

import pulumi
import pytest
from botocore.exceptions import ReadTimeoutError

from engine import UpdateFailed
from tests.engine_aws.catalogue import READ, TRUST
from tests.engine_aws.cloud import STACK, Cloud, Resource, document
from tests.engine_aws.stubs import refusal


def bucket(**props: Any) -> Any:
    def program() -> None:
        Resource("aws:s3/bucket:Bucket", "it", props)

    return program


def refuse_times(cloud: Cloud, operation: str, count: int, code: str, message: str = "no") -> None:
    """Have the first `count` requests of an operation refused."""
    left = [refusal(code, operation, message=message)] * count

    def fault(_: dict[str, Any]) -> None:
        if left:
            raise left.pop()

    cloud.faults[operation] = fault


def test_a_bucket_that_is_not_empty_stays_and_the_error_says_what_to_do(cloud: Cloud) -> None:
    cloud.up(bucket(bucket="full"))
    cloud.call("s3", "put_object", Bucket="full", Key="a", Body=b"1")

    with pytest.raises(UpdateFailed, match=r"the bucket full is not empty.*set forceDestroy to true"):
        cloud.destroy()

    assert cloud.call("s3", "get_object", Bucket="full", Key="a")["Body"].read() == b"1"


def test_a_bucket_with_force_destroy_goes_with_all_versions(cloud: Cloud) -> None:
    cloud.up(bucket(bucket="full", forceDestroy=True))
    cloud.call("s3", "put_bucket_versioning", Bucket="full", VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "a", "a2", "b"):
        cloud.call("s3", "put_object", Bucket="full", Key=key, Body=b"1")
    cloud.call("s3", "delete_object", Bucket="full", Key="b")

    cloud.destroy()

    assert cloud.call("s3", "list_buckets")["Buckets"] == []


def test_a_repository_with_images_stays_unless_it_is_forced(cloud: Cloud) -> None:
    def program(**props: Any) -> Any:
        return lambda: Resource("aws:ecr/repository:Repository", "it", {"name": "functions", **props})

    cloud.up(program())
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": media_type, "config": {}, "layers": []})
    image = {"imageManifest": manifest, "imageManifestMediaType": media_type, "imageTag": "x"}
    cloud.call("ecr", "put_image", repositoryName="functions", **image)

    with pytest.raises(UpdateFailed, match=r"the repository functions holds images.*forceDelete"):
        cloud.destroy()
    assert cloud.up(program(forceDelete=True)).changes["update"] == 1
    assert cloud.writes == []
    cloud.destroy()
    assert cloud.call("ecr", "describe_repositories")["repositories"] == []


def test_the_second_delete_of_one_version_of_an_object_leaves_its_namesakes_alone(cloud: Cloud) -> None:
    def program() -> None:
        source = Resource("aws:s3/bucket:Bucket", "source", {"bucket": "source", "forceDestroy": True})
        versioning = Resource(
            "aws:s3/bucketVersioning:BucketVersioning",
            "versioning",
            {"bucket": source.id, "versioningConfiguration": {"status": "Enabled"}},
        )
        if wanted:
            Resource(
                "aws:s3/bucketObjectv2:BucketObjectv2",
                "it",
                {"bucket": source.id, "key": "a", "content": "1"},
                pulumi.ResourceOptions(depends_on=[versioning]),
            )

    wanted = True
    cloud.up(program)
    cloud.call("s3", "put_object", Bucket="source", Key="a", Body=b"2")
    cloud.call("s3", "put_object", Bucket="source", Key="a2", Body=b"3")
    wanted = False

    cloud.up(program)

    versions = cloud.call("s3", "list_object_versions", Bucket="source")
    assert [item["Key"] for item in versions["Versions"]] == ["a2"]
    assert "DeleteMarkers" not in versions


def test_a_bucket_that_exists_already_is_not_taken_over(cloud: Cloud) -> None:
    cloud.call(
        "s3", "create_bucket", Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )

    for region in ("eu-west-1", "us-east-1"):
        with pytest.raises(UpdateFailed, match=r"BucketAlreadyOwnedByYou|exists already"):
            cloud.up(bucket(bucket="mine"), aws_region=region)

    cloud.destroy()
    assert [item["Name"] for item in cloud.call("s3", "list_buckets")["Buckets"]] == ["mine"]


def test_a_refusal_names_the_request_the_code_and_a_remedy_and_leaves_nothing_pending(cloud: Cloud) -> None:
    refuse_times(cloud, "create_bucket", 1, "AccessDenied", "you shall not")

    with pytest.raises(
        UpdateFailed, match=r"s3:create_bucket failed with AccessDenied.*you shall not; allow this"
    ):
        cloud.up(bucket())

    cloud.faults.clear()
    assert cloud.up(bucket()).changes["create"] == 1


def test_what_was_created_but_not_completed_is_recorded_and_finished_by_the_next_update(cloud: Cloud) -> None:
    program = bucket(tags={"team": "lambda"})
    refuse_times(cloud, "put_bucket_tagging", 1, "AccessDenied")

    with pytest.raises(UpdateFailed, match="put_bucket_tagging"):
        cloud.up(program)
    name = cloud.state("it")["id"]
    finished = cloud.up(program)

    assert finished.changes == {"same": 1, "update": 1}
    assert cloud.state("it")["id"] == name
    assert cloud.call("s3", "get_bucket_tagging", Bucket=name)["TagSet"] == [
        {"Key": "team", "Value": "lambda"}
    ]
    assert cloud.up(program).changes == {"same": 2}


def test_an_update_that_fails_half_way_goes_on_where_it_stopped(cloud: Cloud) -> None:
    def program(**props: Any) -> Any:
        return lambda: Resource("aws:iam/role:Role", "it", {"assumeRolePolicy": TRUST, "name": "it", **props})

    changed = {"assumeRolePolicy": TRUST.replace("ec2", "lambda"), "maxSessionDuration": 7200}
    cloud.up(program())
    refuse_times(cloud, "update_role", 1, "ServiceFailure")

    with pytest.raises(UpdateFailed, match="iam:update_role failed with ServiceFailure"):
        cloud.up(program(**changed))
    cloud.up(program(**changed))

    assert cloud.writes == ["update_role"]
    assert cloud.call("iam", "get_role", RoleName="it")["Role"]["MaxSessionDuration"] == 7200


def test_a_creation_without_an_answer_is_found_and_made_anew(cloud: Cloud) -> None:
    def lose_answer(parameters: dict[str, Any]) -> None:
        cloud.faults.clear()
        cloud.call("s3", "create_bucket", **parameters)
        raise ReadTimeoutError(endpoint_url="http://s3")

    cloud.faults["create_bucket"] = lose_answer
    with pytest.raises(UpdateFailed, match="no answer"):
        cloud.up(bucket())
    lost = cloud.call("s3", "list_buckets")["Buckets"][0]["Name"]

    assert cloud.up(bucket()).changes["create"] == 1

    names = [item["Name"] for item in cloud.call("s3", "list_buckets")["Buckets"]]
    assert names == [cloud.state("it")["id"]]
    assert names != [lost]


def test_somebody_elses_resource_of_that_name_is_never_deleted_as_a_leftover(cloud: Cloud) -> None:
    def program() -> None:
        Resource("aws:iam/role:Role", "it", {"assumeRolePolicy": TRUST, "name": "theirs"})

    def lose_answer(parameters: dict[str, Any]) -> None:
        raise ReadTimeoutError(endpoint_url="http://iam")

    theirs = document({"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"})
    cloud.call("iam", "create_role", RoleName="theirs", AssumeRolePolicyDocument=theirs)
    cloud.faults["create_role"] = lose_answer
    with pytest.raises(UpdateFailed):
        cloud.up(program)
    cloud.faults.clear()

    with pytest.raises(UpdateFailed, match="theirs exists, but not as the creation that was cut off"):
        cloud.up(program)

    assert cloud.call("iam", "get_role", RoleName="theirs")


def test_an_attachment_waits_until_the_new_role_is_seen(cloud: Cloud) -> None:
    def program() -> None:
        role = Resource("aws:iam/role:Role", "role", {"assumeRolePolicy": TRUST})
        Resource("aws:iam/rolePolicy:RolePolicy", "it", {"role": role.id, "policy": READ})

    refuse_times(cloud, "put_role_policy", 2, "NoSuchEntity")

    assert cloud.up(program).changes["create"] == 3
    assert cloud.writes.count("put_role_policy") == 3


def test_the_wait_for_what_is_not_seen_ends_with_the_custom_timeout(cloud: Cloud) -> None:
    def program() -> None:
        timeouts = pulumi.CustomTimeouts(create="1s")
        options = pulumi.ResourceOptions(custom_timeouts=timeouts)
        Resource("aws:iam/rolePolicy:RolePolicy", "it", {"role": "missing", "policy": READ}, options)

    started = time.monotonic()
    with pytest.raises(UpdateFailed, match="NoSuchEntity"):
        cloud.up(program)

    assert time.monotonic() - started < 10


def test_a_role_with_something_foreign_attached_stays_unless_it_is_forced(cloud: Cloud) -> None:
    def program(**props: Any) -> Any:
        return lambda: Resource("aws:iam/role:Role", "it", {"name": "it", "assumeRolePolicy": TRUST, **props})

    cloud.up(program())
    cloud.call("iam", "put_role_policy", RoleName="it", PolicyName="theirs", PolicyDocument=READ)

    with pytest.raises(UpdateFailed, match=r"the role it is in use.*set forceDetachPolicies to true"):
        cloud.destroy()
    cloud.up(program(forceDetachPolicies=True))
    cloud.destroy()
    assert cloud.call("iam", "list_roles")["Roles"] == []


def test_a_user_with_keys_and_groups_goes_when_it_is_forced(cloud: Cloud) -> None:
    cloud.up(lambda: Resource("aws:iam/user:User", "it", {"name": "it", "forceDestroy": True}))
    cloud.call("iam", "create_access_key", UserName="it")
    cloud.call("iam", "create_group", GroupName="all")
    cloud.call("iam", "add_user_to_group", GroupName="all", UserName="it")
    cloud.call("iam", "put_user_policy", UserName="it", PolicyName="theirs", PolicyDocument=READ)

    cloud.destroy()

    assert cloud.call("iam", "list_users")["Users"] == []


def test_a_refresh_without_an_answer_fails_and_leaves_the_record_alone(cloud: Cloud) -> None:
    def lose_answer(_: dict[str, Any]) -> None:
        raise ReadTimeoutError(endpoint_url="http://s3")

    cloud.up(bucket())
    before = cloud.state("it")
    cloud.faults["head_bucket"] = lose_answer

    with pytest.raises(UpdateFailed, match="no answer"):
        cloud.refresh()

    assert cloud.state("it") == before


def test_a_policy_keeps_no_more_versions_than_iam_allows(cloud: Cloud) -> None:
    def program(number: int) -> Any:
        text = READ.replace(":source", f":source{number}")
        return lambda: Resource("aws:iam/policy:Policy", "it", {"policy": text})

    for number in range(7):
        cloud.up(program(number))

    arn = cloud.state("it")["id"]
    assert len(cloud.call("iam", "list_policy_versions", PolicyArn=arn)["Versions"]) == 5
    cloud.destroy()
    assert cloud.call("iam", "list_policies", Scope="Local")["Policies"] == []


def test_versioning_cannot_be_disabled_and_a_preview_says_so(cloud: Cloud) -> None:
    def program(status: str) -> Any:
        def run() -> None:
            source = Resource("aws:s3/bucket:Bucket", "source", {})
            props = {"bucket": source.id, "versioningConfiguration": {"status": status}}
            Resource("aws:s3/bucketVersioning:BucketVersioning", "it", props)

        return run

    cloud.up(program("Enabled"))

    with pytest.raises(UpdateFailed, match=r"cannot go from Enabled to Disabled.*use Suspended"):
        cloud.preview(program("Disabled"))


def test_an_unsupported_type_is_refused_by_name_before_anything_is_called(cloud: Cloud) -> None:
    def program() -> None:
        Resource("aws:ec2/instance:Instance", "it", {})

    with pytest.raises(
        UpdateFailed, match="aws:ec2/instance:Instance is not supported by the embedded engine"
    ):
        cloud.up(program)

    assert cloud.requests == []


def test_credentials_of_another_account_are_refused_before_anything_is_changed(cloud: Cloud) -> None:
    with pytest.raises(UpdateFailed, match=r"AWS account 123456789012.*rules out"):
        cloud.up(bucket(), aws_allowedAccountIds='["999999999999"]')

    assert cloud.writes == []
    assert cloud.up(bucket(), aws_allowedAccountIds='["123456789012"]').changes["create"] >= 1


def test_a_region_that_changes_replaces_regional_resources_only(cloud: Cloud) -> None:
    def program() -> None:
        Resource("aws:iam/role:Role", "role", {"assumeRolePolicy": TRUST})
        Resource("aws:sqs/queue:Queue", "it", {})

    cloud.up(program)

    moved = cloud.up(program, aws_region="us-east-1")

    assert moved.changes.get("replace") == 1
    assert "eu-west-1" not in cloud.state("it")["outputs"]["arn"]
    assert cloud.client("sqs").list_queues().get("QueueUrls", []) == []


def test_a_run_that_was_stopped_half_way_leaves_a_stack_that_can_be_destroyed(cloud: Cloud) -> None:
    def program() -> None:
        source = Resource("aws:s3/bucket:Bucket", "source", {})
        Resource("aws:s3/bucketPolicy:BucketPolicy", "it", {"bucket": source.id, "policy": READ})

    refuse_times(cloud, "put_bucket_policy", 1, "MalformedPolicy", "Action does not apply to any resource(s)")
    with pytest.raises(UpdateFailed, match="MalformedPolicy"):
        cloud.up(program)

    cloud.destroy()

    assert cloud.engine.resources(STACK) == []
    assert cloud.call("s3", "list_buckets")["Buckets"] == []
