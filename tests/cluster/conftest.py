"""What the tests on a real API server share: the server, and a namespace that only our own guards protect."""

import uuid
from collections.abc import Iterator

import pulumi
import pytest
from pulumi_kubernetes.core.v1 import Namespace, ServiceAccount

from components.access import Access, AccessArgs
from components.admission import Admission, AdmissionArgs
from engine import Engine, FileBackend, StackRef
from engine.kubernetes import KubernetesProviders
from tests.cluster.pods import REGISTRIES, build_objects, changed, function_objects, relabelled
from tests.cluster.server import Server, eventually, refusal


@pytest.fixture(scope="session")
def server(real_kubeconfig: str, crds: None) -> Server:
    return Server(real_kubeconfig)


@pytest.fixture(scope="session")
def guarded(
    real_kubeconfig: str,
    server: Server,
    shared_providers: KubernetesProviders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A namespace of a random name with accounts and admission policies that are in force."""
    namespace = f"guarded-{uuid.uuid4().hex[:8]}"
    engine = Engine(FileBackend(str(tmp_path_factory.mktemp("g"))), {"kubernetes": shared_providers})
    stack, config = StackRef("guards", namespace), {"kubernetes:kubeconfig": real_kubeconfig}

    def program() -> None:
        made = Namespace("namespace", metadata={"name": namespace})
        after = pulumi.ResourceOptions(depends_on=[made])
        Access("access", AccessArgs(namespace=made.metadata["name"]), after)
        ServiceAccount(
            "function", metadata={"name": "lambda-tp-p", "namespace": made.metadata["name"]}, opts=after
        )
        Admission("admission", AdmissionArgs(namespace=namespace, allowed_registries=REGISTRIES), after)

    engine.up(stack, program, config=config)
    token = server.token(namespace, "knative-lambda-builder")
    for component, made in (
        ("function", function_objects(namespace)[1]),
        ("build", build_objects(namespace)[1]),
    ):
        bad = changed(made, lambda spec: spec.update(hostPID=True))
        eventually(
            lambda bad=bad, component=component: f"{component} pod: namespaces" in refusal(server, bad)
        )
    wrong = relabelled(build_objects(namespace)[0], "none-of-ours")
    eventually(lambda: "object: pods labelled" in refusal(server, wrong, token))
    yield namespace
    engine.destroy(stack, config=config)
