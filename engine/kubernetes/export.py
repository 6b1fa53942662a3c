"""From a recorded deployment to plain manifests for a Git repository. Pure: no cluster, no file, no key.

One object a file, names that do not change with what else there is, and an order in which `kubectl apply -f`
takes them: what makes kinds and namespaces first, what enforces rules last. What the engine keeps about an
object for itself is left out. A value that is encrypted in the deployment never gets into a file: whoever
wants it there hands in a deployment whose secrets are in plain text.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from engine import urns
from engine.edits import change_secrets
from engine.kubernetes.addressing import Identity
from engine.kubernetes.diff import SERVER_METADATA
from engine.kubernetes.normal import integral, schema_dashed
from engine.kubernetes.ordering import Key
from engine.kubernetes.yamltext import dump
from engine.specials import SECRET, SIGNATURE, UNKNOWN_TEXTS

Json = dict[str, Any]

KUSTOMIZATION: Final = "kustomization.yaml"
HEADER: Final = "# Exported from the stack {stack}: changes belong into its program.\n"
"""First line of a kustomization of ours, by which `written_before` knows it."""

_OWN_ANNOTATIONS: Final = "pulumi.com/"
_MAX_FILE_NAME: Final = 200
"""Characters; most file systems take 255 bytes."""

_FIRST: Final = ("CustomResourceDefinition",)
_SECOND: Final = ("Namespace",)
_GROUNDS: Final = frozenset(
    {
        *("ClusterRole", "ClusterRoleBinding", "ConfigMap", "ExternalSecret", "LimitRange", "NetworkPolicy"),
        *("PersistentVolume", "PersistentVolumeClaim", "PriorityClass", "ResourceQuota", "Role"),
        *("RoleBinding", "Secret", "ServiceAccount", "StorageClass"),
    }
)
"""What workloads refer to, or are limited by."""
_RULES: Final = re.compile(r".*(AdmissionPolicyBinding|WebhookConfiguration)|APIService")


class ExportRefused(Exception):
    """The deployment cannot be told in manifests; the text says why and what helps."""


@dataclass(frozen=True, kw_only=True)
class SecretStore:
    """Where External Secrets finds the values of Secrets: a store's kind and name."""

    kind: str
    """SecretStore or ClusterSecretStore."""
    name: str

    @classmethod
    def parse(cls, text: str) -> "SecretStore":
        """Read `name` (a ClusterSecretStore) or `SecretStore/name`; ValueError for anything else."""
        kind, _, name = text.rpartition("/")
        kind = kind or "ClusterSecretStore"
        if kind not in ("SecretStore", "ClusterSecretStore") or not name:
            raise ValueError(text)
        return cls(kind=kind, name=name)


@dataclass(frozen=True, kw_only=True)
class Export:
    """What a deployment is in files."""

    files: Mapping[str, str]
    """Texts by file name, in the order of application; the kustomization is the last. Empty: no objects."""
    left_out: tuple[str, ...]
    """What is not in the files, a line for each, with the reason."""


def export(deployment: Json, *, stack: str, store: SecretStore | None = None, plain: bool = False) -> Export:
    """Return the manifests of a deployment as `pulumi stack export` has it under `deployment`.

    Without `plain` a Secret with data becomes an ExternalSecret of `store`, or is left out; so is whatever
    else holds secrets. With `plain`, the deployment's secrets have to be in plain text, and are written.
    Raises ExportRefused.
    """
    left_out: list[str] = []
    objects: dict[Key, Json] = {}
    for raw in _objects(deployment, left_out):
        document = _document(raw, plain)
        if store and not plain and _holds_data(document) and not any(_special(document["metadata"])):
            document = external_secret(document, store)
        if reason := _unspeakable(document, plain):
            left_out.append(f"{_shown(document)}: {reason}")
        elif objects.setdefault(key := Key.of(document), document) is not document:
            raise ExportRefused(
                f"the stack {stack} has {key} twice, as if for two clusters: one folder can hold it once; "
                "give each cluster a stack of its own"
            )
    files = {file_name(document): dump(document) for document in objects.values()}
    ordered, left_out = dict(sorted(files.items())), sorted(left_out)
    if not ordered:
        return Export(files={}, left_out=tuple(left_out))
    return Export(
        files={**ordered, KUSTOMIZATION: kustomization(list(ordered), stack, left_out)},
        left_out=tuple(left_out),
    )


def file_name(document: Json) -> str:
    """Return `{stage}-{kind}[.{group}][_{namespace}]_{name}.yaml`, the same for the same object always."""
    key = Key.of(document)
    place = [key.namespace] if key.namespace else []
    kind = f"{key.kind}.{key.group}" if key.group else key.kind
    parts = [quote(part, safe="") for part in (kind.lower(), *place, key.name)]
    name = f"{_stage(key.kind)}-{'_'.join(parts)}"
    if len(name) > _MAX_FILE_NAME:
        name = f"{name[: _MAX_FILE_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"{name}.yaml"


