"""What a build is declared as."""

import dataclasses

import pytest

from components import naming
from components.build import BuildArgs, BuildComponent
from components.manifests import kaniko
from components.manifests.scan import SCANNER, ScanArgs
from monitor.settings import settings_from
from tests.components.declaring import declare

HASH = "ab" * 32
JOB = naming.job_name("tp1", "p1", "b1")
ARGS = BuildArgs(
    job_name=JOB,
    namespace="knative-lambda-dev",
    third_party_id="tp1",
    parser_id="p1",
    build_id="b1",
    content_hash=HASH,
    context_bucket="knative-lambda-dev-context-tmp",
    context_key=naming.context_key("t1", "p1", HASH),
    image="registry.test/knative-lambdas:tp1-p1-abababab",
    cache_repository="registry.test/kaniko-cache",
    executor_image="registry.test/kaniko:v1",
    monitor_image="registry.test/monitor:1",
    broker_url="http://broker.test",
    region="us-west-2",
    correlation_id="corr-1",
)
MINIO = dataclasses.replace(
    ARGS,
    s3_endpoint="http://minio.test:9000",
    static_keys=True,
    insecure_registry=True,
    traceparent="00-a-b-01",
)


@pytest.fixture(scope="module")
def declared():
    return declare(lambda: BuildComponent("build", ARGS))


@pytest.fixture(scope="module")
def job(declared):
    return declared.inputs("build-job")


@pytest.fixture(scope="module")
def pod(job):
    return job["spec"]["template"]["spec"]


def environment(container):
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container["env"]}


def test_types_names_and_parents_are_a_contract(declared):
    assert declared.identities() == [
        ("knative-lambda:components:BuildComponent", "build", "knative-lambda-test"),
        ("kubernetes:batch/v1:Job", "build-job", "build"),
    ]


def test_its_outputs_are_the_declared_ones(declared):
    assert declared.outputs["build"] == {"job_name": JOB}
    assert set(declared.outputs["build"]) == set(BuildComponent.__annotations__)


def test_an_older_job_is_deleted_before_a_newer_is_created(declared):
    sent = declared.requests["build-job"]

    assert sent.deleteBeforeReplace
    assert sent.deleteBeforeReplaceDefined


def test_the_job_carries_who_and_what_it_builds(job):
    labels = {
        "app.kubernetes.io/name": "knative-lambda",
        "app.kubernetes.io/component": "build",
        "build.notifi.network/third-party-id": "tp1",
        "build.notifi.network/parser-id": "p1",
        "third-party-id": "tp1",
        "parser-id": "p1",
        "build.notifi.network/build-id": "b1",
        "build.notifi.network/content-hash": HASH[:63],
    }
    assert job["metadata"] == {
        "name": JOB,
        "namespace": "knative-lambda-dev",
        "labels": labels,
        "annotations": {
            "pulumi.com/skipAwait": "true",
            "pulumi.com/deletionPropagationPolicy": "background",
        },
    }
    assert job["spec"]["template"]["metadata"]["labels"] == labels


def test_the_job_runs_once_within_its_deadline_and_goes_away(job):
    spec = job["spec"]

    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (
        0,
        1800,
        3600,
    )
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_the_executor_is_told_what_to_build(pod):
    executor = pod["containers"][0]

    assert (executor["name"], executor["image"]) == ("kaniko", "registry.test/kaniko:v1")
    assert executor["args"] == [
        f"--context=s3://knative-lambda-dev-context-tmp/build-context/p1/t1/{HASH}/context.tar.gz",
        "--dockerfile=Dockerfile",
        "--destination=registry.test/knative-lambdas:tp1-p1-abababab",
        "--cache=true",
        "--cache-ttl=24h",
        "--cache-repo=registry.test/kaniko-cache",
        "--compressed-caching=false",
        "--snapshot-mode=redo",
        "--use-new-run",
        "--digest-file=/dev/termination-log",
    ]
    assert executor["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": "2000m", "memory": "4Gi"},
    }


def test_with_an_iam_role_the_executor_gets_no_keys(pod):
    assert environment(pod["containers"][0]) == {"AWS_REGION": "us-west-2"}


def test_other_storage_is_reached_with_keys_from_the_secret():
    executor = kaniko.job(MINIO)["spec"]["template"]["spec"]["containers"][0]

    assert environment(executor) == {
        "AWS_REGION": "us-west-2",
        "S3_ENDPOINT": "http://minio.test:9000",
        "S3_FORCE_PATH_STYLE": "true",
        "AWS_ACCESS_KEY_ID": {"secretKeyRef": {"name": "knative-lambda-storage", "key": "access-key-id"}},
        "AWS_SECRET_ACCESS_KEY": {
            "secretKeyRef": {"name": "knative-lambda-storage", "key": "secret-access-key"}
        },
    }
    assert executor["args"][-2:] == ["--insecure", "--insecure-pull"]


def test_the_monitor_knows_what_it_watches_and_where_it_reports(pod):
    monitor = pod["containers"][1]

    assert (monitor["name"], monitor["image"]) == ("cloudevents-sidecar", "registry.test/monitor:1")
    assert monitor["command"] == ["python", "-m", "monitor"]
    assert environment(monitor) == {
        "BUILD_JOB_NAME": JOB,
        "THIRD_PARTY_ID": "tp1",
        "PARSER_ID": "p1",
        "IMAGE_URI": "registry.test/knative-lambdas:tp1-p1-abababab",
        "BUILD_ID": "b1",
        "CONTENT_HASH": HASH,
        "CORRELATION_ID": "corr-1",
        "BROKER_URL": "http://broker.test",
        "BUILD_CONTAINER": "kaniko",
        "BUILD_DEADLINE_SECONDS": "1800",
        "KUBE_TOKEN_FILE": "/var/run/secrets/knative-lambda/api/token",
        "KUBE_CA_FILE": "/var/run/secrets/knative-lambda/api/ca.crt",
        "POD_NAME": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
        "POD_NAMESPACE": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
    }


