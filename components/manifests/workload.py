"""What our long-running programs have in common in a cluster."""

from collections.abc import Mapping
from typing import Any, Final

from components.manifests.metadata import Manifest, object_meta, platform_labels

HTTP_PORT: Final = "http"
"""Name of the port that our containers listen on."""

NO_WAIT: Final = {"pulumi.com/skipAwait": "true"}
"""Annotation of objects that `up` does not wait for: what their pods need comes after it has ended."""


def http_service(
    name: str, component: str, namespace: Any, further: Mapping[str, int] | None = None
) -> Manifest:
    """Return the Service, on port 80, of the pods with the label `app.kubernetes.io/component`.

    `further` are ports that it has besides, by the name of the container's.
    """
    labels = platform_labels(component)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": object_meta(name, namespace, labels, NO_WAIT),
        "spec": {
            "type": "ClusterIP",
            "selector": labels,
            "ports": [
                {"name": port_name, "port": port, "targetPort": port_name, "protocol": "TCP"}
                for port_name, port in {HTTP_PORT: 80, **(further or {})}.items()
            ],
        },
    }
