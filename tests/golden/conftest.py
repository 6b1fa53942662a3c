"""Where golden stacks are put: the real API server, and the local platform's."""

import asyncio
import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from engine.kubernetes import KubernetesProviders
from engine.kubernetes.rest import Client
from local.apiserver import kinds
from local.apiserver.server import ApiServer
from local.apiserver.store import Store
from local.apiserver.tokens import Tokens
from tests.golden.program import placed
from tests.golden.site import Site, recorded


@dataclass
class Cluster:
    """An API server to put golden stacks on. `only` are the parts that it has kinds for, all if empty."""

    kubeconfig: str
    client: Client
    providers: KubernetesProviders
    only: tuple[str, ...] = ()


MakeSite = Callable[[], Site]


@pytest.fixture(scope="session")
def real_cluster(real_kubeconfig: str, shared_providers: KubernetesProviders, crds: None) -> Cluster:
    return Cluster(real_kubeconfig, _client(shared_providers, real_kubeconfig), shared_providers)


@pytest.fixture(scope="session")
def local_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    path, providers = tmp_path_factory.mktemp("local") / "kubeconfig", KubernetesProviders()
    with _serving() as server:
        path.write_text(json.dumps(server.kubeconfig()))
        yield Cluster(str(path), _client(providers, str(path)), providers, _local_parts())
        providers.close()


@pytest.fixture(
    scope="module",
    params=[pytest.param("real_cluster", marks=pytest.mark.cluster), "local_cluster"],
)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Each API server in turn; it is the one that $KUBECONFIG names."""
    found: Cluster = request.getfixturevalue(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", found.kubeconfig)
        yield found


@pytest.fixture(scope="module")
def make_site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSite]:
    """Make golden stacks on the cluster, each in a namespace of its own; they are gone afterwards."""
    with contextlib.ExitStack() as stack:

        def make() -> Site:
            folder, namespace = tmp_path_factory.mktemp("golden"), f"golden-{secrets.token_hex(4)}"
            site = Site(folder, cluster.client, cluster.providers, namespace, cluster.only)
            stack.callback(site.clear)
            other = {"metadata": {"name": placed("default", namespace)}}
            cluster.client.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", **other})
            return site

        yield make


def _client(providers: KubernetesProviders, kubeconfig: str) -> Client:
    provider = providers()
    provider.configure({"kubeconfig": kubeconfig})
    return provider._addressing.cluster().client


def _local_parts() -> tuple[str, ...]:
    """Return the parts whose kinds the local API server has."""
    return tuple(
        item["urn"].split("::")[-1]
        for item in recorded("created")
        if kinds.KINDS.named(item["outputs"]["apiVersion"], item["outputs"]["kind"])
    )


@contextlib.contextmanager
def _serving() -> Iterator[ApiServer]:
    """Run the local API server in a thread of its own."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    server = ApiServer(Store(), Tokens())

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.start())
        started.set()
        loop.run_forever()
        loop.run_until_complete(server.stop())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert started.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
