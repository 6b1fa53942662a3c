"""Which of our pods the API server's own `restricted` standard takes: all but Kaniko's (decisions/0004)."""

import re
import uuid
from collections.abc import Iterator

import pytest

from components.capacity import CAPACITIES
from components.manifests import service
from components.service import ServiceArgs
from tests.cluster.pods import build_objects, function_objects, pod
from tests.cluster.server import Manifest, Server, eventually, refusal

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def strict(server: Server) -> Iterator[str]:
    """A namespace that enforces the standard."""
    name = f"strict-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    server.call("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    eventually(lambda: server.exists(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    yield name
    server.delete(f"/api/v1/namespaces/{name}")


def service_pod(namespace: str) -> Manifest:
    args = ServiceArgs(
        namespace=namespace,
        environment="prd",
        capacity=CAPACITIES["prd"],
        image="registry.test/service:1",
        broker_name="broker",
        registry="registry.test",
        repository="functions",
        cache_repository="layers",
        source_bucket="code",
        context_bucket="contexts",
        state_url="s3://states",
        variables={"KANIKO_IMAGE": "registry.test/kaniko:1"},
        region="us-west-2",
    )
    template = service.deployment(args)["spec"]["template"]
    return pod(namespace, "service", template["metadata"]["labels"], template["spec"])


def as_default(made: Manifest) -> Manifest:
    """The same pod under the one account that the namespace has."""
    return {**made, "spec": {**made["spec"], "serviceAccountName": "default"}}


def test_the_services_and_the_functions_pods_are_restricted(server: Server, strict: str) -> None:
    assert refusal(server, as_default(service_pod(strict))) == ""
    assert refusal(server, as_default(function_objects(strict)[1])) == ""


def test_of_a_builds_pod_only_the_executor_is_not(server: Server, strict: str) -> None:
    refused = refusal(server, as_default(build_objects(strict)[1]))

    assert 'violates PodSecurity \\"restricted:latest\\"' in refused
    assert set(re.findall(r'container \\"([\w-]+)\\"', refused)) == {"kaniko"}
