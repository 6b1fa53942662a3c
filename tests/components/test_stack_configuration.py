"""The platform's stack configuration, from the files in stacks/ to the program."""

import dataclasses
import re
import runpy
from pathlib import Path

import pulumi
import pytest
import yaml

from components.capacity import CAPACITIES
from components.manifests.flux import FluxResource
from components.settings import ENVIRONMENTS, KEYS, PlatformSettings, SettingsError
from components.settings.access import AccessSettings
from components.settings.aws import AwsSettings
from components.settings.builds import BuildSettings
from components.settings.delivery import DeliverySettings
from components.settings.drift import DriftSettings
from components.settings.functions import FunctionSettings
from components.settings.gates import GateSettings
from components.settings.gitops import GitopsSettings
from components.settings.knative import KnativeSettings
from components.settings.neighbours import NeighbourSettings
from components.settings.observability import ObservabilitySettings
from components.settings.quota import QuotaSettings
from components.settings.rabbitmq import RabbitmqSettings
from components.settings.registry import RegistrySettings
from components.settings.scan import ScanSettings
from components.settings.secrets import SecretsSettings
from components.settings.service import ServiceSettings
from components.settings.storage import StorageSettings
from components.settings.tls import TlsSettings
from tests.components.declaring import declare

ROOT = Path(__file__).parents[2]
ROLE = "arn:aws:iam::123456789012:role/builds"
KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd"
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A1B2"
UPSTREAM_SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:ecr-pullthroughcache/hub-a1"


def test_the_defaults_follow_from_the_environment():
    stg = PlatformSettings.parse({"environment": "stg"})

    assert stg == PlatformSettings(
        environment="stg",
        namespace="knative-lambda-stg",
        engine="embedded",
        allowed_registries=(
            "339954290315.dkr.ecr.us-west-2.amazonaws.com",
            "gcr.io/kaniko-project",
            "gcr.io/knative-releases",
        ),
        access=AccessSettings(build_role_arn="", service_role_arn=""),
        aws=AwsSettings(
            region="us-west-2", account_id="339954290315", oidc_provider_arn="", oidc_issuer_url=""
        ),
        drift=DriftSettings(checks_per_minute=None, heal=()),
        gates=GateSettings(rules="", expiry_seconds=None),
        scan=ScanSettings(
            image="", database="", timeout_seconds=None, severity="", ignore_unfixed=False, missing="refuse"
        ),
        functions=FunctionSettings(
            rollout_steps=(), rollout_pause_seconds=None, rollout_ready_seconds=None, image_sources=()
        ),
        gitops=GitopsSettings(
            enabled=False, image="339954290315.dkr.ecr.us-west-2.amazonaws.com/knative-lambdas-stg"
        ),
        builds=BuildSettings(
            executor_image="gcr.io/kaniko-project/executor:v1.19.2", python_image="python:3.11-slim"
        ),
        delivery=DeliverySettings(
            subscriber_uri="", broker_uri="", dead_letter_uri="", emits=("lifecycle", "alerts", "audit")
        ),
        knative=KnativeSettings(
            managed=True,
            ingress="kourier",
            eventing_namespace="knative-eventing",
            untagged_registries=(),
        ),
        neighbours=NeighbourSettings(
            serving_namespace="knative-serving",
            ingress_namespace="knative-serving",
            monitoring_namespace="monitoring",
            notifi_namespace="notifi",
            api_server_cidr="",
        ),
        observability=ObservabilitySettings(
            enabled=True,
            labels=(),
            dashboard_labels=(("grafana_dashboard", "1"),),
            runbook_url="",
            availability_percent=99.9,
            build_seconds=90,
            dead_letters=100,
            otlp_endpoint="",
            trace_ratio=1.0,
        ),
        quota=QuotaSettings(),
        registry=RegistrySettings(
            provider="ecr",
            address="",
            repository="knative-lambdas-stg",
            cache_repository="knative-lambdas-stg-cache",
            service_repository="knative-lambda-builder-stg",
            insecure=False,
            kms_key_arn="",
            retention_days=30,
            cache_days=3,
            immutable=True,
            upstream="",
            upstream_secret_arn="",
            pull_config=None,
            push_config=None,
        ),
        service=ServiceSettings(log_level="info"),
        storage=StorageSettings(
            provider="aws",
            endpoint="",
            access_key_id="",
            secret_access_key=None,
            source_bucket="knative-lambda-stg-fusion-modules-tmp",
            context_bucket="knative-lambda-stg-context-tmp",
            state_bucket="knative-lambda-stg-state",
            kms_key_arn="",
            context_days=7,
            version_days=30,
            protect=True,
        ),
        rabbitmq=RabbitmqSettings(
            cluster="rabbitmq-cluster-stg",
            namespace="rabbitmq-stg",
            managed=True,
            storage_class="",
            operator_namespace="rabbitmq-system",
        ),
        secrets=SecretsSettings(
            store="", store_kind="ClusterSecretStore", prefix="knative-lambda/stg", stored=("rabbitmq",)
        ),
        tls=TlsSettings(enabled=True, only=False, issuer="", authority_namespace="cert-manager"),
    )


