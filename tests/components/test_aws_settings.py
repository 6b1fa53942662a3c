"""The keys of storage, registry and AWS: what follows from what, and which combinations make no sense."""

import pulumi
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.settings import KEYS, PlatformSettings, SettingsError
from tests.components.declaring import declare

PROVIDER = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A1B2"
UPSTREAM_SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:ecr-pullthroughcache/hub-a1"


def parse(**values):
    secrets = {key: values.pop(key) for key in ("registryPullConfig", "registryPushConfig") if key in values}
    return PlatformSettings.parse({"environment": "dev", **values}, secrets)


@pytest.mark.parametrize(
    ("values", "storage", "registry"),
    [
        pytest.param({}, "aws", "ecr", id="aws"),
        pytest.param({"environment": "local"}, "s3-compatible", "oci", id="local"),
        pytest.param({"storageEndpoint": "http://minio:9000"}, "s3-compatible", "ecr", id="endpoint"),
        pytest.param({"registryAddress": "ghcr.io"}, "aws", "oci", id="address"),
        pytest.param({"environment": "local", "storageProvider": "aws"}, "aws", "oci", id="said"),
    ],
)
def test_who_provides_them_follows_from_what_is_given(values, storage, registry):
    settings = parse(**values)

    assert (settings.storage.provider, settings.registry.provider) == (storage, registry)


def test_the_address_of_ecr_follows_from_account_and_region():
    settings = parse(awsAccountId="123456789012", awsRegion="eu-central-1")

    assert settings.registry_address == "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    assert settings.allowed_registries[0] == settings.registry_address


def test_the_region_of_the_provider_is_that_of_the_environment():
    seen = []

    def program():
        seen.append(PlatformSettings.from_config(pulumi.Config("knative-lambda")).aws.region)

    declare(program, {"knative-lambda:environment": "dev", "aws:region": "eu-west-1"})
    declare(
        program,
        {
            "knative-lambda:environment": "dev",
            "aws:region": "eu-west-1",
            "knative-lambda:awsRegion": "us-east-1",
        },
    )

    assert seen == ["eu-west-1", "us-east-1"]


def test_functions_images_may_be_used_wherever_they_are():
    assert "ghcr.io" in parse(registryAddress="ghcr.io").allowed_registries
    assert parse(
        registryAddress="ghcr.io",
        registryRepository="team/functions",
        registryServiceRepository="team/service",
        buildExecutorImage="ghcr.io/team/kaniko:1",
        allowedRegistries="ghcr.io/team,gcr.io/knative-releases",
    ).allowed_registries == ("ghcr.io/team", "gcr.io/knative-releases")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        pytest.param(
            {"storageProvider": "aws", "storageEndpoint": "http://minio:9000"},
            "storageEndpoint is 'http://minio:9000' and storageProvider is 'aws'.* set storageProvider to",
            id="endpoint-of-aws",
        ),
        pytest.param(
            {"storageProvider": "gcs"}, "storageProvider is 'gcs': set it to one of aws, s3", id="gcs"
        ),
        pytest.param(
            {"storageSourceBucket": "Code"}, "storageSourceBucket is 'Code': give 3 to 63", id="bucket"
        ),
        pytest.param({"storageSourceBucket": "a..b"}, "storageSourceBucket is 'a..b'", id="bucket-dots"),
        pytest.param(
            {"storageStateBucket": "one", "storageContextBucket": "one"},
            "a bucket of its own",
            id="one-bucket",
        ),
        pytest.param(
            {"storageKmsKeyArn": "alias/mine"}, "storageKmsKeyArn is 'alias/mine'.* not an alias", id="key"
        ),
        pytest.param(
            {"storageContextDays": "0"}, "storageContextDays is '0': give a whole", id="context-days"
        ),
        pytest.param({"registryRetentionDays": "9999"}, "from 1 to 3650, or 0 for never", id="retention"),
        pytest.param({"registryAddress": "ghcr.io/team"}, "registryAddress is 'ghcr.io/team'", id="address"),
        pytest.param(
            {"registryRepository": "a:1"}, "registryRepository is 'a:1': give lower", id="repository"
        ),
        pytest.param(
            {"registryProvider": "oci"},
            "registryAddress is '' and registryProvider is 'oci'",
            id="no-address",
        ),
        pytest.param(
            {"registryProvider": "ecr", "registryAddress": "ghcr.io"},
            "registryAddress is set and registryProvider is 'ecr'",
            id="address-of-ecr",
        ),
        pytest.param(
            {"registryPullConfig": "{}"},
            "registryPullConfig is set and registryProvider is 'ecr'",
            id="login",
        ),
        pytest.param(
            {"registryUpstream": "registry-1.docker.io"}, "set registryUpstreamSecretArn", id="upstream-login"
        ),
        pytest.param(
            {"registryUpstreamSecretArn": UPSTREAM_SECRET}, "without registryUpstream", id="no-upstream"
        ),
        pytest.param(
            {"registryUpstreamSecretArn": UPSTREAM_SECRET.replace("ecr-pullthroughcache/", "")},
            "ecr-pullthroughcache/docker-hub",
            id="upstream-secret",
        ),
        pytest.param(
            {"registryAddress": "ghcr.io", "registryUpstream": "public.ecr.aws"},
            "only ECR fetches",
            id="oci-upstream",
        ),
        pytest.param(
            {"awsAccountId": "1234"}, "awsAccountId is '1234': give the account's twelve", id="account"
        ),
        pytest.param({"awsRegion": "mars"}, "awsRegion is 'mars': give the name of a region", id="region"),
        pytest.param(
            {"awsOidcIssuerUrl": "http://x"}, "awsOidcIssuerUrl is 'http://x': give an abs", id="issuer"
        ),
        pytest.param({"awsOidcProviderArn": "arn:aws:iam::1:x"}, "oidc-provider/oidc.eks", id="provider"),
        pytest.param(
            {"awsOidcProviderArn": PROVIDER, "awsOidcIssuerUrl": "https://x.test"}, "are both set", id="both"
        ),
        pytest.param(
            {"allowedRegistries": "ghcr.io"},
            "allowedRegistries is 'ghcr.io', which leaves out .* in .*/knative-lambdas-dev: add",
            id="refused-images",
        ),
        pytest.param(
            {
                "registryAddress": "ghcr.io",
                "registryRepository": "teams/f",
                "allowedRegistries": "ghcr.io/team",
            },
            "in ghcr.io/teams/f: add ghcr.io",
            id="other-team",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_remedy(values, problem):
    with pytest.raises(SettingsError, match=problem):
        parse(**values)


OURS = sorted(
    name for name in KEYS if name.startswith(("aws", "registry", "storage")) and not KEYS[name].is_secret
)


@given(key=st.sampled_from(OURS), text=st.text(min_size=1))
@example(key="awsOidcIssuerUrl", text="https://[")
@example(key="storageEndpoint", text="https://[")
@example(key="registryAddress", text="[")
@example(key="registryRetentionDays", text="\N{SUPERSCRIPT TWO}")
def test_any_text_is_a_value_or_is_refused_by_the_name_of_its_key(key, text):
    problems = problems_of(**{key: text})

    assert all(key in problem for problem in problems)
    assert "Invalid" not in "".join(problems).replace(text, "")


def problems_of(**values):
    try:
        parse(**values)
    except SettingsError as refused:
        return refused.problems
    return ()
