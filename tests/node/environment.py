"""An environment that is up, asked and told things."""

import contextlib
import json
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from components import naming
from tests.cluster.pods import pod
from tests.cluster.server import Server, eventually
from tests.node.relay import Delivered, Relay

TOKEN = "a token of the tests"
"""What the service lets read."""
IDS = "build.notifi.network%2Fparser-id"


@dataclass(frozen=True)
class Environment:
    """Its namespace, and how to get at what is in and around it."""

    namespace: str
    server: Server
    relay: Relay
    storage: Any

    def put_code(self, parser: str, **files: str) -> None:
        """Put a parser's files where the service looks for them; `parser_py` is parser.py."""
        for name, text in files.items():
            key = naming.source_prefix(parser) + name.replace("_", ".")
            self.storage.put_object(Bucket=naming.source_bucket("dev"), Key=key, Body=text.encode())

    def send(self, type_: str, parser: str) -> dict[str, Any]:
        """Post an event to the service's Service; return the answer."""
        return self.post(self.relay.target, type_, parser, {"third_party_id": "tp", "parser_id": parser})

    def post(self, url: str, type_: str, parser: str, data: dict[str, Any]) -> dict[str, Any]:
        headers = {
            "Content-Type": "application/json",
            "Ce-Specversion": "1.0",
            "Ce-Id": uuid.uuid4().hex,
            "Ce-Type": f"network.notifi.lambda.{type_}",
            "Ce-Source": "network.notifi.tp",
            "Ce-Subject": parser,
        }
        request = urllib.request.Request(url, json.dumps(data).encode(), headers)
        with urllib.request.urlopen(request, timeout=40) as response:
            return json.load(response)

    def read(self, path: str) -> dict[str, Any]:
        """What the service tells a holder of the token."""
        request = urllib.request.Request(
            self.relay.target + path, headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def log(self, build_id: str, seconds: float = 90) -> str:
        """Follow a build's log to its end over REST; return its lines."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/plain"}
        request = urllib.request.Request(f"{self.relay.target}/builds/{build_id}/logs", headers=headers)
        with urllib.request.urlopen(request, timeout=seconds) as response:
            return response.read().decode()

    def reported(self, type_: str, parser: str) -> Delivered | None:
        """What a monitor has told of a parser's build; None while there is nothing."""
        wanted = f"network.notifi.lambda.{type_}"
        told = [event for event in self.relay.delivered if event.type == wanted]
        return next((event for event in told if event.data["parser_id"] == parser), None)

    def get(self, path: str) -> dict[str, Any]:
        """GET a path, in which `{}` is the namespace."""
        return self.server.call(path.format(self.namespace))

    def exists(self, path: str) -> bool:
        return self.server.exists(path.format(self.namespace))

    def pods(self, component: str, parser: str = "") -> list[dict[str, Any]]:
        """Pods of a kind, of one parser if that is named."""
        chosen = f"app.kubernetes.io%2Fcomponent%3D{component}" + (f",{IDS}%3D{parser}" if parser else "")
        return self.get("/api/v1/namespaces/{}/pods?labelSelector=" + chosen)["items"]

    def run_in(self, running: dict[str, Any], program: str) -> Any:
        """Run a Python program in the first container of a pod; return what it prints, which is JSON."""
        node, container = running["spec"]["nodeName"], running["spec"]["containers"][0]["name"]
        place = f"{self.namespace}/{running['metadata']['name']}/{container}"
        # The kubelet takes the command apart at its spaces.
        command = quote(f"python -c exec(bytes.fromhex('{program.encode().hex()}'))")
        nothing = {"stdin": ""}
        return self.server.call(f"/api/v1/nodes/{node}/proxy/run/{place}?cmd={command}", nothing)

    @contextlib.contextmanager
    def running(self, name: str, template: dict[str, Any]) -> Iterator[str]:
        """A function's pod, as Knative would make it of its Service; yields its URL once it is ready."""
        known = {
            "serviceAccountName",
            "automountServiceAccountToken",
            "enableServiceLinks",
            "containers",
            "volumes",
        }
        spec = {key: value for key, value in template["spec"].items() if key in known}
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        self.server.call(path, pod(self.namespace, name, template["metadata"]["labels"], spec))
        try:
            yield f"http://{eventually(lambda: self._ready_address(name))}:8080"
        finally:
            self.server.delete(f"{path}/{name}")

    def _ready_address(self, name: str) -> str:
        status = self.get(f"/api/v1/namespaces/{{}}/pods/{name}")["status"]
        ready = any(
            item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", ())
        )
        return str(status["podIP"]) if ready else ""
