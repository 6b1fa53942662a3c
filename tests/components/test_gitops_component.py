"""What Flux hears of an environment, and what it may do there."""

import hashlib
from pathlib import Path

import pulumi
import pytest
import yaml

from components.gitops import Gitops, GitopsArgs
from components.manifests import gitops as manifests
from components.manifests.flux import ALERT_TYPES, KINDS, RECEIVER_TYPES, FluxResource, flux_resource
from components.naming import MAX_LABEL
from components.platform import Platform
from components.settings import EVENT_TYPES, PlatformSettings, SettingsError
from tests.components.declaring import declare, is_secret

SCHEMAS = Path(__file__).parents[3] / "shared" / "crds"


def declared_with(**values):
    given = {
        "environment": "dev",
        "namespace": "knative-lambda-dev",
        "flux_namespace": "flux-system",
        "broker_name": "broker",
        "token": "very-secret",
        "lifecycle_resources": (
            FluxResource(kind="GitRepository", name="config"),
            FluxResource(kind="Kustomization", name="apps", namespace="apps"),
        ),
        "security_resources": (FluxResource(kind="Kustomization", name="security-policies"),),
        "image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/functions",
    }
    return declare(lambda: Gitops("g", GitopsArgs(**{**given, **values})))


@pytest.fixture(scope="module")
def declared():
    return declared_with()


def path_of(receiver):
    """As notification-controller computes it (api/v1/receiver_types.go, GetWebhookPath)."""
    return "/hook/" + hashlib.sha256(f"very-secret{receiver}-devflux-system".encode()).hexdigest()


def triggers_of(declared):
    return {
        declared.inputs(name)["spec"]["filter"]["attributes"]["type"]: declared.inputs(name)
        for kind, name, _ in declared.identities()
        if kind.endswith(":Trigger")
    }


def test_types_names_and_parents_are_a_contract():
    """Each line is a resource: changed on purpose only, as those of whole environments."""
    declared = declared_with(alert_address="https://alerts.test")

    expected = (Path(__file__).parent / "golden" / "gitops.txt").read_text().splitlines()
    assert [f"{name}  {kind}  in {parent}" for kind, name, parent in declared.identities()] == expected


def test_a_ready_function_refreshes_the_configurations_that_hang_on_it(declared):
    receiver = declared.inputs("g-lambda-lifecycle-receiver")

    assert receiver["metadata"]["name"] == "lambda-lifecycle-dev"
    assert receiver["metadata"]["namespace"] == "flux-system"
    assert receiver["spec"] == {
        "type": "generic",
        "secretRef": {"name": "knative-lambda-webhooks-dev"},
        "resources": [
            {
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "GitRepository",
                "name": "config",
                "namespace": "flux-system",
            },
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "name": "apps",
                "namespace": "apps",
            },
        ],
    }


def test_a_completed_build_starts_the_scan_of_the_functions_images(declared):
    (scanned,) = declared.inputs("g-build-complete-receiver")["spec"]["resources"]
    repository, policy = declared.inputs("g-images"), declared.inputs("g-tags")

    assert (scanned["kind"], scanned["name"]) == (repository["kind"], repository["metadata"]["name"])
    assert repository["spec"] == {
        "image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/functions",
        "interval": "10m",
        "provider": "aws",
    }
    assert policy["spec"]["imageRepositoryRef"] == {"name": "lambda-images-dev"}


def test_another_registry_is_asked_with_its_pull_secret():
    spec = declared_with(image="ghcr.io/team/functions", image_secret="pull").inputs("g-images")["spec"]

    assert (spec["provider"], spec["secretRef"]) == ("generic", {"name": "pull"})


def test_only_critical_alerts_deploy_a_remediation(declared):
    spec = declared.inputs("g-security-alert-receiver")["spec"]

    assert spec["resourceFilter"] == "has(req.severity) && req.severity == 'critical'"
    assert [found["name"] for found in spec["resources"]] == ["security-policies"]


