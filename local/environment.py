"""Brings the local environment up: the same program and stack file that `pulumi up -s local` would use.

The embedded engine applies it over the platform's API server; what is local about it (addresses on loopback,
the storage's keys) is stack configuration, nothing else.
"""

import json
import runpy
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from local.addresses import ACCESS_KEY, ENVIRONMENT, NAMESPACE, SECRET_KEY, Addresses

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "knative-lambda"
PASSPHRASE = "local"  # noqa: S105 - protects nothing: the state of an emulator, on its own disk
SERVICE_ACCOUNT = "knative-lambda-builder"
_TOKEN_SECONDS = 7 * 24 * 3600


def prepare() -> None:
    """Import what `up` needs: about a second of CPU that can pass while other parts start."""
    import components.platform  # noqa: F401
    import engine.kubernetes  # noqa: F401


def up(addresses: Addresses) -> dict[str, int]:
    """Create or update the environment's stack; returns the engine's counts, such as {"create": 24}.

    Afterwards the automation service's kubeconfig is in place, with its own account's token and rights.
    Raises engine.EngineError.
    """
    from engine import Engine, FileBackend, StackRef
    from engine.kubernetes import KubernetesProviders

    providers = KubernetesProviders()
    try:
        engine = Engine(
            FileBackend(f"{addresses.data}/state"), {"kubernetes": providers}, passphrase=PASSPHRASE
        )
        result = engine.up(
            StackRef(PROJECT, ENVIRONMENT),
            _program,
            config=_stack_file() | _loopback(addresses),
            secret_config={f"{PROJECT}:storageSecretAccessKey": SECRET_KEY},
        )
    finally:
        providers.close()
    _write_service_kubeconfig(addresses)
    return result.changes


def engine_name() -> str:
    """Return what the stack file names for the updates of functions; empty: the service's default."""
    return _stack_file().get(f"{PROJECT}:engine", "")


def _program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"))["main"]()


def _stack_file() -> dict[str, str]:
    values: dict[str, Any] = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{ENVIRONMENT}.yaml").read_text())
    return {key: str(value) for key, value in values["config"].items()}


def _loopback(addresses: Addresses) -> dict[str, str]:
    return {
        "kubernetes:kubeconfig": addresses.kubeconfig.read_text(),
        f"{PROJECT}:subscriberUri": f"{addresses.service}/",
        f"{PROJECT}:deadLetterUri": f"{addresses.eventing}/dead-letters",
        f"{PROJECT}:storageAccessKeyId": ACCESS_KEY,
    }


def _write_service_kubeconfig(addresses: Addresses) -> None:
    """Ask the API server for a token of the service's account, and write a kubeconfig around it."""
    config = json.loads(addresses.kubeconfig.read_text())
    admin = config["users"][0]["user"]["token"]
    request = urllib.request.Request(  # noqa: S310 - always http on loopback
        f"{addresses.api}/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{SERVICE_ACCOUNT}/token",
        data=json.dumps(
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": _TOKEN_SECONDS, "audiences": []},
            }
        ).encode(),
        headers={"Authorization": f"Bearer {admin}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        token = json.load(response)["status"]["token"]
    config["users"][0]["user"] = {"token": token}
    path = Path(addresses.data) / "service-kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
