"""What each actor may do in AWS, and that nobody else can take on its role."""

import json
from dataclasses import replace

import pytest

from components.manifests.cloud import Cloud
from components.manifests.iam import (
    Buckets,
    Places,
    Repositories,
    build_policy,
    gitops_policy,
    service_policy,
)
from components.roles import Roles, RolesArgs
from tests.components.declaring import declare

CLOUD = Cloud(account="123456789012", region="us-west-2")
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/A1B2"
PROVIDER = f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"
KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd"
REPOSITORY = "arn:aws:ecr:us-west-2:123456789012:repository"
BUCKETS = Buckets(source="code", context="contexts", state="states")
REPOSITORIES = Repositories(functions="functions", cache="cache", service="service")
PLACES = Places(cloud=CLOUD, buckets=BUCKETS, repositories=REPOSITORIES)
ENCRYPTED = Places(
    cloud=CLOUD,
    buckets=replace(BUCKETS, kms_key_arn=KEY),
    repositories=Repositories(
        functions="functions", cache="cache", service="service", upstream_prefix="base"
    ),
)
POLICIES = {"service": service_policy, "build": build_policy, "gitops": gitops_policy}


def args(**values):
    given = {
        "environment": "prd",
        "namespace": "knative-lambda-prd",
        "gitops_namespace": "flux-system",
        "places": PLACES,
        "oidc_provider_arn": PROVIDER,
    }
    return RolesArgs(**{**given, **values})


@pytest.fixture(scope="module")
def declared():
    return declare(lambda: Roles("roles", args()))


def rights(policy):
    """Every allowed action with its resources."""
    return {
        (action, resource)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def test_the_service_reads_code_and_keeps_contexts_and_states():
    assert {right for right in rights(service_policy(PLACES)) if right[0].startswith("s3:")} == {
        ("s3:GetObject", "arn:aws:s3:::code/*"),
        ("s3:PutObject", "arn:aws:s3:::contexts/build-context/*"),
        ("s3:DeleteObject", "arn:aws:s3:::contexts/build-context/*"),
        *((f"s3:{verb}Object", "arn:aws:s3:::contexts/builds/*") for verb in ("Get", "Put")),
        *((f"s3:{verb}Object", "arn:aws:s3:::contexts/provenance/*") for verb in ("Get", "Put")),
        *((f"s3:{verb}Object", "arn:aws:s3:::states/*") for verb in ("Get", "Put", "Delete")),
        *(("s3:ListBucket", f"arn:aws:s3:::{bucket}") for bucket in ("code", "contexts", "states")),
    }


def test_the_service_looks_images_up_and_makes_functions_and_cache_repositories_only():
    assert {right for right in rights(service_policy(PLACES)) if right[0].startswith("ecr:")} == {
        *(
            (action, f"{REPOSITORY}/{name}")
            for action in (
                "ecr:DescribeImages",
                "ecr:DescribeRepositories",
                "ecr:CreateRepository",
                "ecr:PutLifecyclePolicy",
            )
            for name in ("functions", "functions/*", "cache")
        )
    }


def test_a_build_reads_contexts_and_pushes_images_and_layers():
    pull = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
    push = ("CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart")

    assert rights(build_policy(PLACES)) == {
        ("s3:GetObject", "arn:aws:s3:::contexts/build-context/*"),
        *(
            (f"ecr:{action}", f"{REPOSITORY}/{name}")
            for action in (*pull, *push)
            for name in ("functions", "functions/*", "cache")
        ),
        ("ecr:GetAuthorizationToken", "*"),
    }


def test_flux_reads_the_tags_of_functions_and_of_the_platform():
    assert rights(gitops_policy(PLACES)) == {
        *(
            (f"ecr:{action}", f"{REPOSITORY}/{name}")
            for action in ("BatchGetImage", "ListImages")
            for name in ("functions", "service")
        ),
        ("ecr:GetAuthorizationToken", "*"),
    }


@pytest.mark.parametrize("actor", POLICIES)
@pytest.mark.parametrize("places", [PLACES, ENCRYPTED], ids=["plain", "encrypted"])
def test_no_action_is_a_wildcard_and_no_resource_but_where_aws_has_nothing_else(actor, places):
    for action, resource in rights(POLICIES[actor](places)):
        assert "*" not in action
        if resource == "*":
            assert action == "ecr:GetAuthorizationToken"
        else:
            assert "*" not in resource[:-1]
            assert not resource.endswith("*") or resource.endswith("/*")


def test_a_key_is_used_through_s3_only_and_decrypts_only_for_builds():
    statements = {
        actor: next(item for item in POLICIES[actor](ENCRYPTED)["Statement"] if item["Sid"] == "UseKey")
        for actor in ("service", "build")
    }

    assert statements["service"]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statements["build"]["Action"] == ["kms:Decrypt"]
    for statement in statements.values():
        assert statement["Resource"] == [KEY]
        assert statement["Condition"] == {"StringEquals": {"kms:ViaService": "s3.us-west-2.amazonaws.com"}}


def test_a_build_may_have_base_images_fetched_below_their_prefix():
    fetched = {right for right in rights(build_policy(ENCRYPTED)) if right[1] == f"{REPOSITORY}/base/*"}

    assert {action for action, _ in fetched} == {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:BatchImportUpstreamImage",
        "ecr:CreateRepository",
        "ecr:GetDownloadUrlForLayer",
    }


@pytest.mark.parametrize("actor", POLICIES)
def test_nothing_is_said_of_what_is_not_in_aws(actor):
    storage_only = Places(cloud=CLOUD, buckets=BUCKETS)
    registry_only = Places(cloud=CLOUD, repositories=REPOSITORIES)

    assert not [right for right in rights(POLICIES[actor](storage_only)) if right[0].startswith("ecr:")]
    assert not [right for right in rights(POLICIES[actor](registry_only)) if right[0].startswith("s3:")]
    assert POLICIES[actor](Places(cloud=CLOUD))["Statement"] == []


@pytest.mark.parametrize(
    ("role", "account"),
    [
        ("service", "knative-lambda-prd:knative-lambda-builder"),
        ("build", "knative-lambda-prd:kaniko-builder"),
        ("gitops", "flux-system:image-reflector-controller"),
    ],
)
def test_a_role_is_for_one_account_with_a_token_made_for_aws(declared, role, account):
    (statement,) = json.loads(declared.inputs(f"roles-{role}-role")["assumeRolePolicy"])["Statement"]

    assert statement["Principal"] == {"Federated": PROVIDER}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            f"{ISSUER}:sub": f"system:serviceaccount:{account}",
            f"{ISSUER}:aud": "sts.amazonaws.com",
        }
    }