def test_the_broker_brings_the_platforms_own_events_to_the_receivers(declared):
    subscribers = {kind: made["spec"]["subscriber"]["uri"] for kind, made in triggers_of(declared).items()}

    service = "http://webhook-receiver.flux-system.svc.cluster.local"
    assert subscribers == {
        "network.notifi.lambda.build.complete.reply": service + path_of("lambda-lifecycle"),
        "network.notifi.lambda.service.delete.reply": service + path_of("lambda-lifecycle"),
        "io.knative.lambda.command.service.delete.reply": service + path_of("lambda-lifecycle"),
        "io.knative.lambda.lifecycle.function.ready": service + path_of("lambda-lifecycle"),
        "network.notifi.lambda.build.complete": service + path_of("build-complete"),
        "io.knative.lambda.lifecycle.build.completed": service + path_of("build-complete"),
        "io.knative.lambda.notification.alert.critical": service + path_of("security-alert"),
    }


def test_the_token_and_all_that_tells_it_stay_secret(declared):
    assert is_secret(declared.raw_inputs("g-token")["stringData"])
    assert declared.inputs("g-token")["stringData"] == {"token": "very-secret"}
    trigger = "g-build-complete-network.notifi.lambda.build.complete-trigger"
    assert is_secret(declared.raw_inputs(trigger)["spec"]["subscriber"]["uri"])
    assert is_secret(declared.outputs["g"]["webhook_paths"])


def test_its_outputs_are_the_declared_ones(declared):
    assert set(declared.outputs["g"]) == set(Gitops.__annotations__)
    assert declared.outputs["g"]["account"] == "knative-lambda-gitops-dev"
    assert declared.outputs["g"]["webhook_paths"]["value"] == {
        receiver: path_of(receiver) for receiver in ("lambda-lifecycle", "build-complete", "security-alert")
    }


def test_receivers_of_cdevents_get_cdevents_and_name_what_they_take():
    declared = declared_with(receiver="cdevents")
    spec = declared.inputs("g-build-complete-receiver")["spec"]
    security = declared.inputs("g-security-alert-receiver")["spec"]

    assert (spec["type"], spec["events"]) == ("cdevents", ["dev.cdevents.artifact.published.0.2.0"])
    assert security["resourceFilter"] == (
        "has(req.customData) && has(req.customData.severity) && req.customData.severity == 'critical'"
    )
    assert set(triggers_of(declared)) == {
        "dev.cdevents.artifact.published.0.2.0",
        "dev.cdevents.incident.detected.0.2.0",
        "dev.cdevents.service.deployed.0.2.0",
        "dev.cdevents.service.removed.0.2.0",
    }


def test_receivers_of_signed_requests_get_nothing_that_cannot_be_signed():
    declared = declared_with(receiver="generic-hmac")

    assert triggers_of(declared) == {}
    assert declared.inputs("g-build-complete-receiver")["spec"]["type"] == "generic-hmac"


def test_errors_of_what_was_set_off_are_told_where_an_address_is_given(declared):
    told = declared_with(alert_type="slack", alert_address="https://hooks.test/secret")

    provider, alert = told.inputs("g-provider"), told.inputs("g-alert")
    assert provider["spec"] == {"type": "slack", "secretRef": {"name": "knative-lambda-alerts-dev"}}
    assert is_secret(told.raw_inputs("g-address")["stringData"])
    assert told.inputs("g-address")["stringData"] == {"address": "https://hooks.test/secret"}
    assert alert["spec"]["providerRef"] == {"name": provider["metadata"]["name"]}
    assert alert["spec"]["eventSeverity"] == "error"
    assert [(source["kind"], source["name"]) for source in alert["spec"]["eventSources"]] == [
        ("GitRepository", "config"),
        ("ImageRepository", "lambda-images-dev"),
        ("Kustomization", "apps"),
        ("Kustomization", "security-policies"),
    ]
    assert not {"g-provider", "g-alert"} & {name for _, name, _ in declared.identities()}


def test_flux_may_apply_what_a_functions_manifests_hold_and_nothing_else(declared):
    identity, role = declared.inputs("g-identity"), declared.inputs("g-role")
    binding = declared.inputs("g-binding")

    assert identity["metadata"]["namespace"] == "flux-system"
    assert identity["automountServiceAccountToken"] is False
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "knative-lambda-dev"
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "knative-lambda-gitops-dev", "namespace": "flux-system"}
    ]
    verbs = ["get", "list", "watch", "create", "patch", "delete"]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps", "serviceaccounts"], "verbs": verbs},
        {"apiGroups": ["serving.knative.dev"], "resources": ["services"], "verbs": verbs},
        {"apiGroups": ["eventing.knative.dev"], "resources": ["triggers"], "verbs": verbs},
    ]


