"""A golden stack on a cluster: its objects as one of the recorded states has them, and an engine for it."""

import contextlib
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from engine import Engine, FileBackend, StackRef, checkpoint
from engine.codec import Codec
from engine.crypto import Secrets
from engine.kubernetes import KubernetesProviders
from engine.kubernetes.rest import Client, Invalid, NotFound
from engine.results import StepRecord
from engine.values import unwrap
from tests.engine import states
from tests.golden.program import golden, placed

HERE = Path(__file__).parent
STACK = StackRef("golden", "dev")
PASSPHRASE = "golden"
ROWS: dict[str, dict[str, Any]] = json.loads((HERE / "edits.json").read_text())
FLOWS: dict[str, dict[str, Any]] = json.loads((HERE / "flows.json").read_text())
PARTS = 26
"""How many parts the golden program has; a run counts the stack and the group too."""
CREATE_MANAGER = "pulumi-kubernetes"
_SERVER_MADE = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")

Json = dict[str, Any]


def recorded(name: str) -> list[Json]:
    """Return the entries of the Kubernetes resources in a recorded state, secrets encrypted."""
    latest = json.loads((HERE / "states" / f"{name}.json").read_text())["checkpoint"]["latest"]
    return [item for item in latest.get("resources", []) if item["type"].startswith("kubernetes:")]


class Site:
    """One golden stack in a namespace of its own.

    `only` are the parts that the cluster has kinds for, all if empty. The namespace is made by the stack.
    """

    def __init__(
        self,
        root: Path,
        client: Client,
        providers: KubernetesProviders,
        namespace: str,
        only: Collection[str] = (),
    ) -> None:
        self.root = root
        self.client = client
        self.namespace = namespace
        self.only = only
        self.engine = Engine(FileBackend(root), {"kubernetes": providers}, passphrase=PASSPHRASE)

    @property
    def missing(self) -> int:
        """How many parts of the golden program this cluster has no kind for."""
        return PARTS - len(self.only) if self.only else 0

    def install(self, name: str) -> None:
        """Put a recorded state into the backend, and onto the cluster what it says exists."""
        document = _placed_state(name, self.namespace, self.only)
        inputs = _decrypted_inputs(document)
        for resource in document["checkpoint"]["latest"].get("resources", []):
            if resource["urn"] in inputs:
                self._put(resource, inputs[resource["urn"]])
        path = states.checkpoint_file(self.root, STACK)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
        (self.root / ".pulumi/meta.yaml").write_text("version: 1\n")

    def clear(self) -> None:
        """Delete all that may be on the cluster, and forget the state."""
        for namespace in (self.namespace, placed("default", self.namespace)):
            self.delete(f"/api/v1/namespaces/{namespace}")
        self.delete(self.path("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "no-privilege"))
        shutil.rmtree(self.root, ignore_errors=True)

    def delete(self, path: str) -> None:
        """Delete an object if it is there."""
        with contextlib.suppress(NotFound):
            self.client.delete(path, {"propagationPolicy": "Background"})

    def path(self, api_version: str, kind: str, name: str) -> str:
        """Return the path of an object of the golden program."""
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        plural = f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}s"
        if kind == "Namespace":
            return f"{root}/{plural}/{name}"
        if kind == "ValidatingAdmissionPolicy":
            return f"{root}/{plural}/{placed('golden-no-privilege', self.namespace)}"
        return f"{root}/namespaces/{self.namespace}/{plural}/{name}"

    def live(self, api_version: str, kind: str, name: str) -> Json:
        """Return an object of the golden program as the cluster has it."""
        return self.client.get(self.path(api_version, kind, name))

    def entries(self, part: str) -> list[Json]:
        """Return what the state holds for a part, as it would be in `golden`; secrets stay encrypted."""
        document = json.loads(states.checkpoint_file(self.root, STACK).read_text())
        found = [
            item
            for item in document["checkpoint"]["latest"]["resources"]
            if item["urn"].endswith(f"::{part}")
        ]
        return golden(found, self.namespace)

    def sound(self) -> None:
        """Check the state's invariants."""
        states.assert_sound(self.root, STACK)

    def _handed_over(self, path: str, live: Json, manager: str) -> Json:
        """Have the manager own the object; a controller's own entry may come in between, hence the tries."""
        for _ in range(10):
            try:
                return self.client.patch(path, _handover(live, manager), "json")
            except Invalid:
                live = self.client.get(path)
        raise AssertionError(f"{path} changes faster than it can be handed over")

    def _put(self, resource: Json, inputs: Json) -> None:
        """Create a resource's object, and record the metadata that this server gave it."""
        path = self.path(inputs["apiVersion"], inputs["kind"], inputs["metadata"]["name"])
        live = self.client.create(path.rpartition("/")[0], inputs, fieldManager=CREATE_MANAGER)
        recorded = resource["outputs"]["metadata"]
        applied = [item for item in recorded["managedFields"] if item["operation"] == "Apply"]
        manager = resource["outputs"]["__fieldManager"]
        if any(item["manager"] == manager for item in applied):
            live = self._handed_over(path, live, manager)
        given = {key: live["metadata"][key] for key in _SERVER_MADE if key in live["metadata"]}
        resource["outputs"]["metadata"] = {**recorded, **given}


def _placed_state(name: str, namespace: str, only: Collection[str]) -> Json:
    document = placed(json.loads((HERE / "states" / f"{name}.json").read_text()), namespace)
    latest = document["checkpoint"]["latest"]
    if only and "resources" in latest:
        latest["resources"] = [
            item
            for item in latest["resources"]
            if not item["type"].startswith("kubernetes:") or item["urn"].split("::")[-1] in only
        ]
    return document


def _decrypted_inputs(document: Json) -> dict[str, Json]:
    """Return the recorded `__inputs` of the Kubernetes resources by URN, secrets in the clear."""
    parsed = checkpoint.parse(json.dumps(document).encode())

    def no_salt() -> str:
        raise AssertionError("a new salt was asked for")

    snapshot = Codec(Secrets(PASSPHRASE, parsed.salt, no_salt)).decode(parsed)
    return {
        state.urn: unwrap(state.outputs["__inputs"])
        for state in snapshot.resources
        if state.type.startswith("kubernetes:")
    }


def _handover(live: Json, manager: str) -> list[Json]:
    """Return the JSON patch that makes an object look as if the manager had applied it, as updates do."""
    fields = live["metadata"]["managedFields"]
    index = next(index for index, item in enumerate(fields) if item["manager"] == CREATE_MANAGER)
    place = f"/metadata/managedFields/{index}"
    return [
        {"op": "test", "path": f"{place}/manager", "value": CREATE_MANAGER},
        {"op": "replace", "path": f"{place}/manager", "value": manager},
        {"op": "replace", "path": f"{place}/operation", "value": "Apply"},
    ]


def told(steps: tuple[StepRecord, ...]) -> list[Json]:
    """Return the steps in the words of the golden files.

    Without those that stay the same, and without components, the stack and providers.
    """
    return [_told(step) for step in steps if step.op != "same" and step.type.startswith("kubernetes:")]


def _told(step: StepRecord) -> Json:
    row: Json = {"name": step.urn.split("::")[-1], "op": step.op}
    if step.keys:
        row["keys"] = list(step.keys)
    if step.detailed:
        row["detailed"] = {
            path: item.kind.value + " input" * item.input_diff for path, item in step.detailed.items()
        }
    return row
