"""The environment and a function's whole life against a real API server, with the operators' real schemas.

No operator and no node run there: what is proved is that every object is accepted as it is, that the
service's own account has the rights that it needs, that nothing changes twice and nothing is left behind.
"""

import asyncio
import datetime
import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from automation.adapters import engines, wrappers
from automation.adapters.kubernetes_builds import KubernetesBuilds
from automation.adapters.kubernetes_functions import KubernetesFunctions
from automation.adapters.memory import MemoryStore
from automation.app import Automation, assemble
from automation.events import BuildComplete, BuildStart, Event, EventMeta, FunctionId, ServiceDelete
from automation.reconciliation import BuildObjects, finding
from automation.settings import AutomationSettings
from components import naming
from engine import Engine, FileBackend, StackRef
from engine.kubernetes import KubernetesProviders
from tests.cluster.server import Server, declared_objects

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
needs_cli = pytest.mark.skipif(
    not (shutil.which("pulumi") and shutil.which("pulumi-resource-kubernetes")),
    reason="needs Pulumi's CLI and its Kubernetes plugin on the PATH",
)
NAMESPACE = naming.namespace("dev")
FUNCTION = FunctionId("tp1", "p1")
PATHS = {
    "jobs": "/apis/batch/v1",
    "services": "/apis/serving.knative.dev/v1",
    "triggers": "/apis/eventing.knative.dev/v1",
    "configmaps": "/api/v1",
    "serviceaccounts": "/api/v1",
}


class Cluster(Server):
    """The API server, with questions about the environment's namespace."""

    def of_function(self, plural: str) -> list[dict[str, Any]]:
        labels = "build.notifi.network%2Fparser-id%3Dp1"
        return self.call(f"{PATHS[plural]}/namespaces/{NAMESPACE}/{plural}?labelSelector={labels}")["items"]

    def as_account(self, name: str, target: Path) -> str:
        """Write a kubeconfig with the account's own token and return its path."""
        token = self.token(NAMESPACE, name)
        target.write_text(json.dumps({**self.config, "users": [{"name": "admin", "user": {"token": token}}]}))
        return str(target)


@pytest.fixture(scope="module")
def cluster(real_kubeconfig: str, every_definition: None) -> Cluster:
    return Cluster(real_kubeconfig)


@pytest.fixture(scope="module")
def environment(real_kubeconfig: str, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory):
    """The environment's stack, up; destroyed afterwards. Yields a function that updates it once more."""
    providers = KubernetesProviders()
    engine = Engine(FileBackend(str(tmp_path_factory.mktemp("platform"))), {"kubernetes": providers})
    stack, config = StackRef("knative-lambda", "dev"), {"kubernetes:kubeconfig": real_kubeconfig}

    def up(functions_by: str = "embedded") -> dict[str, int]:
        program = runpy.run_path(str(ROOT / "__main__.py"))["main"]
        values = {
            "knative-lambda:environment": "dev",
            "knative-lambda:engine": functions_by,
            "knative-lambda:storageEndpoint": "http://minio.storage.svc:9000",
            "knative-lambda:registryAddress": "registry.test",
            # Of these a cluster has one, and others test on this one as well.
            "knative-lambda:knativeManaged": "false",
            "knative-lambda:tlsEnabled": "false",
        }
        return engine.up(stack, program, config={**config, **values}).changes

    up()
    yield up
    engine.destroy(stack, config=config)
    providers.close()


@pytest_asyncio.fixture(params=["embedded", pytest.param("automation-api", marks=needs_cli)])
async def automation(
    request: pytest.FixtureRequest, cluster: Cluster, environment: Callable[[str], object], tmp_path: Path
):
    """The automation as it runs in a cluster: with its own account's token and nobody else's."""
    await asyncio.to_thread(environment, request.param)
    settings = AutomationSettings(
        environment="dev",
        engine=request.param,
        backend_url=f"file://{tmp_path}/state",
        kubeconfig=cluster.as_account("knative-lambda-builder", tmp_path / "kubeconfig"),
        registry="registry.test",
        executor_image="registry.test/kaniko:1",
        monitor_image="registry.test/monitor:1",
    )
    store = MemoryStore(settings.context_bucket)
    code = b"def handler(event):\n    return {}\n"
    store.objects[settings.source_bucket, "global/parser/p1/parser.py"] = code
    files = wrappers.read_all(settings.runtimes_folder)
    observers = (KubernetesBuilds(settings), KubernetesFunctions(settings))
    automation = assemble(settings, engines.create(settings), store, files, *observers)
    yield automation
    await automation.close(10)


