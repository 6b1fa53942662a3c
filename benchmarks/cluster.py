"""The API server that a benchmark works on: KUBECONFIG, else ../shared/cluster; without one it says so."""

import contextlib
import functools
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from engine.kubernetes.config import Source, connect
from engine.kubernetes.manifests import decode
from engine.kubernetes.rest import ApiError, Client

SHARED: Final = Path(__file__).parents[2] / "shared"
_CRDS: Final = {
    "services.serving.knative.dev": "knative-serving-service",
    "triggers.eventing.knative.dev": "knative-eventing-trigger",
}
_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_NAMESPACES: Final = "/api/v1/namespaces"


@dataclass(frozen=True)
class Cluster:
    """A cluster that knows Knative's kinds, and a namespace for one benchmark."""

    kubeconfig: str
    namespace: str


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Prepare a namespace of its own and take it away afterwards. SystemExit where there is no cluster."""
    path = os.environ.get("KUBECONFIG") or _test_cluster()
    target = Cluster(kubeconfig=path, namespace=f"bench-{secrets.token_hex(4)}")
    client = Client(functools.partial(connect, Source(kubeconfig=path)))
    _install_crds(client)
    client.create(_NAMESPACES, {"metadata": {"name": target.namespace}})
    try:
        yield target
    finally:
        client.delete(f"{_NAMESPACES}/{target.namespace}", {})
        client.close()


def install_definitions(target: Cluster) -> None:
    """Make all kinds of ../shared/crds known to the cluster; without that folder it has to know them."""
    client = Client(functools.partial(connect, Source(kubeconfig=target.kubeconfig)))
    present = {item["metadata"]["name"] for item in client.list(_DEFINITIONS)["items"]}
    for source in sorted((SHARED / "crds").glob("*.yaml")):
        (document,) = decode(source.read_text())
        name = document["metadata"]["name"]
        if name not in present:
            client.create(_DEFINITIONS, document)
            _wait_until_established(client, name)
    client.close()


def _test_cluster() -> str:
    script = SHARED / "cluster" / "cluster"
    if script.exists():
        command = [sys.executable, str(script), "kubeconfig"]
        path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        if Path(path).exists():
            return path
    raise SystemExit(
        "no API server to measure on: set KUBECONFIG, or start one with ../shared/cluster/cluster up"
    )


def _install_crds(client: Client) -> None:
    """Make Knative's kinds known where they are not; they stay, as they do after the tests."""
    present = {item["metadata"]["name"] for item in client.list(_DEFINITIONS)["items"]}
    for name, file in _CRDS.items():
        if name in present:
            continue
        source = SHARED / "crds" / f"{file}.yaml"
        if not source.exists():
            raise SystemExit(f"the cluster does not know {name}: install Knative on it")
        client.create(_DEFINITIONS, yaml.safe_load(source.read_text()))
        _wait_until_established(client, name)


def _wait_until_established(client: Client, name: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        conditions = client.get(f"{_DEFINITIONS}/{name}").get("status", {}).get("conditions", [])
        if any(item["type"] == "Established" and item["status"] == "True" for item in conditions):
            return
        time.sleep(0.05)
    raise ApiError(504, "Timeout", f"{name} was not established within 30 s")