def test_a_trace_goes_on_in_the_monitor():
    monitor = kaniko.job(MINIO)["spec"]["template"]["spec"]["containers"][1]

    assert environment(monitor)["TRACEPARENT"] == "00-a-b-01"


def test_only_the_monitor_reaches_the_api(pod):
    executor, monitor = pod["containers"]
    token = {"name": "api-access", "mountPath": "/var/run/secrets/knative-lambda/api", "readOnly": True}

    assert pod["serviceAccountName"] == "kaniko-builder"
    assert pod["automountServiceAccountToken"] is False
    assert "volumeMounts" not in executor
    assert token in monitor["volumeMounts"]
    assert pod["volumes"][0] == {
        "name": "api-access",
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {
                    "downwardAPI": {
                        "items": [
                            {
                                "path": "namespace",
                                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                            }
                        ]
                    }
                },
            ],
        },
    }


def test_the_executor_is_root_with_just_what_unpacking_layers_needs(pod):
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {
            "drop": ["ALL"],
            "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID"],
        },
        "privileged": False,
        "runAsUser": 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_the_monitor_runs_restricted_and_can_read_its_token(pod):
    context = pod["containers"][1]["securityContext"]

    assert context["runAsNonRoot"]
    assert context["readOnlyRootFilesystem"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"] == {"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}


def test_no_value_of_a_sender_refers_to_another_variable():
    asked = dataclasses.replace(ARGS, correlation_id="a$(KUBE_TOKEN_FILE)$b")
    monitor = kaniko.job(asked)["spec"]["template"]["spec"]["containers"][1]
    assert environment(monitor)["CORRELATION_ID"] == "a$$(KUBE_TOKEN_FILE)$$b"


@pytest.mark.parametrize(("finished", "ignored"), [(False, []), (True, ["metadata", "spec"])])
def test_a_finished_job_is_kept_whatever_changes(finished, ignored):
    args = dataclasses.replace(ARGS, finished=finished)
    declared = declare(lambda: BuildComponent("build", args))
    assert list(declared.requests["build-job"].ignoreChanges) == ignored


def test_the_registrys_login_is_the_executors_alone():
    spec = kaniko.job(dataclasses.replace(ARGS, push_secret="push"))["spec"]["template"]["spec"]
    executor, monitor = spec["containers"]

    assert executor["volumeMounts"] == [
        {"name": "docker-config", "mountPath": "/kaniko/.docker", "readOnly": True}
    ]
    assert "docker-config" not in {mount["name"] for mount in monitor["volumeMounts"]}
    assert spec["volumes"][-1] == {
        "name": "docker-config",
        "secret": {
            "secretName": "push",
            "items": [{"key": ".dockerconfigjson", "path": "config.json"}],
            "defaultMode": 0o440,
        },
    }


def test_the_monitor_gets_no_aws_credentials(job):
    """EKS's webhook puts them into every container of a pod but the named ones."""
    annotations = job["spec"]["template"]["metadata"]["annotations"]

    assert annotations == {"eks.amazonaws.com/skip-containers": "cloudevents-sidecar"}


@pytest.fixture(scope="module")
def scanned():
    args = dataclasses.replace(MINIO, scan=ScanArgs(image="registry.test/trivy:1"), push_secret="push")
    made = declare(lambda: BuildComponent("build", args)).inputs("build-job")
    return made["spec"]["template"]["spec"]


def test_without_a_scanner_a_pod_has_no_trace_of_one(pod):
    assert [one["name"] for one in pod["containers"]] == [kaniko.EXECUTOR, kaniko.MONITOR]
    assert all(volume["name"] != "scan" for volume in pod["volumes"])


def test_the_scanner_shares_its_folder_with_the_monitor_and_not_with_third_parties_code(scanned):
    mounted = {
        one["name"]: {mount["name"] for mount in one.get("volumeMounts", ())} for one in scanned["containers"]
    }

    assert {name for name, volumes in mounted.items() if "scan" in volumes} == {kaniko.MONITOR, SCANNER}
    assert "api-access" not in mounted[SCANNER]


def test_the_scanner_is_no_root_has_no_keys_of_storage_and_is_told_of_a_plain_registry(scanned):
    (scanner,) = [one for one in scanned["containers"] if one["name"] == SCANNER]
    told = environment(scanner)

    assert scanner["securityContext"]["runAsUser"] == 1000
    assert scanner["securityContext"]["readOnlyRootFilesystem"] is True
    assert not [name for name in told if "KEY" in name or "SECRET" in name]
    assert (told["TRIVY_INSECURE"], told["TRIVY_NON_SSL"]) == ("true", "true")
    assert told["DOCKER_CONFIG"] in [mount["mountPath"] for mount in scanner["volumeMounts"]]


def test_monitor_and_scanner_are_told_of_one_folder(scanned):
    told = {one["name"]: environment(one) for one in scanned["containers"]}
    downward = {"POD_NAME": "pod", "POD_NAMESPACE": "ns", "KUBERNETES_API_URL": "https://api.test"}
    settings = settings_from({**told[kaniko.MONITOR], **downward}).scan

    assert str(settings.folder) == told[SCANNER]["SCAN_FOLDER"]
    assert settings.container == SCANNER
    assert told[SCANNER]["TRIVY_TIMEOUT"] == f"{settings.timeout.total_seconds():g}s"
