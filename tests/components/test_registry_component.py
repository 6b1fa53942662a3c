"""The registry of an environment: ECR's repositories, or the Secrets that open another one."""

import json

import pytest

from components.manifests.cloud import Cloud
from components.registry import Registry, RegistryArgs
from components.repository import Repository
from tests.components.declaring import declare, is_secret

KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd"
ADDRESS = "123456789012.dkr.ecr.us-west-2.amazonaws.com"


def args(**values):
    given = {
        "provider": "ecr",
        "cloud": Cloud(account="123456789012", region="us-west-2"),
        "namespace": "ns",
        "address": ADDRESS,
        "repository": "functions",
        "cache_repository": "cache",
        "service_repository": "service",
        "retention_days": 90,
    }
    return RegistryArgs(**{**given, **values})


@pytest.fixture(scope="module")
def declared():
    return declare(lambda: Registry("registry", args()))


def policy_of(declared, repository):
    return json.loads(declared.inputs(f"registry-{repository}-lifecycle")["policy"])["rules"]


def test_its_outputs_are_the_declared_ones(declared):
    assert declared.outputs["registry"] == {
        "address": ADDRESS,
        "repository": "functions",
        "cache_repository": "cache",
        "service_repository": "service",
        "base_images": "",
        "pull_secret": "",
        "push_secret": "",
    }
    assert set(declared.outputs["registry"]) == set(Registry.__annotations__)
    assert set(declared.outputs["registry-cache"]) <= set(Repository.__annotations__)


def test_tags_that_name_a_content_never_move_and_those_of_cached_layers_do(declared):
    mutability = {
        name: declared.inputs(f"registry-{name}-repository")["imageTagMutability"]
        for name in ("functions", "cache", "service")
    }

    assert mutability == {"functions": "IMMUTABLE", "cache": "MUTABLE", "service": "MUTABLE"}


@pytest.mark.parametrize("repository", ["functions", "cache", "service"])
def test_every_push_is_scanned_and_encrypted(declared, repository):
    made = declared.inputs(f"registry-{repository}-repository")

    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert made["encryptionConfigurations"] == [{"encryptionType": "AES256"}]
    assert made["region"] == "us-west-2"
    assert "forceDelete" not in made or made["forceDelete"] is False


def test_images_and_layers_go_after_their_days_and_the_platforms_own_stay(declared):
    days = {
        name: {
            rule["selection"]["tagStatus"]: rule["selection"]["countNumber"]
            for rule in policy_of(declared, name)
        }
        for name in ("functions", "cache", "service")
    }

    assert days == {
        "functions": {"untagged": 1, "any": 90},
        "cache": {"untagged": 1, "any": 3},
        "service": {"untagged": 1},
    }


def test_the_rule_for_any_image_comes_last(declared):
    """ECR refuses a policy in which it does not."""
    rules = policy_of(declared, "functions")

    assert [rule["rulePriority"] for rule in rules] == [1, 2]
    assert rules[-1]["selection"]["tagStatus"] == "any"
    assert {rule["action"]["type"] for rule in rules} == {"expire"}
    assert {rule["selection"]["countType"] for rule in rules} == {"sinceImagePushed"}


def test_a_repository_can_have_a_key_of_its_own_and_go_with_its_images():
    declared = declare(lambda: Registry("registry", args(kms_key_arn=KEY, force_delete=True)))

    made = declared.inputs("registry-functions-repository")
    assert made["encryptionConfigurations"] == [{"encryptionType": "KMS", "kmsKey": KEY}]
    assert made["forceDelete"] is True


def test_base_images_come_by_way_of_ecr():
    secret = "arn:aws:secretsmanager:us-west-2:123456789012:secret:ecr-pullthroughcache/hub-a1"
    given = args(upstream="registry-1.docker.io", upstream_prefix="base-prd", upstream_secret_arn=secret)

    declared = declare(lambda: Registry("registry", given))

    assert declared.inputs("registry-upstream") == {
        "credentialArn": secret,
        "ecrRepositoryPrefix": "base-prd",
        "region": "us-west-2",
        "upstreamRegistryUrl": "registry-1.docker.io",
    }
    assert declared.outputs["registry"]["base_images"] == f"{ADDRESS}/base-prd/"


def test_another_registrys_repositories_are_not_made_here():
    given = args(provider="oci", address="ghcr.io", repository="team/functions")

    declared = declare(lambda: Registry("registry", given))

    assert [kind for kind, _, _ in declared.identities()] == ["knative-lambda:components:Registry"]
    assert declared.outputs["registry"]["address"] == "ghcr.io"
    assert declared.outputs["registry"]["repository"] == "team/functions"


def test_one_secret_opens_a_registry_for_pods_and_builds():
    declared = declare(lambda: Registry("registry", args(provider="oci", pull_config='{"auths":{}}')))

    made = declared.inputs("registry-pull")
    assert made["type"] == "kubernetes.io/dockerconfigjson"
    assert made["metadata"]["name"] == "knative-lambda-registry-pull"
    assert made["stringData"] == {".dockerconfigjson": '{"auths":{}}'}
    assert is_secret(declared.raw_inputs("registry-pull")["stringData"])
    assert declared.outputs["registry"]["pull_secret"] == "knative-lambda-registry-pull"
    assert declared.outputs["registry"]["push_secret"] == "knative-lambda-registry-pull"


def test_builds_may_have_a_secret_that_functions_do_not():
    given = args(provider="oci", pull_config="{}", push_config='{"auths":{}}')

    declared = declare(lambda: Registry("registry", given))

    assert declared.outputs["registry"]["pull_secret"] == "knative-lambda-registry-pull"
    assert declared.outputs["registry"]["push_secret"] == "knative-lambda-registry-push"
    assert declared.inputs("registry-push")["stringData"] == {".dockerconfigjson": '{"auths":{}}'}
    assert is_secret(declared.raw_inputs("registry-push")["stringData"])
