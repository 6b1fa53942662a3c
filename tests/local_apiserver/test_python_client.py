"""The `kubernetes` package from PyPI against the local server, over HTTPS with its certificate verified."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_apiserver.client import Api

kubernetes = pytest.importorskip("kubernetes")
client, config, dynamic, watch = kubernetes.client, kubernetes.config, kubernetes.dynamic, kubernetes.watch


@pytest.fixture
def connected(kubeconfig: Path) -> Iterator["kubernetes.client.ApiClient"]:
    with config.new_client_from_config(config_file=str(kubeconfig)) as api_client:
        yield api_client
        api_client.rest_client.pool_manager.clear()


@pytest.fixture
def core(connected) -> "kubernetes.client.CoreV1Api":
    return client.CoreV1Api(connected)


def _configmap(name: str, **data: str):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def test_objects_go_through_the_typed_client(core, local_api: Api):
    namespace = local_api.namespace
    created = core.create_namespaced_config_map(namespace, _configmap("a", k="1"))
    assert created.metadata.creation_timestamp.tzinfo is not None

    core.patch_namespaced_config_map("a", namespace, {"data": {"k": "2"}})
    assert core.read_namespaced_config_map("a", namespace).data == {"k": "2"}
    names = [item.metadata.name for item in core.list_namespaced_config_map(namespace).items]
    assert names == ["a", "kube-root-ca.crt"]

    core.delete_namespaced_config_map("a", namespace)
    with pytest.raises(client.ApiException, match='configmaps \\\\"a\\\\" not found') as caught:
        core.read_namespaced_config_map("a", namespace)
    assert caught.value.status == 404


def test_jobs_come_back_typed_with_their_defaults(connected, local_api: Api):
    batch = client.BatchV1Api(connected)
    container = client.V1Container(
        name="c", image="x:1", resources=client.V1ResourceRequirements(limits={"cpu": "1"})
    )
    pod = client.V1PodTemplateSpec(spec=client.V1PodSpec(restart_policy="Never", containers=[container]))
    body = client.V1Job(metadata=client.V1ObjectMeta(name="j"), spec=client.V1JobSpec(template=pod))

    job = batch.create_namespaced_job(local_api.namespace, body)

    assert job.spec.backoff_limit == 6
    assert job.spec.selector.match_labels == {"batch.kubernetes.io/controller-uid": job.metadata.uid}
    assert batch.read_namespaced_job_status("j", local_api.namespace).status.succeeded is None


def test_the_watch_helper_yields_typed_events(core, local_api: Api):
    namespace = local_api.namespace
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, _configmap("a", k="1"))
    core.delete_namespaced_config_map("a", namespace)

    events = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=1
    )

    assert [(event["type"], event["object"].metadata.name) for event in events] == [
        ("ADDED", "a"),
        ("DELETED", "a"),
    ]


def test_custom_objects_go_through_the_dynamic_client(connected, local_api: Api, tmp_path: Path):
    cache = tmp_path / "discovery.json"
    resource = dynamic.DynamicClient(connected, cache_file=str(cache)).resources.get(
        api_version="serving.knative.dev/v1", kind="Service"
    )
    body = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "fn"},
        "spec": {"template": {"spec": {"containers": [{"image": "fn:1"}]}}},
    }

    resource.server_side_apply(body=body, namespace=local_api.namespace, field_manager="one")

    found = resource.get(name="fn", namespace=local_api.namespace)
    assert found.spec.traffic[0].latestRevision is True
    assert found.metadata.managedFields[0].manager == "one"


def test_logs_can_be_read(core, local_api: Api, running):
    async def logs(namespace: str, pod: str, container: str, follow: bool):
        yield b"hello\n"

    spec = {"containers": [{"name": "main", "image": "x:1"}]}
    core.create_namespaced_pod(local_api.namespace, {"metadata": {"name": "p"}, "spec": spec})
    local_api.patch("pods/p/status", {"status": {"phase": "Running"}})
    running.server.logs = logs
    try:
        assert core.read_namespaced_pod_log("p", local_api.namespace) == "hello\n"
    finally:
        running.server.logs = None
