"""The real API server, asked directly, and what a stack's state says was declared on it."""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from engine import Engine, FileBackend, StackRef

Manifest = dict[str, Any]


def declared_objects(backend: Path, stack: StackRef) -> list[Manifest]:
    """The objects that a stack's state says were declared."""
    records = Engine(FileBackend(str(backend)), {}).resources(stack)
    return [record.inputs for record in records if "apiVersion" in record.inputs]


class Refused(Exception):
    """The server's answer was an error; the text is its message with all causes."""


class Server:
    """A kubeconfig's API server."""

    def __init__(self, kubeconfig: str) -> None:
        self.config: Manifest = yaml.safe_load(Path(kubeconfig).read_text())
        self._server = self.config["clusters"][0]["cluster"]["server"]
        self._token = self.config["users"][0]["user"]["token"]
        self._trust = ssl._create_unverified_context()

    def call(self, path: str, body: Manifest | None = None, token: str = "") -> Manifest:
        """GET the path, or POST the body to it. Raises Refused."""
        return self._send("POST" if body else "GET", path, body, token)

    def patch(self, path: str, change: Manifest) -> Manifest:
        """Merge a change into the object at the path. Raises Refused."""
        return self._send("PATCH", path, change)

    def merge(self, path: str, change: Manifest) -> Manifest:
        """Do as `patch`, for custom resources too. Raises Refused."""
        return self._send("PATCH", path, change, kind="application/merge-patch+json")

    def apply(self, manifest: Manifest, manager: str) -> Manifest:
        """Apply an object as `kubectl apply --server-side` does, with strict validation. Raises Refused."""
        path = f"{path_of(manifest)}?fieldManager={manager}&fieldValidation=Strict"
        return self._send("PATCH", path, manifest, kind="application/apply-patch+yaml")

    def delete(self, path: str) -> None:
        """Delete the object at the path. Raises Refused."""
        self._send("DELETE", path, None)

    def _send(
        self, method: str, path: str, body: Manifest | None, token: str = "", kind: str = ""
    ) -> Manifest:
        merge = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(
            self._server + path,
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"Bearer {token or self._token}", "Content-Type": kind or merge},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=10, context=self._trust) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.read().decode()) from error

    def token(self, namespace: str, account: str) -> str:
        """A token of a service account, good for an hour."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.call(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"])

    def would_create(self, manifest: Manifest, token: str = "") -> Manifest:
        """Let the server check an object strictly, unknown fields included; nothing is created."""
        query = "?dryRun=All&fieldValidation=Strict"
        return self.call(f"{collection_of(manifest)}{query}", manifest, token)

    def accepts(self, manifest: Manifest) -> None:
        """Check an object that exists already under another name."""
        name = manifest["metadata"]["name"][:40] + "-strict"
        self.would_create({**manifest, "metadata": {**manifest["metadata"], "name": name}})

    def exists(self, path: str) -> bool:
        """Say whether there is an object at the path."""
        try:
            self.call(path)
        except Refused as error:
            if '"reason":"NotFound"' in str(error):
                return False
            raise
        return True


def refusal(server: Server, manifest: Manifest, token: str = "") -> str:
    """The server's reasons against an object; empty if it would take it."""
    try:
        server.would_create(manifest, token)
    except Refused as error:
        return str(error)
    return ""


def eventually(probe: Callable[[], Any], seconds: float = 60) -> Any:
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)
    return answer


def path_of(manifest: Manifest) -> str:
    """Where an object is."""
    return f"{collection_of(manifest)}/{manifest['metadata']['name']}"


def collection_of(manifest: Manifest) -> str:
    """Where all objects of its kind are, in its namespace."""
    group, namespace = manifest["apiVersion"], manifest["metadata"].get("namespace")
    root = f"/apis/{group}" if "/" in group else f"/api/{group}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{plural_of(manifest['kind'])}"


def plural_of(kind: str) -> str:
    """The name of a kind in paths."""
    return kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s"
