"""What an environment gives to Flux, against Flux's own schemas and a real authorizer."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi_kubernetes.core.v1 import Namespace

from components.gitops import Gitops, GitopsArgs
from components.manifests.flux import FluxResource
from engine import Engine, FileBackend, StackRef
from engine.kubernetes import KubernetesProviders
from tests.cluster.server import Server, path_of
from tests.cluster.test_rights_on_a_real_api_server import may

pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Told:
    """A namespace, that of its Flux, and how to change what Flux is told."""

    namespace: str
    flux: str
    up: Callable[..., dict[str, int]]
    state: Path
    stack: StackRef


@pytest.fixture(scope="module")
def told(
    real_kubeconfig: str,
    every_definition: None,
    shared_providers: KubernetesProviders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Told]:
    state, digits = tmp_path_factory.mktemp("gitops"), uuid.uuid4().hex[:8]
    engine = Engine(FileBackend(str(state)), {"kubernetes": shared_providers}, passphrase="pw")
    stack, config = StackRef("gitops", "dev"), {"kubernetes:kubeconfig": real_kubeconfig}
    namespace, flux = f"told-{digits}", f"flux-{digits}"

    def spaces() -> None:
        for name in (namespace, flux):
            Namespace(name, metadata={"name": name})

    def up(**values: Any) -> dict[str, int]:
        def program() -> None:
            given = {
                "environment": "dev",
                "namespace": namespace,
                "flux_namespace": flux,
                "broker_name": "broker",
                "token": pulumi.Output.secret("very-secret"),
                "lifecycle_resources": (FluxResource(kind="Kustomization", name="apps"),),
                "security_resources": (FluxResource(kind="HelmRelease", name="shield"),),
                "image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/functions",
                "alert_address": pulumi.Output.secret("https://alerts.test/secret"),
            }
            Gitops("gitops", GitopsArgs(**{**given, **values}))

        return engine.up(stack, program, config=config).changes

    engine.up(StackRef("gitops", "spaces"), spaces, config=config)
    up()
    yield Told(namespace, flux, up, state, stack)
    engine.destroy(stack, config=config)
    engine.destroy(StackRef("gitops", "spaces"), config=config)
    assert engine.resources(stack) == []


def test_every_object_passes_fluxs_own_schemas(server: Server, told: Told) -> None:
    records = Engine(FileBackend(str(told.state)), {}, passphrase="pw").resources(told.stack)
    live = [server.call(path_of(record.outputs)) for record in records if "apiVersion" in record.inputs]

    assert {(found["kind"], found["metadata"]["name"]) for found in live} >= {
        ("Receiver", "lambda-lifecycle-dev"),
        ("Receiver", "build-complete-dev"),
        ("Receiver", "security-alert-dev"),
        ("ImageRepository", "lambda-images-dev"),
        ("ImagePolicy", "lambda-images-dev"),
        ("Provider", "knative-lambda-dev"),
        ("Alert", "knative-lambda-dev"),
    }
    for found in live:
        kept = {key: value for key, value in found.items() if key != "status"}
        server.accepts(
            {**kept, "metadata": {key: found["metadata"].get(key) for key in ("name", "namespace")}}
        )


def test_a_second_update_changes_nothing_and_other_receivers_update_in_place(told: Told) -> None:
    assert told.up().keys() == {"same"}

    changed = told.up(receiver="cdevents")

    assert changed["update"] == 3
    assert (changed["create"], changed["delete"]) == (4, 7)
    told.up()


MAY = [
    (verb, *what)
    for what in (
        ("", "configmaps"),
        ("", "serviceaccounts"),
        ("serving.knative.dev", "services"),
        ("eventing.knative.dev", "triggers"),
    )
    for verb in ("get", "list", "watch", "create", "patch", "delete")
]
MAY_NOT = [
    *((verb, "", "secrets") for verb in ("get", "list", "create")),
    ("create", "", "pods"),
    ("create", "batch", "jobs"),
    ("create", "", "serviceaccounts/token"),
    ("impersonate", "", "serviceaccounts"),
    ("patch", "rbac.authorization.k8s.io", "roles"),
    ("bind", "rbac.authorization.k8s.io", "roles"),
    ("patch", "networking.k8s.io", "networkpolicies"),
    ("deletecollection", "serving.knative.dev", "services"),
    ("*", "*", "*"),
]


@pytest.mark.parametrize(
    ("allowed", "verb", "group", "resource"),
    [*((True, *row) for row in MAY), *((False, *row) for row in MAY_NOT)],
)
def test_flux_may_apply_functions_and_nothing_else(
    server: Server, told: Told, allowed: bool, verb: str, group: str, resource: str
) -> None:
    account = (told.flux, "knative-lambda-gitops-dev")

    assert may(server, account, told.namespace, verb, group, resource) is allowed
    assert not may(server, account, "default", verb, group, resource)


def test_no_secret_is_in_the_state_in_the_clear(told: Told) -> None:
    texts = [path.read_text() for path in told.state.rglob("*.json")]

    assert any("lambda-lifecycle-dev" in text for text in texts)
    assert not any(word in text for text in texts for word in ("very-secret", "alerts.test", "/hook/"))
