"""A bare client of a Kubernetes API server: requests in, (status, body) out, nothing interpreted."""

import contextlib
import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import urllib3

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
DEADLINE = 20.0


@dataclass
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Any = field(repr=False)

    @property
    def version(self) -> str:
        return self.body["metadata"]["resourceVersion"]

    @property
    def uid(self) -> str:
        return self.body["metadata"]["uid"]


@dataclass(frozen=True)
class Api:
    """One server, one credential, one namespace that paths are relative to."""

    url: str
    token: str
    pool: urllib3.PoolManager
    namespace: str
    name: str
    """`local` or `real`."""

    def as_token(self, token: str) -> "Api":
        return replace(self, token=token)

    def path(self, resource: str) -> str:
        """`configmaps/a` and `batch/v1/jobs/b` are in the namespace; a leading slash is the whole path."""
        if resource.startswith("/"):
            return resource
        head = resource.split("/")[0]
        if "." in head or head in ("batch", "apps", "policy", "autoscaling"):
            group, version, rest = resource.split("/", 2)
            return f"/apis/{group}/{version}/namespaces/{self.namespace}/{rest}"
        return f"/api/v1/namespaces/{self.namespace}/{resource}"

    def request(self, method: str, resource: str, body: Any = None, media: str = "", **query: str) -> Answer:
        headers = {"Content-Type": media or "application/json", "User-Agent": "contract/1.0"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if "accept" in query:
            headers["Accept"] = query.pop("accept")
        reply = self.pool.request(
            method,
            self.url + self.path(resource) + _query(query),
            body=None if body is None else json.dumps(body).encode(),
            headers=headers,
        )
        text = reply.data.decode()
        return Answer(reply.status, json.loads(text) if text.startswith(("{", "[")) else text, reply.headers)

    def get(self, resource: str, **query: str) -> Answer:
        return self.request("GET", resource, **query)

    def post(self, resource: str, body: Any, **query: str) -> Answer:
        return self.request("POST", resource, body, **query)

    def put(self, resource: str, body: Any, **query: str) -> Answer:
        return self.request("PUT", resource, body, **query)

    def patch(self, resource: str, body: Any, media: str = MERGE, **query: str) -> Answer:
        return self.request("PATCH", resource, body, media, **query)

    def apply(self, resource: str, body: Any, manager: str = "one", **query: str) -> Answer:
        return self.request("PATCH", resource, body, APPLY, fieldManager=manager, **query)

    def delete(self, resource: str, body: Any = None, **query: str) -> Answer:
        return self.request("DELETE", resource, body, **query)

    @contextlib.contextmanager
    def watch(self, resource: str, **query: str) -> Iterator[Iterator[dict[str, Any]]]:
        """Yield an iterator of watch events; reading waits at most the deadline."""
        query = {"watch": "1", "timeoutSeconds": str(int(DEADLINE)), **query}
        reply = self.pool.request(
            "GET",
            self.url + self.path(resource) + _query(query),
            headers={"Authorization": f"Bearer {self.token}"},
            preload_content=False,
            timeout=DEADLINE,
        )
        try:
            yield (json.loads(line) for line in _lines(reply))
        finally:
            reply.close()
            reply.release_conn()

    def until(self, resource: str, holds: Callable[[Answer], bool], seconds: float = DEADLINE) -> Answer:
        """Poll an object until something holds of it."""
        return until(lambda: self.get(resource), holds, seconds)


def until(ask: Callable[[], Any], holds: Callable[[Any], bool], seconds: float = DEADLINE) -> Any:
    """Ask again and again until the answer is right; fail with the last one when the seconds are over."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if holds(answer):
            return answer
        assert time.monotonic() < end, answer
        time.sleep(0.05)


def _query(query: dict[str, str]) -> str:
    return "?" + urllib.parse.urlencode(query) if query else ""


def _lines(reply: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in reply.stream(amt=None):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def configmap(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap without a namespace."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def job(name: str, **spec: Any) -> dict[str, Any]:
    """A Job whose pod never runs: it is suspended."""
    container = {"name": "main", "image": "registry.invalid/none:1", "env": [{"name": "A", "value": "1"}]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"suspend": True, "template": template, **spec},
    }


def deployment(name: str, *containers: dict[str, Any]) -> dict[str, Any]:
    """A Deployment without replicas."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": list(containers)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


def managed(obj: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Return fieldsV1 by (manager, operation)."""
    entries = obj["metadata"].get("managedFields", [])
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}