def meta(number: int) -> EventMeta:
    now = datetime.datetime.now(datetime.UTC)
    return EventMeta(id=f"e{number}", source="test", type="test", time=now, correlation_id="c1")


def test_a_second_update_of_the_environment_changes_nothing(
    environment: Callable[[], dict[str, int]],
) -> None:
    assert environment().keys() == {"same"}


async def test_builds_are_found_on_the_cluster_with_the_services_own_rights(
    automation: Automation, cluster: Cluster, tmp_path: Path
) -> None:
    started = await automation.handle(BuildStart(meta=meta(1), function=FUNCTION))
    observer = KubernetesBuilds(
        AutomationSettings(
            environment="dev",
            backend_url=f"file://{tmp_path}/state",
            kubeconfig=cluster.as_account("knative-lambda-builder", tmp_path / "observer"),
            registry="registry.test",
            executor_image="registry.test/kaniko:1",
            monitor_image="registry.test/monitor:1",
        )
    )
    try:
        builds = await asyncio.to_thread(observer.builds)
        late = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
        assert [build.job["metadata"]["name"] for build in builds] == [started.fields["job_name"]]
        assert finding(BuildObjects(builds[0].job, ()), late) is None
        failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too late"}
        told = BuildObjects({**builds[0].job, "status": {"conditions": [failed]}}, ())
        found = finding(told, late)
        assert found is None, "it ended this moment"
        failed["lastTransitionTime"] = started_at(builds[0].job)
        found = finding(told, late)
        assert found is not None
        assert found.function == FUNCTION
        assert found.build.image_uri == started.fields["image_uri"]
        assert found.verdict.diagnosis is not None
        assert found.verdict.diagnosis.reason == "deadline"
    finally:
        observer.close()
        await automation.handle(ServiceDelete(meta=meta(2), function=FUNCTION))


def started_at(job: dict[str, Any]) -> str:
    return str(job["metadata"]["creationTimestamp"])


async def test_a_functions_whole_life(automation: Automation, cluster: Cluster, tmp_path: Path) -> None:
    async def send(event: Event) -> Any:
        return await automation.handle(event)

    started = await send(BuildStart(meta=meta(1), function=FUNCTION))
    assert started.status == "started"
    assert [job["metadata"]["name"] for job in cluster.of_function("jobs")] == [started.fields["job_name"]]

    done = BuildComplete(
        meta=meta(2),
        function=FUNCTION,
        image_uri=str(started.fields["image_uri"]),
        image_digest="sha256:" + "a" * 64,
        content_hash=str(started.fields["content_hash"]),
        job_name=str(started.fields["job_name"]),
        build_id=str(started.fields["build_id"]),
    )
    assert (await send(done)).status == "service_created"
    for plural in ("services", "triggers", "configmaps", "serviceaccounts"):
        assert len(cluster.of_function(plural)) == 1, plural
    declared = declared_objects(
        tmp_path / "state", StackRef("knative-lambda-functions", naming.stack_name("tp1", "p1"))
    )
    assert {item["kind"] for item in declared} == {"Job", "Service", "Trigger", "ConfigMap", "ServiceAccount"}
    for manifest in declared:
        cluster.accepts(manifest)
    image = cluster.of_function("services")[0]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "registry.test/knative-lambdas@sha256:" + "a" * 64

    assert (await send(ServiceDelete(meta=meta(3), function=FUNCTION))).status == "deleted"
    assert {plural: cluster.of_function(plural) for plural in PATHS} == {plural: [] for plural in PATHS}
