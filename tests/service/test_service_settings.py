"""Settings: defaults that are promises, and mistakes that are all reported at once."""

import dataclasses
from pathlib import Path

import pytest

from service.rate_limits import Rate
from service.settings import EVENT_PATHS, Settings, SettingsError, read

LEAST = {
    "PULUMI_BACKEND_URL": "file:///state",
    "ECR_REGISTRY": "registry.example:5000",
    "KANIKO_IMAGE": "registry.example/kaniko:v1",
    "MONITOR_IMAGE": "registry.example/monitor:v1",
}


def problems(**changes):
    with pytest.raises(SettingsError) as refused:
        read({**LEAST, **changes})
    return refused.value.problems


def test_the_promised_defaults():
    settings = read(LEAST)

    assert settings.log_level == "info"
    assert dataclasses.asdict(settings.http) == {
        "host": "0.0.0.0",
        "port": 8080,
        "max_body_bytes": 2_162_688,
        "body_timeout_seconds": 30,
        "request_timeout_seconds": 30,
        "api_tokens_file": None,
        "signatures": {
            "keys_file": None,
            "paths": ("/events", "/cloud-events", "/cloudevents", "/build"),
        },
        "build_rate": {"per_second": 50, "burst": 100},
        "third_party_build_rate": {"per_second": 10, "burst": 20},
        "source_rate": {"per_second": 0, "burst": 100},
        "read_rate": {"per_second": 50, "burst": 100},
        "shutdown_grace_seconds": 30,
        "drain_delay_seconds": 3,
        "tls": None,
    }
    assert settings.automation.environment == "dev"
    assert settings.automation.namespace == "knative-lambda-dev"
    assert settings.automation.source_bucket == "knative-lambda-dev-fusion-modules-tmp"
    assert settings.automation.context_bucket == "knative-lambda-dev-context-tmp"
    assert settings.automation.broker_name == "knative-lambda-broker-dev"
    assert settings.automation.region == "us-west-2"
    assert settings.automation.engine == "embedded"
    assert settings.source == "io.knative.lambda/builder/knative-lambda-dev"


def test_the_local_environment_listens_on_loopback_and_ends_at_once():
    http = read({**LEAST, "ENVIRONMENT": "local"}).http

    assert (http.host, http.drain_delay_seconds) == ("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("local", "local"),
        ("dev", "dev"),
        ("stg", "stg"),
        ("staging", "stg"),
        ("prd", "prd"),
        ("PRD", "prd"),
        ("", "dev"),
    ],
)
def test_environments(said, meant):
    settings = read({**LEAST, "ENVIRONMENT": said})

    assert settings.automation.environment == meant
    assert settings.automation.namespace == f"knative-lambda-{meant}"


@pytest.mark.parametrize(
    ("environment", "limits"), [("local", (5, 5)), ("dev", (5, 3)), ("stg", (10, 5)), ("prd", (20, 10))]
)
def test_builds_are_limited_by_the_contracts_number_and_half_of_it_for_one_third_party(environment, limits):
    automation = read({**LEAST, "ENVIRONMENT": environment}).automation

    assert (automation.build_limit, automation.third_party_build_limit) == limits
    assert automation.waiting_build_limit == 100


