"""Admission: what the API server refuses in an environment's namespace."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests import admission as manifests
from components.manifests.metadata import Manifest


@dataclass(frozen=True, kw_only=True)
class AdmissionArgs:
    """Where the policies are in force, and what they allow."""

    namespace: str
    """Namespace that they are in force in; its name begins the policies' own, which are the cluster's."""
    allowed_registries: tuple[str, ...]
    """Registries, each with an optional port and path prefix, that images may come from."""


class Admission(pulumi.ComponentResource):
    """ValidatingAdmissionPolicies for functions' pods, builds' pods and what the automation service makes."""

    policies: pulumi.Output[list[str]]
    """Names of the policies and of their bindings, in order."""

    def __init__(self, name: str, args: AdmissionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Admission", name, None, opts)
        planned = {
            "functions": manifests.function_policy(f"{args.namespace}-functions", args.allowed_registries),
            "builds": manifests.build_policy(f"{args.namespace}-builds", args.allowed_registries),
            "labels": manifests.label_policy(f"{args.namespace}-labels", args.namespace),
        }
        for key, policy in planned.items():
            self._enforce(f"{name}-{key}", policy, args.namespace)
        names = [str(policy["metadata"]["name"]) for policy in planned.values()]
        self.policies = pulumi.Output.from_input(names)
        self.register_outputs({"policies": self.policies})

    def _enforce(self, name: str, policy: Manifest, namespace: str) -> None:
        made = custom(f"{name}-policy", policy, pulumi.ResourceOptions(parent=self))
        after_policy = pulumi.ResourceOptions(parent=self, depends_on=[made])
        custom(f"{name}-binding", manifests.binding(policy["metadata"]["name"], namespace), after_policy)