def test_environments_of_one_cluster_do_not_meet_in_fluxs_namespace():
    names = [
        {
            (kind, declared.inputs(name)["metadata"]["name"])
            for kind, name, _ in declared.identities()
            if declared.requests[name].custom
            and declared.inputs(name)["metadata"]["namespace"] == "flux-system"
        }
        for declared in (declared_with(alert_address="a", environment=env) for env in ("dev", "prd"))
    ]

    assert len(names[0]) == len(names[1]) == 10
    assert not names[0] & names[1]


def test_an_environment_has_nothing_of_it_unless_asked_for_and_then_room_and_a_way_for_it():
    def environment(**values):
        def program():
            secrets = {"gitopsToken": pulumi.Output.secret("very-secret")} if values else {}
            Platform("platform", PlatformSettings.parse({"environment": "dev", **values}, secrets))

        return declare(program)

    without, told = environment(), environment(gitopsEnabled="true", gitopsNamespace="flux")

    assert "platform-gitops" not in {name for _, name, _ in without.identities()}
    assert "platform-space-namespace" in told.depends_on("platform-gitops-role")
    egress = [made.inputs("platform-network-dispatchers")["spec"]["egress"] for made in (without, told)]
    (added,) = [rule for rule in egress[1] if rule not in egress[0]]
    assert added["ports"] == [{"protocol": "TCP", "port": 9292}]
    assert "'flux'" in str(added["to"])
    pods = [int(made.inputs("platform-quotas-quota")["spec"]["hard"]["pods"]) for made in (without, told)]
    assert pods[1] - pods[0] == 2 * 7


def test_a_token_that_only_fluxs_namespace_has_tells_the_stack_no_address():
    declared = declared_with(token=None, token_secret="from-the-store")

    names = {name for _, name, _ in declared.identities()}
    assert declared.inputs("g-build-complete-receiver")["spec"]["secretRef"] == {"name": "from-the-store"}
    assert "g-token" not in names
    assert triggers_of(declared) == {}
    assert declared.outputs["g"]["webhook_paths"] == {}


def test_a_token_has_one_place():
    def parsed(**secrets):
        texts = {"environment": "dev", "gitopsEnabled": "true", "gitopsTokenSecret": "from-the-store"}
        return PlatformSettings.parse(texts, secrets)

    assert parsed().gitops.triggers == 0
    with pytest.raises(SettingsError, match="gitopsToken and gitopsTokenSecret are both set"):
        parsed(gitopsToken=object())


@pytest.mark.parametrize("receiver", RECEIVER_TYPES)
def test_trigger_names_are_labels_and_their_own(receiver):
    names = [
        manifests.trigger_name(key, event)
        for key, events in manifests.EVENTS[receiver].items()
        for event in {*events, *EVENT_TYPES, "io.homelab." + "x" * 60, "io.homelab." + "x" * 61}
    ]

    assert len(set(names)) == len(names)
    assert all(len(name) <= MAX_LABEL and name.startswith("flux-") for name in names)


@pytest.mark.parametrize(
    "text", ["Kustomization", "Kustomization/a/b/c", "Kustomization/", "Pod/a", "a/b", "Bucket/A"]
)
def test_what_is_no_resource_of_flux_is_refused(text):
    with pytest.raises(ValueError, match="is none of Flux's: give Kind/name or Kind/namespace/name"):
        flux_resource(text)


@pytest.mark.skipif(not SCHEMAS.exists(), reason="needs the operators' schemas in ../shared/crds")
def test_the_kinds_and_types_are_fluxs_own():
    def spec(name):
        (document,) = [part for part in yaml.safe_load_all((SCHEMAS / f"{name}.yaml").read_text()) if part]
        version = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        return version["properties"]["spec"]["properties"]

    receiver, provider = spec("flux-notification-receivers"), spec("flux-notification-providers")
    assert KINDS.keys() <= set(receiver["resources"]["items"]["properties"]["kind"]["enum"])
    assert set(RECEIVER_TYPES) <= set(receiver["type"]["enum"])
    assert set(ALERT_TYPES) <= set(provider["type"]["enum"])
