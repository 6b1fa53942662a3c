"""PlatformNamespace: the namespace that one environment lives in."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests.metadata import platform_labels


@dataclass(frozen=True, kw_only=True)
class PlatformNamespaceArgs:
    """Which namespace."""

    namespace: str
    """Its name."""


class PlatformNamespace(pulumi.ComponentResource):
    """A namespace that admits no pod beyond the `baseline` standard and warns below `restricted`.

    Kaniko's executor runs as root, which `restricted` forbids; everything else here would pass it.
    """

    namespace: pulumi.Output[str]
    """Name of the namespace, known once it exists."""

    def __init__(
        self, name: str, args: PlatformNamespaceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("knative-lambda:components:PlatformNamespace", name, None, opts)
        labels = {
            **platform_labels("namespace"),
            "pod-security.kubernetes.io/enforce": "baseline",
            "pod-security.kubernetes.io/warn": "restricted",
        }
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": args.namespace, "labels": labels},
        }
        made = custom(f"{name}-namespace", manifest, pulumi.ResourceOptions(parent=self))
        self.namespace = made.metadata.apply(lambda meta: str(meta["name"]))
        self.register_outputs({"namespace": self.namespace})