def test_local_makes_nothing_that_it_emulates():
    local = PlatformSettings.parse({"environment": "local"})

    assert [local.rabbitmq.managed, local.knative.managed, local.tls.enabled] == [False] * 3


def test_without_a_store_no_secret_comes_from_it():
    kept = {"environment": "dev", "secretsStored": "storage, rabbitmq"}

    assert not PlatformSettings.parse(kept).secrets.holds("storage")
    assert PlatformSettings.parse({**kept, "secretsStore": "vault"}).secrets.holds("storage")
    assert not PlatformSettings.parse({**kept, "secretsStore": "vault"}).secrets.holds("state")


def test_the_gateway_is_looked_for_where_knative_is():
    given = {"environment": "dev", "servingNamespace": "knative"}

    assert PlatformSettings.parse(given).neighbours.ingress_namespace == "knative"
    assert (
        PlatformSettings.parse({**given, "ingressNamespace": "istio"}).neighbours.ingress_namespace == "istio"
    )


def test_a_quota_that_is_set_takes_the_place_of_the_environments_own():
    stg = PlatformSettings.parse({"environment": "stg", "quotaPods": "70", "quotaLimitsGib": "64"})

    assert stg.capacity == dataclasses.replace(CAPACITIES["stg"], pods=70, limits_gib=64)
    assert PlatformSettings.parse({"environment": "stg"}).capacity == CAPACITIES["stg"]
    assert PlatformSettings.parse({"environment": "local", "quotaPods": "70"}).capacity is None


