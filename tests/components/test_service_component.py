"""The automation service in its environment, and that it understands what it is told there."""

import pulumi
import pytest

from automation.configuration import RolloutPolicy
from components import naming
from components.capacity import CAPACITIES
from components.manifests import kaniko
from components.manifests.metadata import platform_labels
from components.service import Service, ServiceArgs
from components.settings import PlatformSettings
from service.settings import Settings as ServiceSettings
from service.settings import read
from tests.components.declaring import declare, is_secret

REGISTRY = "339954290315.dkr.ecr.us-west-2.amazonaws.com"


def args(environment="dev", **values):
    defaults = {
        "namespace": "ns",
        "environment": environment,
        "capacity": CAPACITIES[environment],
        "image": "registry.test/service:1",
        "broker_name": "broker",
        "registry": "registry.test",
        "repository": "functions",
        "cache_repository": "layers",
        "source_bucket": "code",
        "context_bucket": "contexts",
        "state_url": "s3://states?region=us-west-2",
        "variables": {
            "KANIKO_IMAGE": "registry.test/kaniko:1",
            "PYTHON_BASE_IMAGE": "registry.test/python:3.12",
            "GO_PROXY": "",
        },
        "region": "us-west-2",
    }
    return ServiceArgs(**{**defaults, **values})


def declared(environment="dev", **values):
    return declare(lambda: Service("s", args(environment, **values)))


def variables(made, secrets=None):
    """The container's environment, as its process would see it."""
    found = {}
    for item in container(made)["env"]:
        source = item.get("valueFrom", {})
        if "secretKeyRef" in source:
            place = source["secretKeyRef"]
            found[item["name"]] = (secrets or {})[place["name"], place["key"]]
        else:
            found[item["name"]] = item.get("value", "ns").replace("$$", "$")
    return found


def container(made):
    (only,) = pod(made)["containers"]
    return only


def pod(made):
    return made.inputs("s-deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("environment", "replicas", "scales", "disruption"),
    [
        pytest.param("dev", 1, None, None, id="dev"),
        pytest.param("stg", None, (2, 5, 70), 1, id="stg"),
        pytest.param("prd", None, (3, 10, 60), 2, id="prd"),
    ],
)
def test_how_many_pods_there_are(environment, replicas, scales, disruption):
    """The contract's rows, section 8. With an autoscaler no number is named: each update would reset it."""
    made = declared(environment)

    assert made.inputs("s-deployment")["spec"].get("replicas") == replicas
    assert ("s-autoscaler" in made.requests, "s-disruption" in made.requests) == (
        scales is not None,
        disruption is not None,
    )
    if scales:
        spec = made.inputs("s-autoscaler")["spec"]
        (metric,) = spec["metrics"]
        target = metric["resource"]["target"]["averageUtilization"]
        assert (spec["minReplicas"], spec["maxReplicas"], target) == scales
        assert spec["scaleTargetRef"]["name"] == made.inputs("s-deployment")["metadata"]["name"]
        budget = made.inputs("s-disruption")["spec"]
        assert budget["minAvailable"] == disruption
        assert budget["selector"]["matchLabels"] == platform_labels("service")


@pytest.mark.parametrize(
    ("environment", "requests", "limits"),
    [
        ("dev", {"cpu": "250m", "memory": "512Mi"}, {"cpu": "500m", "memory": "1024Mi"}),
        ("stg", {"cpu": "500m", "memory": "1024Mi"}, {"cpu": "1000m", "memory": "2048Mi"}),
        ("prd", {"cpu": "1000m", "memory": "2048Mi"}, {"cpu": "2000m", "memory": "4096Mi"}),
    ],
)
def test_how_large_they_are(environment, requests, limits):
    assert container(declared(environment))["resources"] == {"requests": requests, "limits": limits}


