"""What checking fills in and what it refuses; pure."""

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.aws import AwsProviders
from engine.provider import CheckResult
from engine.values import UNKNOWN, Secret
from tests.engine_aws.catalogue import TRUST

BUCKET = "aws:s3/bucket:Bucket"
ROLE = "aws:iam/role:Role"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
QUEUE = "aws:sqs/queue:Queue"


def check(
    token: str,
    news: dict[str, Any],
    olds: Any = None,
    name: str = "source",
    seed: bytes = bytes(32),
    **config: Any,
) -> CheckResult:
    provider = AwsProviders()()
    provider.configure(config)
    urn = f"urn:pulumi:dev::proj::{token}::{name}"
    return provider.check(urn=urn, olds=olds or {}, news=news, random_seed=seed)


def reasons(*arguments: Any, **named: Any) -> list[str]:
    return [failure.reason for failure in check(*arguments, **named).failures]


def test_a_bucket_gets_a_name_of_its_own_and_the_defaults_that_pulumi_records() -> None:
    inputs = check(BUCKET, {}, name="Source").inputs

    assert inputs["bucket"].startswith("source-")
    assert len(inputs["bucket"]) == len("source-") + 7
    assert inputs["forceDestroy"] is False
    assert inputs["__defaults"] == ["bucket", "forceDestroy"]


def test_a_made_up_name_stays_and_a_given_one_is_not_kept_when_it_is_taken_away() -> None:
    made_up = check(BUCKET, {}).inputs
    given_ = check(BUCKET, {"bucket": "mine"}).inputs

    assert check(BUCKET, {}, made_up, seed=b"x" * 32).inputs == made_up
    assert check(BUCKET, {}, given_).inputs["bucket"].startswith("source-")


def test_a_fifo_queue_and_an_alias_get_names_of_the_form_that_aws_asks_for() -> None:
    assert check(QUEUE, {"fifoQueue": True}).inputs["name"].endswith(".fifo")
    assert check("aws:kms/alias:Alias", {"targetKeyId": "x"}).inputs["name"].startswith("alias/source-")
    assert check("aws:s3/bucketObject:BucketObject", {"bucket": "b"}).inputs["key"] == "source"


@pytest.mark.parametrize(
    ("token", "news", "reason"),
    [
        pytest.param(VERSIONING, {"bucket": "b"}, "versioningConfiguration is required", id="missing"),
        pytest.param(
            VERSIONING,
            {"bucket": "b", "versioningConfiguration": {}},
            "versioningConfiguration.status is required",
            id="missing inside",
        ),
        pytest.param(BUCKET, {"forceDestory": True}, "did you mean forceDestroy?", id="misspelt"),
        pytest.param(BUCKET, {"zzz": 1}, "allowed are bucket, forceDestroy", id="unknown"),
        pytest.param(BUCKET, {"arn": "x"}, "arn is set by AWS", id="output"),
        pytest.param(BUCKET, {"forceDestroy": "yes"}, "forceDestroy has to be true or false", id="type"),
        pytest.param(BUCKET, {"tags": {"a": 1}}, 'tags["a"] has to be a string', id="type in a map"),
        pytest.param(
            BUCKET, {"versioning": {}}, "use aws:s3/bucketVersioning", id="setting of another resource"
        ),
        pytest.param(BUCKET, {"bucket": "b" * 64}, "at most 63 are allowed", id="long"),
        pytest.param(
            ROLE, {"assumeRolePolicy": "{"}, "assumeRolePolicy has to be a JSON document", id="no JSON"
        ),
        pytest.param(
            LIFECYCLE,
            {"bucket": "b", "rules": [{"id": "a", "status": "on"}]},
            "rules[0].status is 'on'; allowed are Enabled, Disabled",
            id="choice",
        ),
        pytest.param(
            "aws:secretsmanager/secretVersion:SecretVersion",
            {"secretId": "x", "secretString": "a", "secretBinary": "b"},
            "secretString and secretBinary exclude each other",
            id="exclusive",
        ),
        pytest.param("aws:s3/bukcet:Bucket", {}, "did you mean aws:s3/bucket:Bucket?", id="misspelt type"),
        pytest.param("aws:ec2/vpc:Vpc", {}, "run the stack with Pulumi's own engine", id="other type"),
    ],
)
def test_what_is_wrong_is_refused_in_words_that_name_it(
    token: str, news: dict[str, Any], reason: str
) -> None:
    assert any(reason in found for found in reasons(token, news)), reasons(token, news)


def test_all_mistakes_are_reported_at_once_and_no_secret_is_shown() -> None:
    found = reasons(
        VERSIONING, {"bukcet": "b", "versioningConfiguration": Secret({"status": "s3cr3t" * 2, "x": "y"})}
    )

    assert len(found) == 4
    assert not any(word == "y" for text in found for word in text.split())


def test_unknown_values_pass() -> None:
    news = {"bucket": UNKNOWN, "versioningConfiguration": {"status": UNKNOWN}}

    assert check(VERSIONING, news).failures == ()


def test_a_policy_may_be_an_object_and_nulls_are_nothing() -> None:
    result = check(ROLE, {"assumeRolePolicy": {"Version": "2012-10-17", "Statement": []}, "path": None})

    assert result.inputs["assumeRolePolicy"] == '{"Version":"2012-10-17","Statement":[]}'
    assert result.inputs["path"] == "/"


def test_default_tags_lie_under_the_resources_own() -> None:
    tags = '{"tags": {"team": "lambda", "stage": "dev"}}'

    assert check(BUCKET, {"tags": {"stage": "prd"}}, defaultTags=tags).inputs["tags"] == {
        "team": "lambda",
        "stage": "prd",
    }
    assert check(BUCKET, {}, defaultTags=tags).inputs["tags"] == {"team": "lambda", "stage": "dev"}
    assert "tags" not in check(VERSIONING, {"bucket": "b"}, defaultTags=tags).inputs


names = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=40)


@settings(deadline=None)
@given(name=names, seed=st.binary(min_size=32, max_size=32))
def test_names_are_made_of_the_seed_and_checking_twice_changes_nothing(name: str, seed: bytes) -> None:
    first = check(ROLE, {"assumeRolePolicy": TRUST}, name=name, seed=seed).inputs

    assert check(ROLE, {"assumeRolePolicy": TRUST}, name=name, seed=seed).inputs == first
    assert check(ROLE, {"assumeRolePolicy": TRUST}, first, name=name).inputs == first
    assert first["name"].startswith(f"{name}-")