def test_every_key_is_taken():
    values = {
        "environment": "local",
        "namespace": "own",
        "engine": "automation-api",
        "rabbitmqCluster": "rabbit",
        "rabbitmqNamespace": "rabbits",
        "rabbitmqManaged": "true",
        "rabbitmqStorageClass": "fast",
        "tlsOnly": "true",
        "rabbitmqOperatorNamespace": "rabbit-operators",
        "knativeManaged": "true",
        "knativeIngress": "istio",
        "knativeEventingNamespace": "events",
        "knativeUntaggedRegistries": "registry.test:5000",
        "tlsEnabled": "true",
        "tlsIssuer": "company",
        "tlsAuthorityNamespace": "certificates",
        "secretsStore": "vault",
        "secretsStoreKind": "SecretStore",
        "secretsPrefix": "team/dev",
        "secretsStored": "storage, state,registry",
        "eventingDelivery": "triggers",
        "subscriberUri": "http://127.0.0.1:1",
        "brokerUri": "http://broker.test",
        "emits": "cdevents, audit",
        "sinkUri": "http://sink.test",
        "schedulerUri": "http://scheduler.test:5000",
        "deadLetterUri": "https://dead.test/letters",
        "deadLetterReplaySeconds": "0",
        "buildRoleArn": ROLE,
        "serviceRoleArn": ROLE,
        "storageAccessKeyId": "key",
        "storageEndpoint": "http://minio.storage.svc:9000",
        "storageProvider": "s3-compatible",
        "storageSourceBucket": "code",
        "storageContextBucket": "contexts",
        "storageStateBucket": "states",
        "storageKmsKeyArn": KEY,
        "storageContextDays": "3",
        "storageVersionDays": "4",
        "storageProtect": "true",
        "registryProvider": "oci",
        "registryAddress": "registry.test:5000",
        "registryRepository": "team/functions",
        "registryCacheRepository": "team/layers",
        "registryServiceRepository": "team/service",
        "registryInsecure": "true",
        "registryKmsKeyArn": KEY,
        "registryRetentionDays": "0",
        "registryCacheDays": "2",
        "registryImmutable": "false",
        "registryUpstream": "",
        "registryUpstreamSecretArn": UPSTREAM_SECRET,
        "awsRegion": "eu-west-1",
        "awsAccountId": "123456789012",
        "awsOidcProviderArn": PROVIDER,
        "awsOidcIssuerUrl": "",
        "buildExecutorImage": "ghcr.io/owner/kaniko:1@sha256:" + "a" * 64,
        "buildPythonImage": "python:3.12-slim",
        "buildThirdPartyLimit": "3",
        "buildWaitingLimit": "30",
        "buildNodejsImage": "node:20-slim",
        "buildGoImage": "golang:1.25",
        "buildGoRunImage": "alpine:3",
        "buildPythonIndexUrl": "https://pypi.test/simple",
        "buildNpmRegistryUrl": "http://npm.test:4873",
        "buildGoProxy": "https://go.test|direct",
        "buildMaxFiles": "11",
        "buildMaxFileMib": "12",
        "buildMaxTotalMib": "13",
        "functionRolloutSteps": "10, 50",
        "functionRolloutPauseSeconds": "60",
        "functionRolloutReadySeconds": "120",
        "functionPrometheusUri": "http://prometheus.monitoring.svc:9090",
        "functionRolloutFailurePercent": "5",
        "functionRolloutMinCalls": "50",
        "functionRolloutWatchSeconds": "0",
        "functionImageSources": "registry.test:5000/team, ghcr.io/owner/images",
        "serviceImage": "ghcr.io/owner/service:1",
        "serviceReplicas": "2",
        "serviceMaxReplicas": "4",
        "serviceRequestsMillicores": "10",
        "serviceRequestsMib": "20",
        "serviceLimitsMillicores": "30",
        "serviceLimitsMib": "40",
        "serviceLogLevel": "error",
        "allowedRegistries": "registry.test:5000/team, ghcr.io/owner",
        "servingNamespace": "serving",
        "ingressNamespace": "gateways",
        "monitoringNamespace": "prom",
        "notifiNamespace": "alerts",
        "apiServerCidr": "10.0.0.1/32",
        "observabilityEnabled": "true",
        "observabilityLabels": "release=kps, a.b/c=d",
        "observabilityDashboardLabels": "dashboards=1",
        "observabilityRunbookUrl": "https://wiki.test/runbook",
        "observabilityAvailabilityPercent": "99.95",
        "observabilityBuildSeconds": "120",
        "observabilityDeadLetters": "9",
        "observabilityOtlpEndpoint": "http://alloy.observability.svc:4317/",
        "observabilityTraceRatio": "0.1",
        "quotaRequestsCores": "1",
        "quotaRequestsGib": "2",
        "quotaLimitsCores": "3",
        "quotaLimitsGib": "4",
        "quotaPods": "5",
        "quotaFunctions": "6",
        "quotaBuilds": "7",
        "quotaVolumeClaims": "8",
        "serviceSignedPaths": "/, /events",
        "serviceSourceRate": "5",
        "serviceSourceBurst": "6",
        "gateRules": '[{"name": "big", "when": {"more_than": 9}}]',
        "gateExpirySeconds": "60",
        "driftChecksPerMinute": "12",
        "driftHeal": "Trigger, ConfigMap",
        "scanImage": "registry.example/trivy:1",
        "scanDatabase": "registry.example/trivy-db:2",
        "scanTimeoutSeconds": "60",
        "scanSeverity": "HIGH",
        "scanIgnoreUnfixed": "true",
        "scanMissing": "allow",
        "gitopsEnabled": "true",
        "gitopsNamespace": "flux",
        "gitopsReceiver": "cdevents",
        "gitopsLifecycleResources": "Kustomization/one, OCIRepository/flux/two",
        "gitopsSecurityResources": "HelmRelease/three",
        "gitopsImage": "registry.test:5000/team/functions",
        "gitopsImageSecret": "pull",
        "gitopsAlertType": "slack",
    }

    secret = object()
    names = ("storageSecretAccessKey", "gitopsToken", "gitopsAlertAddress", "registryPullConfig")
    of_registry_and_service = (
        "registryPushConfig",
        "servicePassphrase",
        "serviceApiTokens",
        "serviceSignatureKeys",
        "serviceAttestationKey",
    )
    secrets = dict.fromkeys((*names, *of_registry_and_service), secret)
    assert PlatformSettings.parse(values, secrets) == PlatformSettings(
        environment="local",
        namespace="own",
        engine="automation-api",
        allowed_registries=("registry.test:5000/team", "ghcr.io/owner"),
        access=AccessSettings(build_role_arn=ROLE, service_role_arn=ROLE),
        aws=AwsSettings(region="eu-west-1", account_id="123456789012", oidc_provider_arn=PROVIDER),
        builds=BuildSettings(
            executor_image="ghcr.io/owner/kaniko:1@sha256:" + "a" * 64,
            python_image="python:3.12-slim",
            nodejs_image="node:20-slim",
            go_image="golang:1.25",
            go_run_image="alpine:3",
            python_index_url="https://pypi.test/simple",
            npm_registry_url="http://npm.test:4873",
            go_proxy="https://go.test|direct",
            third_party_limit=3,
            waiting_limit=30,
            max_files=11,
            max_file_mib=12,
            max_total_mib=13,
        ),
        delivery=DeliverySettings(
            subscriber_uri="http://127.0.0.1:1",
            broker_uri="http://broker.test",
            emits=("cdevents", "audit"),
            sink_uri="http://sink.test",
            scheduler_uri="http://scheduler.test:5000",
            dead_letter_uri="https://dead.test/letters",
            dead_letter_replay_seconds=0,
        ),
        drift=DriftSettings(checks_per_minute=12, heal=("Trigger", "ConfigMap")),
        scan=ScanSettings(
            image="registry.example/trivy:1",
            database="registry.example/trivy-db:2",
            timeout_seconds=60,
            severity="HIGH",
            ignore_unfixed=True,
            missing="allow",
        ),
        gates=GateSettings(rules='[{"name": "big", "when": {"more_than": 9}}]', expiry_seconds=60),
        functions=FunctionSettings(
            rollout_steps=(10, 50),
            rollout_pause_seconds=60,
            rollout_ready_seconds=120,
            prometheus_uri="http://prometheus.monitoring.svc:9090",
            rollout_failure_percent=5,
            rollout_min_calls=50,
            rollout_watch_seconds=0,
            image_sources=("registry.test:5000/team", "ghcr.io/owner/images"),
        ),
        gitops=GitopsSettings(
            enabled=True,
            namespace="flux",
            receiver="cdevents",
            token=secret,
            lifecycle_resources=(
                FluxResource(kind="Kustomization", name="one"),
                FluxResource(kind="OCIRepository", name="two", namespace="flux"),
            ),
            security_resources=(FluxResource(kind="HelmRelease", name="three"),),
            image="registry.test:5000/team/functions",
            image_secret="pull",
            alert_type="slack",
            alert_address=secret,
        ),
        neighbours=NeighbourSettings(
            serving_namespace="serving",
            ingress_namespace="gateways",
            monitoring_namespace="prom",
            notifi_namespace="alerts",
            api_server_cidr="10.0.0.1/32",
        ),
        observability=ObservabilitySettings(
            enabled=True,
            labels=(("release", "kps"), ("a.b/c", "d")),
            dashboard_labels=(("dashboards", "1"),),
            runbook_url="https://wiki.test/runbook",
            availability_percent=99.95,
            build_seconds=120,
            dead_letters=9,
            otlp_endpoint="http://alloy.observability.svc:4317",
            trace_ratio=0.1,
        ),
        quota=QuotaSettings(
            requests_cores=1,
            requests_gib=2,
            limits_cores=3,
            limits_gib=4,
            pods=5,
            functions=6,
            builds=7,
            volume_claims=8,
        ),
        registry=RegistrySettings(
            provider="oci",
            address="registry.test:5000",
            repository="team/functions",
            cache_repository="team/layers",
            service_repository="team/service",
            insecure=True,
            kms_key_arn=KEY,
            retention_days=0,
            cache_days=2,
            immutable=False,
            upstream_secret_arn=UPSTREAM_SECRET,
            pull_config=secret,
            push_config=secret,
        ),
        service=ServiceSettings(
            image="ghcr.io/owner/service:1",
            replicas=2,
            max_replicas=4,
            requests_millicores=10,
            requests_mib=20,
            limits_millicores=30,
            limits_mib=40,
            log_level="error",
            passphrase=secret,
            api_tokens=secret,
            signature_keys=secret,
            attestation_key=secret,
            signed_paths=("/", "/events"),
            source_rate=5,
            source_burst=6,
        ),
        knative=KnativeSettings(
            managed=True,
            ingress="istio",
            eventing_namespace="events",
            untagged_registries=("registry.test:5000",),
        ),
        rabbitmq=RabbitmqSettings(
            cluster="rabbit",
            namespace="rabbits",
            managed=True,
            storage_class="fast",
            operator_namespace="rabbit-operators",
        ),
        secrets=SecretsSettings(
            store="vault",
            store_kind="SecretStore",
            prefix="team/dev",
            stored=("storage", "state", "registry"),
        ),
        tls=TlsSettings(enabled=True, only=True, issuer="company", authority_namespace="certificates"),
        storage=StorageSettings(
            provider="s3-compatible",
            endpoint="http://minio.storage.svc:9000",
            access_key_id="key",
            secret_access_key=secret,
            source_bucket="code",
            context_bucket="contexts",
            state_bucket="states",
            kms_key_arn=KEY,
            context_days=3,
            version_days=4,
            protect=True,
        ),
    )
    assert {*values, *secrets, "gitopsTokenSecret"} == KEYS.keys()


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
            {"environment": "dev", "gitopsEnabled": "yes"},
            "gitopsEnabled is 'yes': set it to true",
            id="flag",
        ),
        pytest.param(
            {"environment": "dev", "gitopsEnabled": "true"},
            "gitopsToken is not set: Flux's Receivers need a token.*config set --secret gitopsToken",
            id="token",
        ),
        pytest.param(
            {"environment": "dev", "gitopsTokenSecret": "A"},
            "gitopsTokenSecret is 'A': give 1 to 63",
            id="secret",
        ),
        pytest.param(
            {"environment": "dev", "gitopsLifecycleResources": "Deployment/x"},
            "'Deployment/x' is none of Flux's: give Kind/name or Kind/namespace/name.*GitRepository",
            id="flux-kind",
        ),
        pytest.param(
            {"environment": "dev", "gitopsSecurityResources": "Kustomization/X"},
            "'Kustomization/X' is none of Flux's",
            id="flux-name",
        ),
        *(
            pytest.param(
                {"environment": "dev", "functionRolloutSteps": steps},
                "functionRolloutSteps is '.*': give percents from 1 to 99, rising",
                id=f"steps-{steps}",
            )
            for steps in ("50,10", "10,10", "0", "100", "10,", "a", "1.5")
        ),
        pytest.param(
            {"environment": "dev", "functionRolloutPauseSeconds": "60"},
            "functionRolloutPauseSeconds is '60', but there are no steps: set functionRolloutSteps",
            id="pause-of-nothing",
        ),
        pytest.param(
            {"environment": "dev", "functionRolloutReadySeconds": "9"},
            "functionRolloutReadySeconds is '9': give a whole number from 10 to 3600",
            id="ready",
        ),
        pytest.param(
            {"environment": "dev", "functionImageSources": "https://mirror.test"},
            "functionImageSources is 'https://mirror.test': 'https://mirror.test' is no registry",
            id="image-sources",
        ),
        pytest.param(
            {"environment": "dev", "functionImageSources": "mirror.test/team"},
            "allowedRegistries is .*, which leaves out functionImageSources mirror.test/team: add it",
            id="image-sources-not-allowed",
        ),
        pytest.param(
            {"environment": "dev", "gitopsImage": "registry.test"},
            "gitopsImage is 'registry.test': give one repository",
            id="image",
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
            {"environment": "dev", "storageEndpoint": "http://minio:99999"}, "storageEndpoint is", id="port"
        ),
        pytest.param(
            {"environment": "dev", "allowedRegistries": "a:70000"},
            "'a:70000' is no registry",
            id="registry-port",
        ),
        pytest.param(
            {"environment": "dev", "registryAddress": "https://x"},
            "registryAddress is 'http",
            id="registry-url",
        ),
        pytest.param(
            {"environment": "dev", "registryRepository": "Team"},
            "registryRepository is 'Team'",
            id="repository",
        ),
        pytest.param({"environment": "dev", "serviceImage": "a b"}, "serviceImage is 'a b'", id="image"),
        pytest.param(
            {"environment": "stg", "serviceReplicas": "6", "serviceMaxReplicas": "5"},
            "serviceReplicas is 6 and serviceMaxReplicas is 5",
            id="replicas",
        ),
        pytest.param(
            {"environment": "dev", "serviceRequestsMib": "2048"},
            "serviceRequestsMib is 2048 and serviceLimitsMib is 1024",
            id="service-requests-above-limits",
        ),
        pytest.param(
            {"environment": "dev", "serviceImage": "ghcr.io/own/service:1"},
            "leaves out serviceImage ghcr.io/own/service:1: add its registry, or set it",
            id="image-of-a-foreign-registry",
        ),
        pytest.param({"environment": "dev", "rabbitmqManaged": "yes"}, "rabbitmqManaged is 'yes'", id="flag"),
        pytest.param(
            {"environment": "dev", "knativeIngress": "nginx"},
            "knativeIngress is 'nginx': set it to one of kourier, istio, contour",
            id="ingress",
        ),
        pytest.param(
            {"environment": "dev", "secretsStored": "storage,passwords"},
            "secretsStored is 'storage,passwords': give one or several of storage, state, registry, rabbitmq",
            id="stored",
        ),
        pytest.param(
            {"environment": "local", "tlsOnly": "true"},
            "tlsOnly is true and tlsEnabled is false: enable TLS",
            id="only-tls-without-tls",
        ),
        pytest.param({"environment": "dev", "rabbitmqCluster": "A_b"}, "rabbitmqCluster is 'A_b'", id="name"),
        pytest.param(
            {"environment": "dev", "allowedRegistries": "ghcr.io,https://x"},
            "'https://x' is no registry: give host",
            id="registry",
        ),
        pytest.param({"environment": "dev", "apiServerCidr": "10.0.0.1/8"}, "such as 10.0.0.0/16", id="cidr"),
        pytest.param(
            {"environment": "dev", "observabilityEnabled": "yes"}, "set it to true or false", id="flag"
        ),
        pytest.param(
            {"environment": "dev", "observabilityLabels": "release"}, "such as release=pro", id="label"
        ),
        pytest.param(
            {"environment": "dev", "observabilityOtlpEndpoint": "http://alloy:9090"},
            r"with port 4317 \(gRPC\) or 4318 \(HTTP\)",
            id="otlp-port",
        ),
        pytest.param(
            {"environment": "dev", "observabilityOtlpEndpoint": "alloy:4317"}, "give an http", id="otlp"
        ),
        pytest.param(
            {"environment": "dev", "observabilityTraceRatio": "1.5"}, "a number from 0 to 1", id="ratio"
        ),
        pytest.param(
            {"environment": "dev", "observabilityAvailabilityPercent": "100"},
            "from 50 to 99.999",
            id="percent",
        ),
        pytest.param(
            {"environment": "dev", "buildNpmRegistryUrl": "https://user:word@npm.test"},
            "without credentials",
            id="mirror",
        ),
        pytest.param({"environment": "dev", "buildGoProxy": "direct;off"}, "`direct` or `off`", id="proxy"),
        pytest.param({"environment": "dev", "quotaPods": "0"}, "quotaPods is '0': give a whole", id="zero"),
        pytest.param({"environment": "dev", "quotaPods": "9" * 30}, "from 1 to 100000", id="too-many"),
        pytest.param(
            {"environment": "dev", "quotaRequestsCores": "9"},
            "quotaRequestsCores is 9 and quotaLimitsCores is 8: requests cannot exceed limits",
            id="requests-above-limits",
        ),
        pytest.param(
            {"environment": "dev", "colour": "red"},
            "colour is no key of this project: stacks/R",
            id="unknown",
        ),
        pytest.param(
            {"environment": "dev", "quotaPod": "1"},
            r"quotaPod is no key of this project \(did you mean quotaPods",
            id="misspelt",
        ),
        pytest.param(
            {"environment": "dev", "storageSecretAccessKey": ""},
            "storageSecretAccessKey is in plain text: set it with `pulumi config set --secret",
            id="plain-secret",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(values, problem):
    with pytest.raises(SettingsError, match=problem):
        PlatformSettings.parse(values)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(SettingsError) as refused:
        PlatformSettings.parse({"environment": "x", "subscriberUri": "y", "quotaPods": "z", "colour": "red"})
    with pytest.raises(SettingsError) as across:
        PlatformSettings.parse({"environment": "dev", "quotaLimitsGib": "1", "storageAccessKeyId": "k"})

    assert [problem.split(" is ")[0] for problem in refused.value.problems] == [
        "colour",
        "environment",
        "subscriberUri",
        "quotaPods",
    ]
    assert [problem.split(" ")[0] for problem in across.value.problems] == [
        "quotaRequestsGib",
        "storageAccessKeyId",
    ]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_stack_file_builds_its_environment(environment):
    config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{environment}.yaml").read_text())["config"]

    declared = declare(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"), config)

    assert declared.exports == {**declared.outputs["platform"], "engine": "embedded"}
    assert declared.exports["namespace"] == f"knative-lambda-{environment}"
    assert declared.exports["broker_name"] == f"knative-lambda-broker-{environment}"
    cluster = {
        "dead_letter_sink": f"http://knative-lambda-dlq-handler.knative-lambda-{environment}.svc.cluster.local",
        "amqp_host": f"rabbitmq-cluster-{environment}.rabbitmq-{environment}.svc.cluster.local",
        "amqp_publisher_secret": "notifi-publisher-user-credentials",
    }
    expected = dict.fromkeys(cluster, "") if environment == "local" else cluster
    assert expected.items() <= declared.exports.items()
    address = (
        f"knative-lambda-broker-{environment}-broker-ingress.knative-lambda-{environment}.svc.cluster.local"
    )
    assert declared.exports["broker_url"] == f"http://{address}"


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
        settings.storage.secret_access_key.apply(seen.append)

    declare(program, config, secrets=["knative-lambda:storageSecretAccessKey"])

    assert seen == ["very-secret"]


def test_an_unknown_key_of_the_running_program_is_refused():
    def program():
        PlatformSettings.from_config(pulumi.Config("knative-lambda"))

    with pytest.raises(SettingsError, match="colour is no key"):
        declare(program, {"knative-lambda:environment": "dev", "knative-lambda:colour": "red"})


def test_a_secret_of_the_running_program_that_is_in_plain_text_is_refused_without_being_told():
    def program():
        PlatformSettings.from_config(pulumi.Config("knative-lambda"))

    with pytest.raises(SettingsError, match="storageSecretAccessKey is in plain text") as refused:
        declare(
            program,
            {
                "knative-lambda:environment": "dev",
                "knative-lambda:storageAccessKeyId": "key",
                "knative-lambda:storageSecretAccessKey": "very-secret",
            },
        )

    assert "very-secret" not in str(refused.value)


def test_every_key_is_described_in_the_readme_and_no_other():
    text = (ROOT / "stacks" / "README.md").read_text()

    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == KEYS.keys()


def test_a_list_may_be_written_as_yaml_has_lists():
    given = {"environment": "local", "allowedRegistries": '["ghcr.io/team", "gcr.io"]'}

    assert PlatformSettings.parse(given).allowed_registries == ("ghcr.io/team", "gcr.io")


@pytest.mark.parametrize("text", ['["a", 1]', "[a", '[["a"]]'])
def test_what_is_no_list_of_texts_is_refused_as_it_is_written(text):
    with pytest.raises(SettingsError) as refused:
        PlatformSettings.parse({"environment": "dev", "allowedRegistries": text})

    assert f"allowedRegistries is {text!r}" in str(refused.value)


def test_what_does_not_fit_together_is_told_beside_a_wrong_environment():
    with pytest.raises(SettingsError) as refused:
        PlatformSettings.parse(
            {
                "environment": "staging",
                "gitopsEnabled": "true",
                "quotaRequestsCores": "9",
                "quotaLimitsCores": "8",
                "storageAccessKeyId": "key",
            }
        )

    assert [problem.split()[0] for problem in refused.value.problems] == [
        "environment",
        "gitopsEnabled",
        "quotaRequestsCores",
        "storageAccessKeyId",
    ]