def test_settings_take_the_place_of_the_environments_numbers():
    given = PlatformSettings.parse(
        {
            "environment": "dev",
            "serviceReplicas": "4",
            "serviceLimitsMib": "2000",
            "serviceRequestsMib": "600",
        }
    )

    made = declared(capacity=given.capacity)

    assert made.inputs("s-deployment")["spec"]["replicas"] == 4
    assert made.inputs("s-disruption")["spec"]["minAvailable"] == 3
    assert container(made)["resources"]["limits"]["memory"] == "2000Mi"
    assert container(made)["resources"]["requests"] == {"cpu": "250m", "memory": "600Mi"}


def test_fewer_pods_than_the_environment_has_are_as_many_as_are_allowed():
    given = PlatformSettings.parse({"environment": "prd", "serviceMaxReplicas": "2"})

    assert (given.capacity.service_min_pods, given.capacity.service_pods) == (2, 2)


def test_a_pod_is_restricted_and_has_but_a_folder_for_files_that_pass():
    made = declared()

    assert pod(made)["securityContext"] == {
        "fsGroup": 1000,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    security = container(made)["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert container(made)["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert pod(made)["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "3Gi"}}]
    assert pod(made)["serviceAccountName"] == "knative-lambda-builder"


def test_the_contracts_probes_ask_for_life_and_for_readiness():
    probes = {
        name: (probe["httpGet"]["path"], *(probe[key] for key in ("initialDelaySeconds", "periodSeconds")))
        for name, probe in container(declared()).items()
        if name.endswith("Probe")
    }

    assert probes == {"livenessProbe": ("/health", 30, 10), "readinessProbe": ("/ready", 10, 5)}


def test_a_pod_is_given_longer_to_end_than_the_service_takes():
    grace = pod(declared())["terminationGracePeriodSeconds"]

    assert grace > told(declared()).http.shutdown_grace_seconds


def test_versions_are_spread_over_zones_and_nodes_and_replaced_without_a_gap():
    made = declared("prd")

    spread = pod(made)["topologySpreadConstraints"]
    assert [item["topologyKey"] for item in spread] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    assert {item["whenUnsatisfiable"] for item in spread} == {"ScheduleAnyway"}
    rolling = made.inputs("s-deployment")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_service_is_what_the_triggers_deliver_to():
    made = declared()
    spec = made.inputs("s-service")["spec"]

    assert made.inputs("s-service")["metadata"]["name"] == "knative-lambda-builder"
    assert made.outputs["s"] == {"service_name": "knative-lambda-builder"}
    assert set(made.outputs["s"]) == set(Service.__annotations__)
    (port,) = spec["ports"]
    (opened,) = container(made)["ports"]
    assert (port["port"], port["targetPort"]) == (80, opened["name"])
    assert opened["containerPort"] == told(made).http.port
    labels = made.inputs("s-deployment")["spec"]["template"]["metadata"]["labels"]
    assert spec["selector"] == labels == platform_labels("service")


def told(made, secrets=None) -> ServiceSettings:
    """What the service reads of its environment."""
    return read(variables(made, secrets))


def test_the_service_understands_everything_that_it_is_told():
    made = declared(
        "stg",
        log_level="warn",
        engine="automation-api",
        broker_url="http://broker.test",
        emits=("lifecycle", "cdevents"),
        sink_uri="http://sink.test",
        scheduler_uri="http://scheduler.test:5000",
        dead_letter_uri="http://dead.test/$(LETTERS)",
        insecure_registry=True,
        storage_endpoint="http://minio.storage.svc:9000",
        static_keys=True,
        pull_secret="pull",
        push_secret="push",
        passphrase="open sesame",
    )
    keys = {
        (kaniko.STORAGE_SECRET, kaniko.ACCESS_KEY_ID): "id",
        (kaniko.STORAGE_SECRET, kaniko.SECRET_ACCESS_KEY): "key",
        ("knative-lambda-state", "passphrase"): "open sesame",
    }

    settings = told(made, keys)

    assert settings.log_level == "warn"
    assert settings.http.host == "0.0.0.0"
    automation = settings.automation
    expected = {
        "environment": "stg",
        "namespace": "ns",
        "engine": "automation-api",
        "broker_name": "broker",
        "broker_url": "http://broker.test",
        "emits": {"lifecycle", "cdevents"},
        "sink_url": "http://sink.test",
        "scheduler_url": "http://scheduler.test:5000",
        "dead_letter_uri": "http://dead.test/$(LETTERS)",
        "backend_url": "s3://states?region=us-west-2",
        "passphrase": "open sesame",
        "registry": "registry.test",
        "repository": "functions",
        "cache_repository": "layers",
        "pull_secret": "pull",
        "push_secret": "push",
        "insecure_registry": True,
        "executor_image": "registry.test/kaniko:1",
        "monitor_image": "registry.test/service:1",
        "python_base_image": "registry.test/python:3.12",
        "region": "us-west-2",
        "s3_endpoint": "http://minio.storage.svc:9000",
        "access_key_id": "id",
        "secret_access_key": "key",
        "source_bucket": "code",
        "context_bucket": "contexts",
    }
    assert {name: getattr(automation, name) for name in expected} == expected
    # The state's client reads the keys under the names of AWS.
    assert variables(made, keys)["AWS_ACCESS_KEY_ID"] == "id"
    assert variables(made, keys)["AWS_SECRET_ACCESS_KEY"] == "key"


@pytest.mark.parametrize("environment", CAPACITIES)
def test_an_environments_defaults_start_the_service(environment):
    """The stack's configuration with nothing but the environment's name, all the way to the service's own."""
    from components.platform import Platform

    given = PlatformSettings.parse({"environment": environment})
    whole = declare(lambda: Platform("platform", given))
    (only,) = whole.inputs("platform-service-deployment")["spec"]["template"]["spec"]["containers"]

    settings = read({item["name"]: item.get("value", given.namespace) for item in only["env"]})

    assert settings.automation.namespace == f"knative-lambda-{environment}"
    assert settings.automation.backend_url == f"s3://knative-lambda-{environment}-state?region=us-west-2"
    assert settings.automation.registry == REGISTRY
    assert settings.automation.build_limit == CAPACITIES[environment].builds
    assert settings.automation.monitor_image == only["image"]
    assert only["image"] == f"{REGISTRY}/knative-lambda-builder-{environment}:{environment}-latest"
    assert settings.automation.repository == naming.functions_repository(environment)
    assert settings.automation.source_bucket == naming.source_bucket(environment)
    assert settings.automation.access_key_id == ""
    assert settings.automation.emits == {"lifecycle", "alerts", "audit"}


def test_what_the_stack_says_of_rollouts_and_image_sources_reaches_the_service():
    from components.platform import Platform

    given = PlatformSettings.parse(
        {
            "environment": "dev",
            "functionRolloutSteps": "[10, 50]",
            "functionRolloutPauseSeconds": "60",
            "functionRolloutReadySeconds": "120",
            "functionImageSources": "gcr.io/knative-releases/samples",
        }
    )
    whole = declare(lambda: Platform("platform", given))
    (only,) = whole.inputs("platform-service-deployment")["spec"]["template"]["spec"]["containers"]

    told = read({item["name"]: item.get("value", given.namespace) for item in only["env"]}).automation

    assert told.rollout == RolloutPolicy(steps=(10, 50), pause_seconds=60, ready_within_seconds=120)
    assert told.image_sources == ("gcr.io/knative-releases/samples",)


def test_the_passphrase_is_a_secret_that_only_a_secret_holds():
    made = declare(lambda: Service("s", args(passphrase=pulumi.Output.secret("open sesame"))))

    assert made.inputs("s-state")["stringData"] == {"passphrase": "open sesame"}
    assert is_secret(made.raw_inputs("s-state")["stringData"])
    assert "open sesame" not in str(made.raw_inputs("s-deployment"))


def test_tokens_of_readers_are_a_file_in_the_pod_that_only_its_group_reads():
    made = declare(lambda: Service("s", args(api_tokens=pulumi.Output.secret("a-token-of-16-ch"))))

    assert is_secret(made.raw_inputs("s-tokens")["stringData"])
    file = told(made).http.api_tokens_file
    (mounted,) = [item for item in container(made)["volumeMounts"] if item["mountPath"] == str(file.parent)]
    (volume,) = [item for item in pod(made)["volumes"] if item["name"] == mounted["name"]]
    assert volume["secret"] == {"secretName": "knative-lambda-api-tokens", "defaultMode": 0o440}
    assert made.inputs("s-tokens")["metadata"]["name"] == "knative-lambda-api-tokens"
    assert list(made.inputs("s-tokens")["stringData"]) == [file.name]


def test_with_tls_the_certificate_is_a_file_and_a_second_port_leads_to_it():
    made = declared(tls=True)

    served = told(made).http.tls
    (mounted,) = [
        item for item in container(made)["volumeMounts"] if item["mountPath"] == str(served.key.parent)
    ]
    (volume,) = [item for item in pod(made)["volumes"] if item["name"] == mounted["name"]]
    assert volume["secret"]["secretName"] == "knative-lambda-builder-tls"
    assert (served.certificate.name, served.key.name) == ("tls.crt", "tls.key")
    ports = {port["name"]: port["containerPort"] for port in container(made)["ports"]}
    assert ports == {"http": 8080, "https": served.port}
    reached = {
        port["name"]: (port["port"], port["targetPort"]) for port in made.inputs("s-service")["spec"]["ports"]
    }
    assert reached == {"http": (80, "http"), "https": (443, "https")}


def test_without_tls_there_is_one_port():
    made = declared()

    assert told(made).http.tls is None
    assert [port["name"] for port in made.inputs("s-service")["spec"]["ports"]] == ["http"]


def test_keys_of_signatures_are_a_file_in_the_pod_that_only_its_group_reads():
    def declared():
        keys = pulumi.Output.secret("whsec_" + "A" * 32)
        return Service("s", args(signature_keys=keys, signed_paths=("/", "/events")))

    made = declare(declared)

    assert is_secret(made.raw_inputs("s-signature-keys")["stringData"])
    signatures = told(made).http.signatures
    folder = str(signatures.keys_file.parent)
    (mounted,) = [item for item in container(made)["volumeMounts"] if item["mountPath"] == folder]
    (volume,) = [item for item in pod(made)["volumes"] if item["name"] == mounted["name"]]
    assert volume["secret"] == {"secretName": "knative-lambda-signature-keys", "defaultMode": 0o440}
    assert made.inputs("s-signature-keys")["metadata"]["name"] == "knative-lambda-signature-keys"
    assert list(made.inputs("s-signature-keys")["stringData"]) == [signatures.keys_file.name]
    assert signatures.paths == ("/", "/events")


def test_the_key_of_attestations_is_a_file_in_the_pod_where_the_service_looks_for_it():
    def declared():
        return Service("s", args(attestation_key=pulumi.Output.secret("-----BEGIN PRIVATE KEY-----")))

    made = declare(declared)

    assert is_secret(made.raw_inputs("s-attestation-key")["stringData"])
    path = told(made).automation.attestation_key_file
    (mounted,) = [item for item in container(made)["volumeMounts"] if item["mountPath"] == str(path.parent)]
    (volume,) = [item for item in pod(made)["volumes"] if item["name"] == mounted["name"]]
    assert volume["secret"] == {"secretName": "knative-lambda-attestation-key", "defaultMode": 0o440}
    assert list(made.inputs("s-attestation-key")["stringData"]) == [path.name]


def test_without_a_passphrase_there_is_no_secret_and_none_is_asked_for():
    made = declared()

    assert "s-state" not in made.requests
    assert not [item for item in container(made)["env"] if "secretKeyRef" in item.get("valueFrom", {})]