def test_every_variable_reaches_its_setting():
    settings = read(
        {
            "ENVIRONMENT": "stg",
            "HOST": "::1",
            "PORT": "0",
            "LOG_LEVEL": "WARNING",
            "MAX_BODY_BYTES": "4096",
            "BODY_TIMEOUT_SECONDS": "1.5",
            "REQUEST_TIMEOUT_SECONDS": "2",
            "SHUTDOWN_GRACE_SECONDS": "3",
            "API_TOKENS_FILE": "/run/tokens",
            "BUILD_RATE": "0",
            "BUILD_BURST": "7",
            "THIRD_PARTY_BUILD_RATE": "0.5",
            "THIRD_PARTY_BUILD_BURST": "1",
            "DRAIN_DELAY_SECONDS": "0",
            "NAMESPACE": "functions",
            "S3_SOURCE_BUCKET": "code",
            "S3_TMP_BUCKET": "contexts",
            "AWS_REGION": "eu-west-1",
            "S3_ENDPOINT": "http://127.0.0.1:9000",
            "STORAGE_ACCESS_KEY_ID": "key",
            "STORAGE_SECRET_ACCESS_KEY": "secret",
            "STORAGE_USE_IAM": "false",
            "ECR_REGISTRY": "localhost:5001",
            "ECR_REPOSITORY": "team/functions",
            "ECR_CACHE_REPOSITORY": "team/layers",
            "ECR_TAGS_IMMUTABLE": "false",
            "ECR_RETENTION_DAYS": "30",
            "ECR_CACHE_DAYS": "5",
            "ECR_KMS_KEY_ARN": "arn:aws:kms:eu-west-1:123456789012:key/abc",
            "SCAN_IMAGE": "localhost:5001/trivy:1",
            "SCAN_DATABASE": "localhost:5001/trivy-db:2",
            "SCAN_TIMEOUT_SECONDS": "60",
            "SCAN_SEVERITY": "HIGH",
            "SCAN_IGNORE_UNFIXED": "true",
            "SCAN_MISSING": "allow",
            "ATTESTATION_KEY_FILE": "/run/attestation-key",
            "SOURCE_MAX_FILES": "7",
            "SOURCE_MAX_FILE_BYTES": "8",
            "SOURCE_MAX_TOTAL_BYTES": "9",
            "REGISTRY_PULL_SECRET": "pull",
            "REGISTRY_PUSH_SECRET": "push",
            "REGISTRY_INSECURE": "true",
            "BROKER_URL": "http://127.0.0.1:8082/ns/broker",
            "BROKER_NAME": "broker",
            "EMIT_EVENTS": "audit",
            "K_SINK": "http://127.0.0.1:8082/sink",
            "SCHEDULER_URL": "http://127.0.0.1:5000",
            "DEAD_LETTER_SINK_URI": "http://127.0.0.1:8082/dead-letters",
            "REFUSED_EVENTS_URL": "http://127.0.0.1:8082/refused",
            "FUNCTION_TRIGGERS": "false",
            "PULUMI_BACKEND_URL": "s3://state",
            "PULUMI_CONFIG_PASSPHRASE": "open sesame",
            "PULUMI_ENGINE": "automation-api",
            "KUBECONFIG": "/home/me/kube config",
            "KANIKO_IMAGE": "kaniko",
            "MONITOR_IMAGE": "monitor:1",
            "PYTHON_BASE_IMAGE": "python:3.11",
            "NODE_BASE_IMAGE": "node:20",
            "GO_BASE_IMAGE": "golang:1.24",
            "GO_RUN_IMAGE": "scratch",
            "PYTHON_INDEX_URL": "https://pypi.test/simple/",
            "NPM_REGISTRY_URL": "http://npm.test:4873",
            "GO_PROXY": "https://proxy.test,direct",
            "BUILD_DEADLINE_SECONDS": "600",
            "MAX_CONCURRENT_JOBS": "7",
            "THIRD_PARTY_MAX_CONCURRENT_JOBS": "0",
            "MAX_WAITING_JOBS": "9",
            "FUNCTION_URL": "http://{name}.{namespace}.localhost:8081",
            "PARSER_TIMEOUT_SECONDS": "10",
            "FUNCTION_LOG_LEVEL": "debug",
            "ROLLOUT_STEPS": "10,50",
            "ROLLOUT_PAUSE_SECONDS": "60",
            "ROLLOUT_READY_SECONDS": "120",
            "PROMETHEUS_URL": "http://prometheus.test:9090",
            "ROLLOUT_FAILURE_PERCENT": "5",
            "ROLLOUT_MIN_CALLS": "50",
            "ROLLOUT_WATCH_SECONDS": "0",
            "FUNCTION_IMAGE_SOURCES": "mirror.test/team,localhost:5002",
            "FUNCTIONS_PROJECT": "project",
            "RUNTIMES_FOLDER": "/runtimes",
            "WORKERS": "4",
            "QUEUE_LIMIT": "50",
            "GATE_RULES": '[{"name": "big", "when": {"steps": ["delete"], "more_than": 9}}]',
            "GATE_EXPIRY_SECONDS": "60",
            "DRIFT_CHECKS_PER_MINUTE": "12",
            "DRIFT_HEAL": "Trigger,ConfigMap",
            "PATH": "ignored",
        }
    )
    http, automation = settings.http, settings.automation

    assert (http.host, http.port, http.max_body_bytes, settings.log_level) == ("::1", 0, 4096, "warn")
    assert (http.body_timeout_seconds, http.request_timeout_seconds) == (1.5, 2)
    assert (http.build_rate, http.third_party_build_rate) == (Rate(0, 7), Rate(0.5, 1))
    assert http.api_tokens_file == Path("/run/tokens")
    assert (http.shutdown_grace_seconds, http.drain_delay_seconds) == (3, 0)
    found = {name: str(value) for name, value in dataclasses.asdict(automation).items()}
    assert found == {
        "environment": "stg",
        "backend_url": "s3://state",
        "passphrase": "open sesame",
        "engine": "automation-api",
        "project": "project",
        "kubeconfig": "/home/me/kube config",
        "namespace": "functions",
        "registry": "localhost:5001",
        "repository": "team/functions",
        "cache_repository": "team/layers",
        "registry_immutable": "False",
        "registry_retention_days": "30",
        "registry_cache_days": "5",
        "registry_kms_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/abc",
        "scan": "{'image': 'localhost:5001/trivy:1', 'database': 'localhost:5001/trivy-db:2', "
        "'timeout_seconds': 60}",
        "scan_policy": "{'severity': 'HIGH', 'ignore_unfixed': True, 'missing': 'allow'}",
        "attestation_key_file": "/run/attestation-key",
        "source_max_files": "7",
        "source_max_file_bytes": "8",
        "source_max_total_bytes": "9",
        "pull_secret": "pull",
        "push_secret": "push",
        "insecure_registry": "True",
        "executor_image": "kaniko",
        "monitor_image": "monitor:1",
        "python_base_image": "python:3.11",
        "nodejs_base_image": "node:20",
        "go_base_image": "golang:1.24",
        "rollout": str(
            {
                "steps": (10, 50),
                "pause_seconds": 60,
                "ready_within_seconds": 120,
                "failures": {"percent": 5, "min_calls": 50, "watch_seconds": 0},
            }
        ),
        "metrics_url": "http://prometheus.test:9090",
        "image_sources": "('mirror.test/team', 'localhost:5002')",
        "go_run_image": "scratch",
        "python_index_url": "https://pypi.test/simple/",
        "npm_registry_url": "http://npm.test:4873",
        "go_proxy": "https://proxy.test,direct",
        "build_deadline_seconds": "600",
        "build_limit": "7",
        "third_party_build_limit": "0",
        "waiting_build_limit": "9",
        "region": "eu-west-1",
        "s3_endpoint": "http://127.0.0.1:9000",
        "access_key_id": "key",
        "secret_access_key": "secret",
        "source_bucket": "code",
        "context_bucket": "contexts",
        "broker_name": "broker",
        "broker_url": "http://127.0.0.1:8082/ns/broker",
        "emits": "frozenset({<Kind.AUDIT: 'audit'>})",
        "sink_url": "http://127.0.0.1:8082/sink",
        "scheduler_url": "http://127.0.0.1:5000",
        "triggers": "False",
        "dead_letter_uri": "http://127.0.0.1:8082/dead-letters",
        "function_url": "http://{name}.{namespace}.localhost:8081",
        "function_timeout_seconds": "10",
        "function_log_level": "debug",
        "gate_rules": "({'name': 'big', 'steps': frozenset({'delete'}), 'kinds': frozenset(), "
        "'more_than': 9, 'rights_widened': False},)",
        "gate_expiry_seconds": "60",
        "drift_checks_per_minute": "12",
        "drift_heals": "('Trigger', 'ConfigMap')",
        "runtimes_folder": "/runtimes",
        "workers": "4",
        "queue_limit": "50",
    }


