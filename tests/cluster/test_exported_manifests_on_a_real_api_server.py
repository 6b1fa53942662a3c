"""What `manifests` writes is what the stack made: applied to a cluster without it, the same objects come."""

import copy
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pulumi_kubernetes.core.v1 import Namespace

from components.access import Access, AccessArgs
from components.admission import Admission, AdmissionArgs
from components.broker import Broker, BrokerArgs
from components.capacity import CAPACITIES
from components.network import Network, NetworkArgs
from components.quotas import Quotas, QuotasArgs
from components.settings import EVENT_TYPES
from engine import Engine, FileBackend, Options, StackRef
from engine.kubernetes import KubernetesProviders
from engine.kubernetes.export import KUSTOMIZATION, export
from tests.cluster.pods import REGISTRIES
from tests.cluster.server import Manifest, Server, path_of

pytestmark = pytest.mark.cluster


def environment(namespace: str) -> Callable[[], None]:
    """Everything that an environment has, in a namespace of its own."""

    def program() -> None:
        made = Namespace("namespace", metadata={"name": namespace}).metadata["name"]
        Access("access", AccessArgs(namespace=made))
        triggers = len(EVENT_TYPES)
        Quotas("quotas", QuotasArgs(namespace=made, capacity=CAPACITIES["dev"], triggers=triggers))
        Network("network", NetworkArgs(namespace=made, broker_name="b", rabbitmq_namespace="r"))
        Admission("admission", AdmissionArgs(namespace=namespace, allowed_registries=REGISTRIES))
        broker = BrokerArgs(
            broker_name="b",
            namespace=made,
            rabbitmq_cluster="c",
            rabbitmq_namespace="r",
            event_types=EVENT_TYPES,
        )
        Broker("broker", broker)

    return program


def said(live: Manifest) -> Manifest:
    """What an object says, without who wrote it when, and without what controllers found."""
    kept = copy.deepcopy({key: value for key, value in live.items() if key != "status"})
    for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"):
        kept["metadata"].pop(key, None)
    return kept


def test_exported_manifests_make_the_stacks_objects_and_the_stack_takes_them_for_its_own(
    real_kubeconfig: str, server: Server, shared_providers: KubernetesProviders, tmp_path: Path
) -> None:
    namespace = f"exported-{uuid.uuid4().hex[:8]}"
    engine = Engine(FileBackend(str(tmp_path)), {"kubernetes": shared_providers})
    stack, config = StackRef("exported", "dev"), {"kubernetes:kubeconfig": real_kubeconfig}
    program = environment(namespace)
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

    assert exported.left_out == ()
    assert len(documents) == 38
    assert by_the_manifests == by_the_stack
    assert after.keys() == {"same"}
    assert "delete" not in refreshed
    assert not server.exists(f"/api/v1/namespaces/{namespace}")
