"""What all tests share: a real API server where there is one, with the operators' schemas."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from engine.kubernetes import KubernetesProviders
from engine.kubernetes.manifests import decode

SHARED = Path(__file__).parents[2] / "shared"
CRDS = (
    "knative-serving-service",
    "knative-eventing-trigger",
    "knative-eventing-broker",
    "knative-rabbitmq-brokerconfig",
    "rabbitmq-rabbitmqcluster",
    "rabbitmq-queues",
    "monitoring-servicemonitors",
    "monitoring-podmonitors",
    "monitoring-prometheusrules",
    "flux-notification-receivers",
)


@pytest.fixture(scope="session")
def real_kubeconfig() -> str:
    """The path of a real API server's kubeconfig; without one the test is skipped."""
    path = os.environ.get("KUBECONFIG") or _test_cluster()
    if not path or not Path(path).exists():
        pytest.skip("no real API server: set KUBECONFIG, or start ../shared/cluster with `cluster up`")
    clusters = yaml.safe_load(Path(path).read_text())["clusters"]
    address = clusters[0]["cluster"]["server"].split("//")[1].split("/")[0]
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        probe.settimeout(2)
        if probe.connect_ex((host, int(port or 443))) != 0:
            pytest.skip(f"the API server at {address} does not answer; start it with `cluster up`")
    return path


def _test_cluster() -> str | None:
    script = SHARED / "cluster" / "cluster"
    if not script.exists():
        return None
    return subprocess.run(
        [sys.executable, str(script), "kubeconfig"], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(scope="session")
def shared_providers() -> Iterator[KubernetesProviders]:
    """Kubernetes providers with one pool for the whole session."""
    providers = KubernetesProviders()
    yield providers
    providers.close()


@pytest.fixture(scope="session")
def crds(real_kubeconfig: str, shared_providers: KubernetesProviders) -> None:
    """The operators' CRDs in CRDS, established on the real API server (and left there)."""
    _install(CRDS, real_kubeconfig, shared_providers)


@pytest.fixture(scope="session")
def every_definition(real_kubeconfig: str, shared_providers: KubernetesProviders) -> None:
    """All CRDs of ../shared/crds, established on the real API server (and left there)."""
    names = [path.stem for path in (SHARED / "crds").glob("*.yaml")]
    _install(names, real_kubeconfig, shared_providers)


def _install(names: Iterable[str], kubeconfig: str, providers: KubernetesProviders) -> None:
    provider = providers()
    provider.configure({"kubeconfig": kubeconfig})
    urn = "urn:pulumi:t::t::kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition::crd"
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    present = {item["metadata"]["name"] for item in provider._addressing.cluster().client.list(path)["items"]}
    for name in names:
        (document,) = decode((SHARED / "crds" / f"{name}.yaml").read_text())
        if document["metadata"]["name"] not in present:
            provider.create(urn=urn, inputs=document, timeout=30)
