"""Knative: Serving and Eventing, of which a cluster has one each."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests import knative as manifests
from components.manifests.metadata import Manifest
from components.namespace import PlatformNamespace, PlatformNamespaceArgs


@dataclass(frozen=True, kw_only=True)
class KnativeArgs:
    """Where, how available, and what requests come through."""

    serving_namespace: str = manifests.SERVING
    """Namespace of Serving, made here."""
    eventing_namespace: str = manifests.EVENTING
    """Namespace of Eventing, made here."""
    replicas: int
    """Of each controller and webhook."""
    ingress: str = "kourier"
    """What routes requests, one of INGRESSES; it has to be installed where it is not Kourier."""
    eventing: bool = True
    """Whether Eventing is wanted."""
    untagged_registries: tuple[str, ...] = ()
    """Registries without HTTPS, whose tags Knative shall not resolve."""


class Knative(pulumi.ComponentResource):
    """What the Knative operator installs: one environment of a cluster has it, the others use it."""

    serving_namespace: pulumi.Output[str]
    """Namespace of Serving, known once it exists."""
    eventing_namespace: pulumi.Output[str]
    """Namespace of Eventing, known once it exists; empty: it was not wanted."""

    def __init__(self, name: str, args: KnativeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Knative", name, None, opts)
        serving = manifests.serving(args)
        self.serving_namespace = self._install(f"{name}-serving", args.serving_namespace, serving)
        self.eventing_namespace = pulumi.Output.from_input("")
        if args.eventing:
            eventing = manifests.eventing(args)
            self.eventing_namespace = self._install(f"{name}-eventing", args.eventing_namespace, eventing)
        self.register_outputs(
            {"serving_namespace": self.serving_namespace, "eventing_namespace": self.eventing_namespace}
        )

    def _install(self, name: str, namespace: str, manifest: Manifest) -> pulumi.Output[str]:
        """Declare a namespace and what the operator is to install there; return the namespace."""
        child = pulumi.ResourceOptions(parent=self)
        space = PlatformNamespace(f"{name}-space", PlatformNamespaceArgs(namespace=namespace), child)
        manifest["metadata"]["namespace"] = space.namespace
        custom(name, manifest, child)
        return space.namespace
