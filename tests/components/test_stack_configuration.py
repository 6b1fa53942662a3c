"""The platform's stack configuration, from the files in stacks/ to the program."""

import runpy
from pathlib import Path

import pulumi
import pytest
import yaml

from components.settings import ENVIRONMENTS, PlatformSettings, SettingsError
from tests.components.declaring import declare

ROOT = Path(__file__).parents[2]
ROLE = "arn:aws:iam::123456789012:role/builds"


def test_the_defaults_follow_from_the_environment():
    assert PlatformSettings.parse({"environment": "stg"}) == PlatformSettings(
        environment="stg", rabbitmq_cluster="rabbitmq-cluster-stg", rabbitmq_namespace="rabbitmq-stg"
    )


def test_every_key_is_taken():
    values = {
        "environment": "local",
        "engine": "automation-api",
        "rabbitmqCluster": "rabbit",
        "rabbitmqNamespace": "rabbits",
        "subscriberUri": "http://127.0.0.1:1",
        "deadLetterUri": "https://dead.test/letters",
        "buildRoleArn": ROLE,
        "serviceRoleArn": ROLE,
        "storageAccessKeyId": "key",
    }

    assert PlatformSettings.parse(values, has_secret=True) == PlatformSettings(
        environment="local",
        engine="automation-api",
        rabbitmq_cluster="rabbit",
        rabbitmq_namespace="rabbits",
        subscriber_uri="http://127.0.0.1:1",
        dead_letter_uri="https://dead.test/letters",
        build_role_arn=ROLE,
        service_role_arn=ROLE,
        storage_access_key_id="key",
    )


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        pytest.param({}, "environment is '': set it to one of local, dev, stg, prd", id="no-environment"),
        pytest.param(
            {"environment": "staging"}, "environment is 'staging': set it to one of", id="environment"
        ),
        pytest.param(
            {"environment": "dev", "engine": "terraform"},
            "engine is 'terraform': set it to one of embedded, automation-api",
            id="engine",
        ),
        pytest.param(
            {"environment": "dev", "subscriberUri": "localhost:1"}, "subscriberUri is 'localhost", id="uri"
        ),
        pytest.param(
            {"environment": "dev", "deadLetterUri": "ftp://x"}, "deadLetterUri is 'ftp://x'", id="scheme"
        ),
        pytest.param({"environment": "dev", "buildRoleArn": "admin"}, "buildRoleArn is 'admin'", id="role"),
        pytest.param({"environment": "dev", "storageAccessKeyId": "k"}, "belong together", id="half-a-key"),
        pytest.param(
            {"environment": "dev", "colour": "red"}, "colour is no key of this project", id="unknown"
        ),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(values, problem):
    with pytest.raises(SettingsError, match=problem):
        PlatformSettings.parse(values)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(SettingsError) as refused:
        PlatformSettings.parse({"environment": "x", "subscriberUri": "y", "colour": "red"})

    assert len(refused.value.problems) == 3


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_stack_file_builds_its_environment(environment):
    config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{environment}.yaml").read_text())["config"]

    declared = declare(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"), config)

    assert declared.exports == {
        "namespace": f"knative-lambda-{environment}",
        "broker_name": f"knative-lambda-broker-{environment}",
        "build_account": "kaniko-builder",
        "service_account": "knative-lambda-builder",
        "engine": "embedded",
    }


def test_the_stack_files_are_where_the_project_says():
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())

    assert (project["name"], project["stackConfigDir"]) == ("knative-lambda", "stacks")
    assert {path.name for path in (ROOT / "stacks").glob("Pulumi.*.yaml")} == {
        f"Pulumi.{environment}.yaml" for environment in ENVIRONMENTS
    }


def test_the_running_programs_configuration_is_read_with_its_secret():
    config = {
        "knative-lambda:environment": "local",
        "knative-lambda:storageAccessKeyId": "key",
        "knative-lambda:storageSecretAccessKey": "very-secret",
        "kubernetes:context": "not-ours",
    }
    seen = []

    def program():
        settings = PlatformSettings.from_config(pulumi.Config("knative-lambda"))
        assert "very-secret" not in repr(settings)
        settings.storage_secret_access_key.apply(seen.append)

    declare(program, config)

    assert seen == ["very-secret"]


def test_an_unknown_key_of_the_running_program_is_refused():
    def program():
        PlatformSettings.from_config(pulumi.Config("knative-lambda"))

    with pytest.raises(SettingsError, match="colour is no key"):
        declare(program, {"knative-lambda:environment": "dev", "knative-lambda:colour": "red"})


def test_every_key_is_described_in_the_readme():
    text = (ROOT / "stacks" / "README.md").read_text()
    keys = ["environment", "engine", "rabbitmqCluster", "rabbitmqNamespace"]
    keys += ["subscriberUri", "deadLetterUri"]
    keys += ["buildRoleArn", "serviceRoleArn", "storageAccessKeyId", "storageSecretAccessKey"]

    with pytest.raises(SettingsError) as refused:
        PlatformSettings.parse({"environment": "dev", "colour": "red"})

    assert all(f"| `{key}` |" in text for key in keys)
    assert refused.value.problems[0].endswith(", ".join(sorted(keys)))
