"""Whole environments on a real API server: deployed, checked, changed, destroyed; and what fits into them."""

import copy
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.platform import Platform
from components.settings import PlatformSettings
from engine import Engine, FileBackend, StackRef
from engine.kubernetes import KubernetesProviders
from tests.cluster.pods import REGISTRIES, build_objects, function_objects
from tests.cluster.server import Server, declared_objects, eventually, refusal

pytestmark = pytest.mark.cluster

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


ELSEWHERE = {
    "storageEndpoint": "http://minio.storage.svc:9000",
    "registryAddress": REGISTRIES[0],
    "allowedRegistries": ",".join(REGISTRIES),
    "buildExecutorImage": f"{REGISTRIES[0]}/kaniko:1",
}
"""Nothing is in AWS: that is the business of another module here."""


@dataclass(frozen=True)
class Environment:
    namespace: str
    up: Callable[..., dict[str, int]]
    destroy: Callable[[], object]
    state: Path
    stack: StackRef
    own: str
    """What the names of its namespaces end in that are not named for it."""


@pytest.fixture(scope="module")
def authorities(server: Server) -> Iterator[str]:
    """The namespace that cert-manager would have, made by whoever installs it."""
    name = f"authorities-{uuid.uuid4().hex[:8]}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    server.call("/api/v1/namespaces", namespace)
    yield name
    server.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module", params=["stg", "prd"])
def environment(
    request: pytest.FixtureRequest,
    real_kubeconfig: str,
    server: Server,
    every_definition: None,
    authorities: str,
    shared_providers: KubernetesProviders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Environment]:
    """An environment's stack, up; destroyed afterwards. What a cluster has once is elsewhere than usual."""
    own = uuid.uuid4().hex[:8]
    state = tmp_path_factory.mktemp(request.param)
    engine = Engine(FileBackend(str(state)), {"kubernetes": shared_providers})
    namespace = f"{request.param}-{own}"
    stack, config = StackRef("knative-lambda", request.param), {"kubernetes:kubeconfig": real_kubeconfig}

    def up(**settings: str) -> dict[str, int]:
        given = PlatformSettings.parse(
            {
                "environment": request.param,
                "namespace": namespace,
                **ELSEWHERE,
                "rabbitmqNamespace": f"rabbitmq-{own}",
                "servingNamespace": f"serving-{own}",
                "knativeEventingNamespace": f"eventing-{own}",
                "tlsAuthorityNamespace": authorities,
                **settings,
            }
        )
        return engine.up(stack, lambda: Platform("platform", given), config=config).changes

    def destroy() -> object:
        return engine.destroy(stack, config=config)

    try:
        up()
        yield Environment(namespace, up, destroy, state, stack, own)
    finally:  # an update that failed half way has left things as well
        destroy()


def test_every_object_of_an_environment_passes_strict_validation(
    server: Server, environment: Environment
) -> None:
    objects = declared_objects(environment.state, environment.stack)

    assert len(objects) == 97
    for manifest in objects:
        server.accepts(manifest)


def test_a_second_update_changes_nothing_and_a_setting_updates_in_place(environment: Environment) -> None:
    assert environment.up().keys() == {"same"}
    # The quota; the policies of builds, the service and RabbitMQ; Knative Serving; RabbitMQ and its monitor.
    changed = {
        "quotaPods": "33",
        "apiServerCidr": "10.0.0.0/24",
        "knativeIngress": "istio",
        "tlsOnly": "true",
    }
    assert environment.up(**changed) | {"same": 0} == {"same": 0, "update": 7}
    assert environment.up() | {"same": 0} == {"same": 0, "update": 7}


def test_secrets_from_a_store_pass_strict_validation_and_none_is_made_here(
    server: Server, environment: Environment
) -> None:
    stored = {"secretsStore": "vault", "secretsStored": "storage,state,registry,rabbitmq"}
    environment.up(**stored)
    objects = declared_objects(environment.state, environment.stack)
    environment.up()

    for manifest in objects:
        server.accepts(manifest)
    kinds = [manifest["kind"] for manifest in objects]
    assert kinds.count("ExternalSecret") == 7
    assert "Secret" not in kinds


def test_an_environment_without_knative_eventing_passes_strict_validation_and_has_none_of_it(
    server: Server, environment: Environment
) -> None:
    environment.up(eventingDelivery="amqp")
    objects = declared_objects(environment.state, environment.stack)
    environment.up()

    for manifest in objects:
        server.accepts(manifest)
    eventing = ("eventing.knative.dev/", "sources.knative.dev/")
    assert [one["kind"] for one in objects if one["apiVersion"].startswith(eventing)] == []
    assert "KnativeEventing" not in {one["kind"] for one in objects}
    assert "knative-lambda-consumer" in {
        one["metadata"]["name"] for one in objects if one["kind"] == "Deployment"
    }


def test_our_pods_fit_into_an_environment_with_all_its_guards(
    server: Server, environment: Environment
) -> None:
    """Quota, defaults, pod security level and admission policies together, on pods as Knative makes them."""
    namespace = environment.namespace
    made = copy.deepcopy(function_objects(namespace)[1])
    made["spec"]["serviceAccountName"] = "default"

    eventually(lambda: refusal(server, made) == "")
    assert refusal(server, build_objects(namespace)[1]) == ""
    sidecar = server.would_create(made)["spec"]["containers"][1]["resources"]
    assert sidecar == {
        "limits": {"cpu": "200m", "memory": "128Mi"},
        "requests": {"cpu": "25m", "memory": "64Mi"},
    }


def test_nothing_leaves_the_cluster_through_a_service_of_its_own(
    server: Server, environment: Environment
) -> None:
    namespace = environment.namespace
    exposed = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "open", "namespace": namespace},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }

    assert "exceeded quota: knative-lambda-quota" in eventually(lambda: refusal(server, exposed))


def test_destroy_leaves_nothing(server: Server, environment: Environment) -> None:
    """And what was destroyed can be made again, which is what the other tests need of this one."""
    namespace = environment.namespace
    left = [f"/api/v1/namespaces/{namespace}"]
    left += [f"/api/v1/namespaces/{made}-{environment.own}" for made in ("rabbitmq", "serving", "eventing")]
    left += [f"/apis/cert-manager.io/v1/clusterissuers/{namespace}"]
    left += [
        f"{path}/{namespace}-{name}"
        for path in (POLICIES, BINDINGS)
        for name in ("functions", "builds", "labels")
    ]
    assert all(server.exists(path) for path in left)

    environment.destroy()

    remaining = [path for path in left if server.exists(path)]
    environment.up()
    assert remaining == []


def test_a_function_beyond_the_quota_is_refused_with_the_quotas_name(
    server: Server, environment: Environment
) -> None:
    namespace = environment.namespace
    service = function_objects(namespace)[0]
    environment.up(quotaFunctions="1")
    server.call(f"/apis/serving.knative.dev/v1/namespaces/{namespace}/services", service)
    second = {**service, "metadata": {**service["metadata"], "name": "second"}}

    refused = eventually(lambda: refusal(server, second))

    assert "exceeded quota: knative-lambda-quota" in refused
    assert "count/services.serving.knative.dev" in refused
    environment.up()
    assert eventually(lambda: refusal(server, second) == "")
