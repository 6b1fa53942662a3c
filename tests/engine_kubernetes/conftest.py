"""What the tests of the Kubernetes provider share: the golden run's data, a small API server, a real one."""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.kubernetes import KubernetesProvider, KubernetesProviders
from engine.values import Secret

from .certificates import Certificate
from .recorder import Recorder
from .tinyserver import TinyServer

HERE = Path(__file__).parent
SIGNATURE = "4dabf18193072939515e22adb298388d"


class Golden:
    """The golden program's inputs by part and edit, and the state after its first update, decrypted."""

    def __init__(self) -> None:
        self.program = json.loads((HERE / "golden" / "program.json").read_text())
        self._ciphers: dict[str, AESGCM] = {}
        self.resources = self.state("created")

    def state(self, name: str) -> dict[str, Any]:
        """Return the resources of a recorded state by part, with `Secret`s in place of ciphertexts."""
        state = json.loads((HERE / "golden" / f"{name}.json").read_text())
        cipher = self._cipher(state["secrets_providers"]["state"]["salt"].split(":")[1])
        return {item["urn"].split("::")[-1]: _opened(item, cipher) for item in state["resources"]}

    def inputs(self, part: str, edit: str | None = None) -> dict[str, Any]:
        """Return what the SDK registers for a part, with or without an edit."""
        source = self.program["edits"][f"{part}/{edit}"]["inputs"] if edit else self.program["parts"][part]
        return _with_secrets(source)

    def _cipher(self, salt: str) -> AESGCM:
        if salt not in self._ciphers:
            key = hashlib.pbkdf2_hmac("sha256", b"golden", base64.b64decode(salt), 1_000_000, 32)
            self._ciphers[salt] = AESGCM(key)
        return self._ciphers[salt]


def _opened(value: Any, cipher: AESGCM) -> Any:
    if isinstance(value, dict) and SIGNATURE in value:
        _, nonce, text = value["ciphertext"].split(":")
        plain = cipher.decrypt(base64.b64decode(nonce), base64.b64decode(text), None)
        return Secret(_opened(json.loads(plain), cipher))
    if isinstance(value, dict):
        return {key: _opened(item, cipher) for key, item in value.items()}
    if isinstance(value, list):
        return [_opened(item, cipher) for item in value]
    return value


def _with_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"secret"}:
            return Secret(value["secret"])
        return {key: _with_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_secrets(item) for item in value]
    return value


@pytest.fixture(scope="session")
def golden() -> Golden:
    return Golden()


@pytest.fixture
def server() -> Iterator[TinyServer]:
    with TinyServer() as server:
        yield server


@pytest.fixture
def localhost(tmp_path: Path) -> Certificate:
    """A certificate for 127.0.0.1 that is its own authority."""
    return Certificate(tmp_path, "localhost")


@pytest.fixture
def provider(server: TinyServer) -> Iterator[KubernetesProvider]:
    """A provider configured for the small API server."""
    providers = KubernetesProviders()
    provider = providers()
    provider.configure({"kubeconfig": server.kubeconfig()})
    yield provider
    providers.close()


@pytest.fixture
def real(real_kubeconfig: str, shared_providers: KubernetesProviders) -> KubernetesProvider:
    """A provider configured for the real API server."""
    provider = shared_providers()
    provider.configure({"kubeconfig": real_kubeconfig})
    return provider


@pytest.fixture
def recorder(real: KubernetesProvider) -> Iterator[Recorder]:
    """Takes down the requests to the real API server."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def namespace(real: KubernetesProvider) -> Iterator[str]:
    """A namespace of the test's own, gone (or going) afterwards."""
    client = real._addressing.cluster().client
    name = f"engine-test-{secrets.token_hex(4)}"
    client.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    client.delete(f"/api/v1/namespaces/{name}", {"propagationPolicy": "Background"})
