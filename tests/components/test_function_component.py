"""What a function is declared as."""

import dataclasses

import pytest

from components.function import FunctionArgs, FunctionComponent
from components.manifests import function as manifests
from tests.components.declaring import declare

ARGS = FunctionArgs(
    function_name="lambda-tp1-p1",
    namespace="knative-lambda-dev",
    third_party_id="tp1",
    parser_id="p1",
    image="registry.test/knative-lambdas@sha256:" + "a" * 64,
    broker="knative-lambda-broker-dev",
    broker_url="http://broker.test",
)
LABELS = {
    "app.kubernetes.io/name": "knative-lambda",
    "app.kubernetes.io/component": "function",
    "build.notifi.network/third-party-id": "tp1",
    "build.notifi.network/parser-id": "p1",
    "third-party-id": "tp1",
    "parser-id": "p1",
}


@pytest.fixture(scope="module")
def declared():
    return declare(lambda: FunctionComponent("function", ARGS))


def test_types_names_and_parents_are_a_contract(declared):
    assert declared.identities() == [
        ("knative-lambda:components:FunctionComponent", "function", "knative-lambda-test"),
        ("kubernetes:core/v1:ConfigMap", "function-config", "function"),
        ("kubernetes:core/v1:ServiceAccount", "function-identity", "function"),
        ("kubernetes:serving.knative.dev/v1:Service", "function-service", "function"),
        ("kubernetes:eventing.knative.dev/v1:Trigger", "function-trigger", "function"),
    ]


def test_its_outputs_are_the_declared_ones(declared):
    assert declared.outputs["function"] == {"service_name": "lambda-tp1-p1"}
    assert set(declared.outputs["function"]) == set(FunctionComponent.__annotations__)


def test_identity_and_configuration_come_first_and_the_trigger_last(declared):
    assert declared.depends_on("function-service") == ["function-config", "function-identity"]
    assert declared.depends_on("function-trigger") == ["function-service"]


def test_its_identity_gets_no_token(declared):
    account = declared.inputs("function-identity")

    assert account["metadata"] == {
        "name": "lambda-tp1-p1",
        "namespace": "knative-lambda-dev",
        "labels": LABELS,
    }
    assert account["automountServiceAccountToken"] is False


def test_its_configuration_is_what_the_wrapper_reads(declared):
    config = declared.inputs("function-config")

    assert config["metadata"]["name"] == "lambda-tp1-p1-config"
    assert config["data"] == {
        "THIRD_PARTY_ID": "tp1",
        "PARSER_ID": "p1",
        "FUNCTION_NAME": "lambda-tp1-p1",
        "FUNCTION_NAMESPACE": "knative-lambda-dev",
        "HANDLER": "parser.handler",
        "TIMEOUT_SECONDS": "60",
        "LOG_LEVEL": "info",
        "BROKER_URL": "http://broker.test",
    }


def test_its_service_scales_from_zero_inside_the_cluster(declared):
    service = declared.inputs("function-service")
    template = service["spec"]["template"]

    assert service["metadata"]["labels"] == {**LABELS, "networking.knative.dev/visibility": "cluster-local"}
    assert template["metadata"]["annotations"] == {
        "autoscaling.knative.dev/class": "kpa.autoscaling.knative.dev",
        "autoscaling.knative.dev/metric": "concurrency",
        "autoscaling.knative.dev/target": "100",
        "autoscaling.knative.dev/min-scale": "0",
        "autoscaling.knative.dev/max-scale": "10",
        "autoscaling.knative.dev/scale-down-delay": "30s",
        "build.notifi.network/config-hash": template["metadata"]["annotations"][
            "build.notifi.network/config-hash"
        ],
    }
    assert template["spec"]["containerConcurrency"] == 10
    assert template["spec"]["timeoutSeconds"] == 90
    assert template["spec"]["enableServiceLinks"] is False
    assert template["spec"]["automountServiceAccountToken"] is False
    assert template["spec"]["serviceAccountName"] == "lambda-tp1-p1"


def test_its_container_is_the_image_and_may_do_next_to_nothing(declared):
    pod = declared.inputs("function-service")["spec"]["template"]["spec"]

    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}]
    assert pod["containers"] == [
        {
            "name": "function",
            "image": ARGS.image,
            "ports": [{"name": "http1", "containerPort": 8080}],
            "envFrom": [{"configMapRef": {"name": "lambda-tp1-p1-config"}}],
            "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 10},
            "resources": {
                "requests": {"cpu": "100m", "memory": "128Mi"},
                "limits": {"cpu": "500m", "memory": "512Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
                "runAsGroup": 1000,
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
    ]


def test_its_trigger_takes_only_its_own_start_events_and_gives_up_into_the_dead_letters(declared):
    trigger = declared.inputs("function-trigger")

    assert trigger["metadata"]["name"] == "lambda-tp1-p1"
    rabbitmq = "rabbitmq.eventing.knative.dev"
    assert trigger["metadata"]["annotations"] == {
        f"{rabbitmq}/parallelism": "50",
        f"{rabbitmq}/cpu-request": "50m",
        f"{rabbitmq}/cpu-limit": "500m",
        f"{rabbitmq}/memory-request": "64Mi",
        f"{rabbitmq}/memory-limit": "256Mi",
    }
    assert trigger["spec"] == {
        "broker": "knative-lambda-broker-dev",
        "filter": {
            "attributes": {
                "type": "network.notifi.lambda.parser.start",
                "source": "network.notifi.tp1",
                "subject": "p1",
            }
        },
        "subscriber": {
            "ref": {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Service",
                "name": "lambda-tp1-p1",
                "namespace": "knative-lambda-dev",
            }
        },
        "delivery": {
            "retry": 5,
            "backoffPolicy": "exponential",
            "backoffDelay": "PT1S",
            "timeout": "PT90S",
            "deadLetterSink": {
                "ref": {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": "knative-lambda-dlq-handler",
                    "namespace": "knative-lambda-dev",
                }
            },
        },
    }


def test_without_knative_eventing_it_has_no_trigger():
    declared = declare(lambda: FunctionComponent("fn", dataclasses.replace(ARGS, trigger=False)))

    assert not [kind for kind, _, _ in declared.identities() if kind.endswith(":Trigger")]
    assert declared.outputs["fn"] == {"service_name": ARGS.function_name}


def test_dead_letters_can_go_to_a_url():
    args = dataclasses.replace(ARGS, dead_letter_uri="http://127.0.0.1:1/dead-letters")

    sink = manifests.start_trigger(args)["spec"]["delivery"]["deadLetterSink"]

    assert sink == {"uri": "http://127.0.0.1:1/dead-letters"}


def test_changed_configuration_makes_a_new_revision():
    def template(args):
        return manifests.knative_service(args)["spec"]["template"]

    slower = dataclasses.replace(ARGS, log_level="debug")

    assert template(ARGS) == template(dataclasses.replace(ARGS))
    assert template(ARGS) != template(slower)


def test_two_functions_in_one_program_do_not_meet():
    other = dataclasses.replace(ARGS, function_name="lambda-tp1-p2", parser_id="p2")

    declared = declare(lambda: (FunctionComponent("one", ARGS), FunctionComponent("two", other)))

    assert len(declared.identities()) == 10


def test_its_image_is_pulled_with_the_registrys_secret_where_there_is_one():
    asked = dataclasses.replace(ARGS, pull_secret="pull")

    assert manifests.service_account(asked)["imagePullSecrets"] == [{"name": "pull"}]
    assert "imagePullSecrets" not in manifests.service_account(ARGS)
