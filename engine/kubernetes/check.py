"""From a program's inputs to checked inputs: names, namespaces, secrets and the form the API server wants.

Pure: whether a kind is namespaced and which namespace is the default come from the caller.
"""

import hashlib
from typing import Any

from engine.kubernetes.addressing import Identity
from engine.kubernetes.diff import AUTONAMED, SERVER_METADATA
from engine.kubernetes.kinds import name_of
from engine.kubernetes.normal import encoded_secret, integral, schema_dashed
from engine.provider import CheckFailure, CheckResult
from engine.values import UNKNOWN, Secret, contains_secret, unwrap

Json = dict[str, Any]

MANAGED_BY = "app.kubernetes.io/managed-by"


def checked(
    *,
    urn: str,
    identity: Identity,
    olds: Json,
    news: Json,
    seed: bytes,
    namespaced: bool,
    default_namespace: str,
) -> CheckResult:
    """Return the inputs with defaults filled in, or what is wrong with them. `olds` are the old inputs."""
    inputs: Json = integral(news)
    inputs.setdefault("apiVersion", identity.api_version)
    inputs.setdefault("kind", identity.kind)
    if (identity.api_version, identity.kind) == ("v1", "Secret"):
        inputs = with_secret_data(inputs)
    if identity.kind == "CustomResourceDefinition":
        inputs = schema_dashed(inputs)
    given = inputs.get("metadata") or {}
    metadata: Any = given.value if isinstance(given, Secret) else given
    if metadata is UNKNOWN:
        return CheckResult(inputs=inputs)
    if failure := _name_failure(metadata, identity):
        return CheckResult(inputs=inputs, failures=(failure,))
    metadata = {key: value for key, value in metadata.items() if key not in SERVER_METADATA}
    metadata = _named(metadata, _mapping(olds.get("metadata")), urn, seed)
    metadata = _labelled(metadata, _mapping(olds.get("metadata")))
    metadata = _placed(metadata, namespaced, default_namespace)
    inputs["metadata"] = Secret(metadata) if isinstance(given, Secret) else metadata
    return CheckResult(inputs=dict(sorted(inputs.items())))


def _name_failure(metadata: Json, identity: Identity) -> CheckFailure | None:
    if metadata.get("generateName"):
        reason = "it cannot be used with server-side apply; leave name and generateName out for a unique name"
        return CheckFailure("metadata.generateName", reason)
    if identity.patch and not metadata.get("name"):
        reason = f"a {identity.kind}Patch has to name the {identity.kind} that it patches"
        return CheckFailure("metadata.name", reason)
    return None


def with_secret_data(inputs: Json) -> Json:
    """Return a Secret's inputs with stringData as data, and each of these maps wholly secret."""
    plain: Json = {key: unwrap(inputs[key]) for key in ("data", "stringData") if key in inputs}
    result = encoded_secret({**inputs, **plain})
    return {key: Secret(value) if key in ("data", "stringData") else value for key, value in result.items()}


def marked(value: Any, like: Any) -> Any:
    """Return `value` with Secret wrappers where `like` has them.

    A list with a secret in it is secret as a whole.
    """
    if isinstance(like, Secret):
        return value if isinstance(value, Secret) else Secret(value)
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: marked(item, like.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(like, list) and contains_secret(like):
        return Secret(value)
    return value


def _named(metadata: Json, old: Json, urn: str, seed: bytes) -> Json:
    """Give a name to what has none.

    The old made-up one, else the resource's name and 8 hex digits of the seed.
    """
    if metadata.get("name") is not None:
        return metadata
    name = old.get("name") if _annotations(old).get(AUTONAMED) == "true" else None
    digits = hashlib.sha256(seed + urn.encode()).hexdigest()[:8]
    result = {**metadata, "name": name or f"{name_of(urn)}-{digits}"}
    annotations = metadata.get("annotations") or {}
    if isinstance(annotations, dict):
        result["annotations"] = {**annotations, AUTONAMED: "true"}
    return result


def _labelled(metadata: Json, old: Json) -> Json:
    """Keep the label that older versions of Pulumi's provider set on their own."""
    kept, labels = _mapping(old.get("labels")).get(MANAGED_BY), metadata.get("labels") or {}
    if kept != "pulumi" or not isinstance(labels, dict) or MANAGED_BY in labels:
        return metadata
    return {**metadata, "labels": {**labels, MANAGED_BY: kept}}


def _placed(metadata: Json, namespaced: bool, default_namespace: str) -> Json:
    if not namespaced or metadata.get("namespace"):
        return metadata
    return {**metadata, "namespace": default_namespace}


def _annotations(metadata: Json) -> Json:
    return _mapping(metadata.get("annotations"))


def _mapping(value: Any) -> Json:
    """Return a map that may be secret, unknown or missing as a plain one."""
    plain = unwrap(value)
    return plain if isinstance(plain, dict) else {}
