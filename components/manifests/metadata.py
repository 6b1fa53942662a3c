"""What all objects of the platform have in common: labels, metadata, container security."""

from typing import Any

Manifest = dict[str, Any]
"""One Kubernetes object, or a part of one."""


def function_labels(third_party_id: str, parser_id: str, component: str) -> dict[str, str]:
    """Return the labels of a function's objects; `component` is `build` or `function`."""
    return {
        "app.kubernetes.io/name": "knative-lambda",
        "app.kubernetes.io/component": component,
        "build.notifi.network/third-party-id": third_party_id,
        "build.notifi.network/parser-id": parser_id,
        "third-party-id": third_party_id,
        "parser-id": parser_id,
    }


def platform_labels(component: str) -> dict[str, str]:
    """Return the labels of an object of the platform itself."""
    return {"app.kubernetes.io/name": "knative-lambda", "app.kubernetes.io/component": component}


def object_meta(
    name: str, namespace: Any, labels: dict[str, str], annotations: dict[str, str] | None = None
) -> Manifest:
    """Return an object's metadata; without annotations the key is left out."""
    meta: Manifest = {"name": name, "namespace": namespace, "labels": labels}
    return {**meta, "annotations": annotations} if annotations else meta


def restricted(user: int = 1000) -> Manifest:
    """Return a container security context: pod security standard `restricted`, read-only root."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": user,
        "runAsNonRoot": True,
        "runAsUser": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def resources(requests: tuple[str, str], limits: tuple[str, str]) -> Manifest:
    """Return a container's resources from (cpu, memory) pairs of Kubernetes quantities."""
    return {
        "requests": {"cpu": requests[0], "memory": requests[1]},
        "limits": {"cpu": limits[0], "memory": limits[1]},
    }
