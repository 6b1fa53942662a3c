"""The provider's own configuration, and what it costs to import."""

import json
import subprocess
import sys
from typing import Any

import pytest

from engine.aws import AwsProviders
from engine.aws.client import Session
from engine.aws.config import settings_of
from engine.provider import ProviderError
from engine.values import Secret
from tests.engine_aws.cloud import REGION, Cloud, Resource

URN = "urn:pulumi:dev::proj::pulumi:providers:aws::default"


def failures(news: dict[str, Any]) -> list[str]:
    return [failure.reason for failure in AwsProviders()().check_config(URN, {}, news).failures]


def test_importing_and_configuring_the_provider_loads_no_boto3() -> None:
    code = (
        "import sys, engine.aws\n"
        "provider = engine.aws.AwsProviders()()\n"
        "provider.check_config('u', {}, {'region': 'eu-west-1'})\n"
        "provider.configure({'region': 'eu-west-1'})\n"
        "urn = 'urn:pulumi:dev::proj::aws:s3/bucket:Bucket::a'\n"
        "provider.check(urn=urn, olds={}, news={}, random_seed=bytes(32))\n"
        "sys.exit(any(name in sys.modules for name in ('boto3', 'botocore')))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("news", "reason"),
    [
        pytest.param({"regoin": "x"}, "did you mean region?", id="misspelt"),
        pytest.param({"zzz": "x"}, "known are", id="unknown"),
        pytest.param(
            {"httpProxy": "x"}, "aws:httpProxy is not supported by the embedded engine", id="unsupported"
        ),
        pytest.param({"insecure": "maybe"}, "it has to be true or false", id="flag"),
        pytest.param({"maxRetries": "-1"}, "0 or more", id="number"),
        pytest.param({"endpoints": '[{"lambda": "http://x"}]'}, "aws:endpoints has lambda", id="service"),
        pytest.param({"endpoints": '{"s3": "http://x"}'}, "a list of objects", id="endpoints"),
        pytest.param({"assumeRoles": '[{"sessionName": "x"}]'}, "has to name a role", id="role"),
        pytest.param({"allowedAccountIds": "1"}, "has to be a list", id="list"),
        pytest.param({"defaultTags": "x"}, "has to be an object", id="object"),
    ],
)
def test_wrong_configuration_is_refused_in_words_that_name_it(news: dict[str, Any], reason: str) -> None:
    found = failures(news)

    assert len(found) == 1
    assert reason in found[0]


def test_values_may_be_texts_as_pulumi_passes_them_or_typed() -> None:
    typed = {
        "s3UsePathStyle": True,
        "maxRetries": 3,
        "defaultTags": {"tags": {"a": "b"}},
        "endpoints": [{"s3": "http://x", "s3api": ""}],
        "allowedAccountIds": ["012345678901"],
        "assumeRoles": [{"roleArn": "arn:x", "duration": "15m", "externalId": "e"}],
    }
    texts = {name: json.dumps(value) for name, value in typed.items()}

    assert failures(typed) == failures(texts) == []
    assert settings_of(typed) == settings_of(texts)
    assert settings_of(typed).roles[0].duration == 900
    assert settings_of(typed).endpoint("s3") == "http://x"


def test_credentials_are_secrets_and_not_in_the_text_of_settings() -> None:
    inputs = AwsProviders()().check_config(URN, {}, {"secretKey": "hush", "region": REGION}).inputs

    assert inputs["secretKey"] == Secret("hush")
    assert "hush" not in repr(settings_of(inputs))


def test_a_change_of_the_configuration_replaces_no_resources() -> None:
    diff = AwsProviders()().diff_config(URN, {"region": "a", "token": "1"}, {"region": "b", "token": "1"})

    assert diff.changes
    assert diff.diffs == ("region",)
    assert diff.replaces == ()


def test_equal_settings_share_clients_and_others_do_not(cloud: Cloud) -> None:
    one, two = (
        settings_of({"region": REGION, "accessKey": "a", "secretKey": "b"}),
        settings_of({"region": REGION}),
    )

    session = cloud.providers._session_for(one)

    assert (
        cloud.providers._session_for(settings_of({"region": REGION, "accessKey": "a", "secretKey": "b"}))
        is session
    )
    assert cloud.providers._session_for(two) is not session
    assert session.client("s3", REGION) is session.client("s3", REGION)


def test_without_credentials_or_region_the_error_says_how_to_set_them(cloud: Cloud) -> None:
    with pytest.raises(ProviderError, match=r"no AWS region is configured; set aws:region"):
        _ = Session(settings_of({})).region
    with pytest.raises(ProviderError, match=r"set aws:profile, or aws:accessKey"):
        Session(settings_of({"region": REGION})).identity()
    with pytest.raises(ProviderError, match="nobody"):
        Session(settings_of({"region": REGION, "profile": "nobody"})).identity()


def test_a_role_is_assumed_once_for_all_calls(cloud: Cloud) -> None:
    role = "arn:aws:iam::123456789012:role/deployer"

    cloud.up(
        lambda: Resource("aws:iam/user:User", "it", {}),
        aws_assumeRoles=json.dumps([{"roleArn": role, "sessionName": "tests", "duration": "20m"}]),
    )

    assumed = [parameters for name, parameters in cloud.requests if name == "assume_role"]
    assert assumed == [{"RoleArn": role, "RoleSessionName": "tests", "DurationSeconds": 1200}]


def test_tags_of_others_are_neither_recorded_nor_removed(cloud: Cloud) -> None:
    def program() -> None:
        Resource("aws:s3/bucket:Bucket", "it", {"bucket": "shared", "tags": tags})

    ignored = {"aws_ignoreTags": json.dumps({"keyPrefixes": ["cost:"]})}
    tags = {"team": "lambda"}
    cloud.up(program, **ignored)
    theirs = [{"Key": "cost:center", "Value": "7"}, {"Key": "team", "Value": "lambda"}]
    cloud.call("s3", "put_bucket_tagging", Bucket="shared", Tagging={"TagSet": theirs})

    cloud.refresh()
    assert cloud.up(program, **ignored).changes == {"same": 2}
    tags = {"team": "platform"}
    cloud.up(program, **ignored)

    found = cloud.call("s3", "get_bucket_tagging", Bucket="shared")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in found} == {"cost:center": "7", "team": "platform"}


def test_default_tags_are_on_every_resource_and_a_change_of_them_is_an_update(cloud: Cloud) -> None:
    def program() -> None:
        Resource("aws:iam/user:User", "it", {"name": "it", "tags": {"own": "1"}})

    cloud.up(program, aws_defaultTags='{"tags": {"stage": "dev"}}')
    changed = cloud.up(program, aws_defaultTags='{"tags": {"stage": "prd"}}')

    assert changed.changes["update"] == 1
    assert cloud.state("it")["outputs"]["tagsAll"] == {"own": "1", "stage": "prd"}
    tags = cloud.call("iam", "list_user_tags", UserName="it")["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"own": "1", "stage": "prd"}