BAD = {
    "ENVIRONMENT": "production",
    "HOST": "a b",
    "PORT": "65536",
    "LOG_LEVEL": "loud",
    "MAX_BODY_BYTES": "1e3",
    "BODY_TIMEOUT_SECONDS": "0",
    "REQUEST_TIMEOUT_SECONDS": "nan",
    "SHUTDOWN_GRACE_SECONDS": "soon",
    "DRAIN_DELAY_SECONDS": "-1",
    "NAMESPACE": "Upper",
    "S3_SOURCE_BUCKET": "..",
    "S3_TMP_BUCKET": "x",
    "AWS_REGION": "us west",
    "S3_ENDPOINT": "storage",
    "STORAGE_USE_IAM": "perhaps",
    "ECR_REGISTRY": "https://registry.example",
    "ECR_REPOSITORY": "Upper",
    "REGISTRY_INSECURE": "maybe",
    "BROKER_URL": "amqp://broker",
    "BROKER_NAME": "-",
    "EMIT_EVENTS": "lifecycle,gossip",
    "K_SINK": "amqp://sink",
    "SCHEDULER_URL": "scheduler:5000",
    "DEAD_LETTER_SINK_URI": "nowhere",
    "REFUSED_EVENTS_URL": "nowhere",
    "FUNCTION_TRIGGERS": "some",
    "PULUMI_BACKEND_URL": "https://api.example",
    "PULUMI_ENGINE": "other",
    "KUBECONFIG": "a\nb",
    "KANIKO_IMAGE": "Upper:tag:tag",
    "MONITOR_IMAGE": "a b",
    "PYTHON_BASE_IMAGE": "python:",
    "BUILD_DEADLINE_SECONDS": "0",
    "MAX_CONCURRENT_JOBS": "-1",
    "THIRD_PARTY_MAX_CONCURRENT_JOBS": "many",
    "MAX_WAITING_JOBS": "1.5",
    "ECR_TAGS_IMMUTABLE": "perhaps",
    "ECR_RETENTION_DAYS": "-1",
    "ECR_CACHE_DAYS": "never",
    "ECR_KMS_KEY_ARN": "key",
    "SOURCE_MAX_FILES": "0",
    "SOURCE_MAX_FILE_BYTES": "1G",
    "SOURCE_MAX_TOTAL_BYTES": "2000000000",
    "FUNCTION_URL": "http://{other}",
    "PARSER_TIMEOUT_SECONDS": "301",
    "FUNCTION_LOG_LEVEL": "loud",
    "ROLLOUT_STEPS": "50,10",
    "ROLLOUT_PAUSE_SECONDS": "-1",
    "ROLLOUT_READY_SECONDS": "9",
    "PROMETHEUS_URL": "prometheus",
    "ROLLOUT_FAILURE_PERCENT": "100",
    "ROLLOUT_MIN_CALLS": "0",
    "ROLLOUT_WATCH_SECONDS": "3601",
    "FUNCTION_IMAGE_SOURCES": "a b",
    "FUNCTIONS_PROJECT": "a b",
    "WORKERS": "0",
    "QUEUE_LIMIT": "many",
    "GATE_EXPIRY_SECONDS": "0",
    "DRIFT_CHECKS_PER_MINUTE": "6001",
    "DRIFT_HEAL": "Secret",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_with_what_is_allowed_and_the_remedy(name):
    (problem,) = problems(**{name: BAD[name]})

    assert problem.startswith(f"{name}: ")
    assert "; allowed: " in problem
    assert problem.endswith("; correct or unset it")


def test_all_mistakes_are_reported_at_once():
    names = [problem.partition(":")[0] for problem in problems(**BAD)]

    assert sorted(names) == sorted(BAD)


def test_all_mistakes_in_gate_rules_are_reported_at_once():
    found = problems(GATE_RULES='[{"name": "Big", "when": {"kind": "Job"}}]')

    assert [problem.partition(" is ")[0] for problem in found] == [
        "GATE_RULES: rule 1: name",
        "GATE_RULES: rule 1: 'kind' means nothing; allowed: steps, kinds, more_than, rights",
    ]


def test_what_has_no_sensible_default_is_asked_for():
    with pytest.raises(SettingsError) as refused:
        read({})

    missing = {problem.partition(": not set; set it to ")[0] for problem in refused.value.problems}
    assert missing == set(LEAST)
    assert str(refused.value).count("\n- ") == 4


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"STORAGE_ACCESS_KEY_ID": "k"}, "set both or none"),
        ({"STORAGE_SECRET_ACCESS_KEY": "hush-hush"}, "set both or none"),
        ({"STORAGE_USE_IAM": "false"}, "false needs them"),
        (
            {
                "STORAGE_USE_IAM": "true",
                "STORAGE_ACCESS_KEY_ID": "k",
                "STORAGE_SECRET_ACCESS_KEY": "hush-hush",
            },
            "true excludes storage keys",
        ),
    ],
)
def test_storage_credentials_have_to_make_sense_together(changes, hint):
    (problem,) = problems(**changes)

    assert hint in problem
    assert "hush-hush" not in problem


def test_secrets_are_not_shown():
    settings = read(
        {
            **LEAST,
            "STORAGE_ACCESS_KEY_ID": "k",
            "STORAGE_SECRET_ACCESS_KEY": "hush-hush",
            "PULUMI_CONFIG_PASSPHRASE": "open sesame",
        }
    )

    assert isinstance(settings, Settings)
    assert "hush-hush" not in repr(settings)
    assert "open sesame" not in repr(settings)


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        read(LEAST).log_level = "debug"


def test_where_events_are_signed_can_be_said():
    signatures = read(
        {**LEAST, "SIGNATURE_KEYS_FILE": "/run/keys", "SIGNED_PATHS": "/, /events"}
    ).http.signatures

    assert signatures.keys_file == Path("/run/keys")
    assert signatures.paths == ("/", "/events")


def test_a_path_that_takes_no_events_cannot_be_one_of_signed_events():
    (problem,) = problems(SIGNED_PATHS="/events,/healthz")
    assert problem.startswith('SIGNED_PATHS: "/healthz" is not allowed; allowed: /, /events')


def test_the_stack_knows_the_same_event_paths_as_the_service():
    from components.settings.service import _EVENT_PATHS

    assert _EVENT_PATHS == EVENT_PATHS
