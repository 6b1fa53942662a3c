"""What `manifests` writes is what the stack made: applied to a cluster without it, the same objects come."""

import copy
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pulumi import ResourceOptions

from components.access import Access, AccessArgs
from components.admission import Admission, AdmissionArgs
from components.broker import Broker, BrokerArgs
from components.capacity import CAPACITIES
from components.declare import custom
from components.function import FunctionArgs, FunctionComponent
from components.network import Network, NetworkArgs
from components.quotas import Quotas, QuotasArgs
from components.settings import EVENT_TYPES
from engine import Engine, FileBackend, Options, StackRef
from engine.kubernetes import KubernetesProviders
from engine.kubernetes.export import KUSTOMIZATION, export
from tests.cluster.pods import REGISTRIES
from tests.cluster.server import Manifest, Server, path_of

pytestmark = pytest.mark.cluster


def environment(namespace: str) -> None:
    """What every environment has: accounts, quotas, policies of all kinds, the Broker with its Triggers."""
    Access("access", AccessArgs(namespace=namespace))
    triggers = len(EVENT_TYPES)
    Quotas("quotas", QuotasArgs(namespace=namespace, capacity=CAPACITIES["dev"], triggers=triggers))
    Network("network", NetworkArgs(namespace=namespace, broker_name="b", rabbitmq_namespace="r"))
    Admission("admission", AdmissionArgs(namespace=namespace, allowed_registries=REGISTRIES))
    broker = BrokerArgs(
        broker_name="b",
        namespace=namespace,
        rabbitmq_cluster="c",
        rabbitmq_namespace="r",
        event_types=EVENT_TYPES,
    )
    Broker("broker", broker)


def function(namespace: str) -> None:
    """A function as its own stack has it."""
    digest = "a" * 64
    args = FunctionArgs(
        function_name="lambda-tp-p",
        namespace=namespace,
        third_party_id="tp",
        parser_id="p",
        image=f"registry.test/knative-lambdas@sha256:{digest}",
        broker="b",
        broker_url="http://b",
    )
    FunctionComponent("function", args)


def namespace_of(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def said(live: Manifest) -> Manifest:
    """What an object says, without who wrote it when, and without what controllers found."""
    kept = copy.deepcopy({key: value for key, value in live.items() if key != "status"})
    for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"):
        kept["metadata"].pop(key, None)
    return kept


@pytest.mark.parametrize(("declare", "count"), [(environment, 44), (function, 4)])
def test_exported_manifests_make_the_stacks_objects_and_the_stack_takes_them_for_its_own(
    real_kubeconfig: str,
    server: Server,
    shared_providers: KubernetesProviders,
    tmp_path: Path,
    declare: Callable[[str], None],
    count: int,
) -> None:
    namespace = f"exported-{uuid.uuid4().hex[:8]}"
    engine = Engine(FileBackend(str(tmp_path)), {"kubernetes": shared_providers})
    config = {"kubernetes:kubeconfig": real_kubeconfig}
    space, stack = StackRef("exported", "space"), StackRef("exported", "dev")

    def program() -> None:
        declare(namespace)

    engine.up(space, lambda: custom("space", namespace_of(namespace), ResourceOptions()), config=config)
    engine.up(stack, program, config=config)
    recorded = engine.export(stack)
    exported = export(recorded["deployment"], stack="dev")
    documents = [yaml.safe_load(text) for name, text in exported.files.items() if name != KUSTOMIZATION]
    by_the_stack = [said(server.call(path_of(document))) for document in documents]
    engine.destroy(stack, config=config)

    engine.import_deployment(stack, recorded)
    try:
        for document in documents:
            server.apply(document, "gitops")
        by_the_manifests = [said(server.call(path_of(document))) for document in documents]
        refreshed = engine.refresh(stack, config=config).changes
        after = engine.up(stack, program, config=config).changes
    finally:
        engine.destroy(stack, config=config, options=Options(refresh=True))
        engine.destroy(space, config=config)

    assert exported.left_out == ()
    assert len(documents) == count
    assert by_the_manifests == by_the_stack
    assert after.keys() == {"same"}
    assert "delete" not in refreshed
    assert not server.exists(f"/api/v1/namespaces/{namespace}")