def kustomization(entries: Sequence[str], stack: str, left_out: Sequence[str] = ()) -> str:
    """Return a kustomization of files or folders; what was left out stands at its top."""
    notes = "".join(f"# Not here: {line}\n" for line in left_out)
    body = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(entries),
    }
    return HEADER.format(stack=stack) + notes + dump(body)


def written_before(text: str) -> list[str] | None:
    """Return the entries of a kustomization that an earlier export wrote; None if it is someone else's.

    An entry never leads out of its folder, whatever somebody has made of the file since.
    """
    if not text.startswith(HEADER.partition("{")[0]):
        return None
    return re.findall(r"^- (\w[^\s/]*)$", text, re.MULTILINE)


def external_secret(secret: Json, store: SecretStore) -> Json:
    """Return the ExternalSecret that makes a Secret of what the store has under `{namespace}/{name}`."""
    metadata = secret["metadata"]
    kept = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    template = {
        **({"type": secret["type"]} if "type" in secret else {}),
        **({"metadata": kept} if kept else {}),
    }
    remote = f"{metadata.get('namespace') or 'default'}/{metadata['name']}"
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": metadata,
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": store.kind, "name": store.name},
            "target": {"name": metadata["name"], **({"template": template} if template else {})},
            "dataFrom": [{"extract": {"key": remote}}],
        },
    }


def _objects(deployment: Json, left_out: list[str]) -> Iterator[Json]:
    """Yield the inputs of everything that stands for a whole object; note what does not."""
    if pending := deployment.get("pending_operations"):
        raise ExportRefused(
            f"{len(pending)} operations of the stack were interrupted and may have changed objects; "
            "run `refresh` or `up` first"
        )
    for raw in deployment.get("resources") or ():
        token, inputs = str(raw["type"]), raw.get("inputs") or {}
        if not raw.get("custom") or token.startswith("pulumi:") or raw.get("delete"):
            continue
        name = f"{urns.parse(raw['urn']).name} ({token})"
        if not token.startswith("kubernetes:"):
            left_out.append(f"{name}: not an object of Kubernetes")
        elif raw.get("external"):
            left_out.append(f"{name}: only read by the stack, made elsewhere")
        elif Identity.of(token, inputs).patch:
            left_out.append(f"{name}: a patch of an object that is made elsewhere")
        elif token.endswith(":Job") and "ttlSecondsAfterFinished" in (inputs.get("spec") or {}):
            left_out.append(f"{name}: a Job that is removed when it is done, and would run again")
        else:
            yield inputs


def _document(inputs: Json, plain: bool) -> Json:
    """Return recorded inputs as a manifest: without the engine's and the server's own metadata."""
    document: Json = integral(change_secrets(inputs, _opened) if plain else inputs)
    if document.get("kind") == "CustomResourceDefinition":
        document = dict(schema_dashed(document))
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or SIGNATURE in metadata or not isinstance(metadata.get("name"), str):
        return document
    kept = {key: value for key, value in metadata.items() if key not in SERVER_METADATA}
    if isinstance(noted := kept.get("annotations"), dict) and SIGNATURE not in noted:
        kept["annotations"] = {key: v for key, v in noted.items() if not key.startswith(_OWN_ANNOTATIONS)}
    kept = {key: value for key, value in kept.items() if value != {} or key not in ("annotations", "labels")}
    return {**{key: value for key, value in document.items() if key != "status"}, "metadata": kept}


def _opened(secret: Json) -> Any:
    """Return a secret's value where it is in plain text, else the secret."""
    return json.loads(secret["plaintext"]) if "plaintext" in secret else secret


def _unspeakable(document: Json, plain: bool) -> str:
    """Say why an object cannot be written down; empty if it can."""
    if not plain and _holds_data(document):
        return "its data is secret"
    found = list(_special(document))
    if SECRET in found:
        return "some of its values are secret"
    return "some of its values are of a kind that manifests have not" if found else ""


def _special(value: Any) -> Iterator[str]:
    """Yield what no manifest can hold: marks of special values, and texts that stand for unknown ones."""
    if isinstance(value, dict):
        if SIGNATURE in value:
            yield str(value[SIGNATURE])
            return
        for item in value.values():
            yield from _special(item)
    elif isinstance(value, list):
        for item in value:
            yield from _special(item)
    elif isinstance(value, str) and value in UNKNOWN_TEXTS:
        yield value


def _holds_data(document: Json) -> bool:
    """Say whether an object is a Secret with data, marked as secret or not."""
    kind = (document.get("apiVersion"), document.get("kind"))
    return kind == ("v1", "Secret") and bool(document.get("data") or document.get("stringData"))


def _shown(document: Json) -> str:
    metadata = document["metadata"]
    if SIGNATURE in metadata or not isinstance(metadata.get("name"), str):
        return f"a {document['kind']}"
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{document['kind']} {place}{metadata['name']}"


def _stage(kind: str) -> int:
    if kind in _FIRST:
        return 0
    if kind in _SECOND:
        return 1
    if kind in _GROUNDS:
        return 2
    return 4 if _RULES.fullmatch(kind) else 3