def test_each_role_has_its_own_policy_and_no_function_has_a_role(declared):
    names = {name: declared.inputs(f"roles-{name}-role")["name"] for name in POLICIES}

    assert names == {
        "service": "knative-lambda-builder-prd",
        "build": "knative-lambda-kaniko-prd",
        "gitops": "knative-lambda-gitops-prd",
    }
    for name, policy in POLICIES.items():
        made = declared.inputs(f"roles-{name}-policy")
        assert made["role"] == names[name]
        assert json.loads(made["policy"]) == policy(PLACES)
    roles = [name for kind, name, _ in declared.identities() if kind == "aws:iam/role:Role"]
    assert len(roles) == len(POLICIES)


def test_its_outputs_are_the_declared_ones(declared):
    assert declared.outputs["roles"] == {
        "service_role_arn": "arn:aws:iam:::knative-lambda-builder-prd",
        "build_role_arn": "arn:aws:iam:::knative-lambda-kaniko-prd",
        "gitops_role_arn": "arn:aws:iam:::knative-lambda-gitops-prd",
    }
    assert set(declared.outputs["roles"]) == set(Roles.__annotations__)


def test_the_clusters_provider_is_made_where_there_is_none():
    declared = declare(
        lambda: Roles("roles", args(oidc_provider_arn="", oidc_issuer_url=f"https://{ISSUER}"))
    )

    assert declared.inputs("roles-oidc") == {
        "url": f"https://{ISSUER}",
        "clientIdLists": ["sts.amazonaws.com"],
    }
    assert declared.depends_on("roles-build-role") == ["roles-oidc"]


def test_a_role_that_was_made_elsewhere_is_not_made_again():
    arn = "arn:aws:iam::123456789012:role/builds"

    declared = declare(lambda: Roles("roles", args(build_role_arn=arn)))

    assert declared.outputs["roles"]["build_role_arn"] == arn
    assert "roles-build-role" not in declared.requests
    assert "roles-service-role" in declared.requests
