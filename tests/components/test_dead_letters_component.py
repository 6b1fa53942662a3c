"""The handler of dead letters, as it is declared."""

import pulumi
import pytest

from components.capacity import CAPACITIES, Compute
from components.dead_letters import DeadLetters
from components.manifests.metadata import platform_labels
from components.manifests.quota import DEAD_LETTERS
from components.platform import Platform
from components.settings import PlatformSettings
from service.dead_letters.settings import MAX_PATIENCE_SECONDS, read
from tests.components.declaring import declare
from tests.components.test_quotas_component import compute

NAME = "knative-lambda-dlq-handler"


def platform(environment="dev", **values):
    return declare(
        lambda: Platform("platform", PlatformSettings.parse({"environment": environment, **values}))
    )


@pytest.fixture(scope="module")
def dev():
    return platform()


@pytest.fixture(scope="module")
def pod(dev):
    return dev.inputs("platform-dead-letters-deployment")["spec"]["template"]


def variables(pod):
    return {given["name"]: given["value"] for given in pod["spec"]["containers"][0]["env"]}


def test_its_outputs_are_the_declared_ones(dev):
    assert dev.outputs["platform-dead-letters"] == {
        "sink": f"http://{NAME}.knative-lambda-dev.svc.cluster.local"
    }
    assert set(dev.outputs["platform-dead-letters"]) == set(DeadLetters.__annotations__)


def test_what_broker_and_triggers_name_as_their_sink_is_there(dev):
    """The defect 6 of the contract's section 11."""
    named = {
        dev.inputs(name)["spec"]["delivery"]["deadLetterSink"]["ref"]["name"]
        for kind, name, _ in dev.identities()
        if kind.endswith((":Trigger", ":Broker")) and kind.startswith("kubernetes:")
    }
    service = dev.inputs("platform-dead-letters-service")

    assert named == {NAME} == {service["metadata"]["name"]}
    assert service["metadata"]["namespace"] == "knative-lambda-dev"
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]


def test_its_pods_are_those_that_services_policies_and_budgets_select(dev, pod):
    labels = platform_labels("dead-letters")

    assert pod["metadata"]["labels"] == labels
    assert dev.inputs("platform-dead-letters-service")["spec"]["selector"] == labels
    assert dev.inputs("platform-network-dead-letters")["spec"]["podSelector"] == {"matchLabels": labels}
    assert platform("prd").inputs("platform-dead-letters-budget")["spec"]["selector"] == {
        "matchLabels": labels
    }


@pytest.mark.parametrize("environment", CAPACITIES)
def test_one_pod_may_be_drained_without_a_gap_where_there_are_two(environment):
    declared = platform(environment)
    replicas = declared.inputs("platform-dead-letters-deployment")["spec"]["replicas"]

    assert replicas == {"dev": 1, "stg": 2, "prd": 2}[environment]
    assert ("platform-dead-letters-budget" in {name for _, name, _ in declared.identities()}) == (
        replicas > 1
    )


def test_it_has_no_rights_and_no_token(dev, pod):
    assert dev.inputs("platform-dead-letters-identity")["automountServiceAccountToken"] is False
    assert pod["spec"]["serviceAccountName"] == NAME
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert NAME not in str([dev.inputs(name) for kind, name, _ in dev.identities() if "RoleBinding" in kind])


def test_it_meets_the_restricted_pod_security_standard(pod):
    (container,) = pod["spec"]["containers"]

    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": 1000,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_it_asks_for_what_the_quota_counts(pod):
    assert (
        compute(pod["spec"])
        == DEAD_LETTERS
        == Compute(cpu_requests=100, memory_requests=128, cpu_limits=100, memory_limits=128)
    )


def test_what_it_is_told_is_what_its_program_reads(pod):
    settings = read(variables(pod))

    assert settings.rabbitmq.server.url == "amqps://rabbitmq-cluster-dev.rabbitmq-dev.svc.cluster.local:5671"
    assert settings.rabbitmq.exchange == "knative-lambda-dlq"
    assert settings.rabbitmq.queue == "lambda-dlq-queue-dev"
    assert settings.rabbitmq.poison_queue == "lambda-dlq-queue-dev-poison"
    assert (settings.rabbitmq.target_exchange, settings.rabbitmq.target_queue) == (
        "cloud-events",
        "lambda-events-dev",
    )
    assert settings.replay_seconds == 300
    assert settings.retries == 5
    assert settings.http.port == 8080
    assert (
        settings.patience_seconds == MAX_PATIENCE_SECONDS < 30 < pod["spec"]["terminationGracePeriodSeconds"]
    )


def test_its_credentials_and_whom_it_trusts_are_files_from_secrets(pod):
    volumes = {volume["name"]: volume.get("secret") for volume in pod["spec"]["volumes"]}
    mounts = {mount["name"]: mount for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    settings = read(variables(pod)).rabbitmq.server

    assert volumes["credentials"]["secretName"] == "knative-lambda-dead-letters-user-credentials"
    assert volumes["trust"]["secretName"] == "rabbitmq-cluster-dev-tls"
    assert volumes["trust"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}], "no key of anybody's"
    assert str(settings.username_file) == f"{mounts['credentials']['mountPath']}/username"
    assert str(settings.password_file) == f"{mounts['credentials']['mountPath']}/password"
    assert str(settings.ca_file) == f"{mounts['trust']['mountPath']}/ca.crt"
    assert "valueFrom" not in str(pod)


def test_without_tls_it_trusts_nobody_and_needs_nobody():
    pod = platform(tlsEnabled="false").inputs("platform-dead-letters-deployment")["spec"]["template"]

    assert read(variables(pod)).rabbitmq.server.ca_file is None
    assert read(variables(pod)).rabbitmq.server.url.startswith("amqp://")
    assert "trust" not in str(pod)


def test_a_sink_of_ones_own_takes_its_place():
    declared = platform(deadLetterUri="https://letters.test/in")

    assert not [name for _, name, _ in declared.identities() if name.startswith("platform-dead-letters")]
    assert declared.outputs["platform"]["dead_letter_sink"] == "https://letters.test/in"


def test_those_who_may_go_through_letters_hold_the_services_tokens(pod):
    def declared():
        tokens = {"serviceApiTokens": pulumi.Output.secret("a-token-that-is-long-enough")}
        return Platform("platform", PlatformSettings.parse({"environment": "dev"}, tokens))

    guarded = declare(declared)
    spec = guarded.inputs("platform-dead-letters-deployment")["spec"]["template"]
    (container,) = spec["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume.get("secret") for volume in spec["spec"]["volumes"]}

    assert volumes["tokens"]["secretName"] == "knative-lambda-api-tokens"
    assert str(read(variables(spec)).http.api_tokens_file) == f"{mounts['tokens']}/tokens"
    assert read(variables(pod)).http.api_tokens_file is None


def test_the_schedule_of_replays_is_the_stacks():
    pod = platform(deadLetterReplaySeconds="0").inputs("platform-dead-letters-deployment")["spec"]["template"]

    assert read(variables(pod)).replay_seconds == 0
