"""Who may do what in the platform's namespace: service accounts, and roles with just the verbs in use."""

from typing import Any, Final

from components.engines import AUTOMATION_API, EMBEDDED
from components.manifests.kaniko import SERVICE_ACCOUNT as BUILD_ACCOUNT
from components.manifests.metadata import Manifest, object_meta, platform_labels

SERVICE_ACCOUNT: Final = "knative-lambda-builder"
"""The automation service's own account."""

_APPLY: Final = ["get", "create", "patch", "delete", "watch"]
"""What an engine does with an object: read it, create it, apply to it, delete it, and see that it is gone."""

_VERBS: Final = {EMBEDDED: _APPLY, AUTOMATION_API: [*_APPLY, "list"]}
"""Pulumi's own provider waits for the end of an object by a watch that begins with a list."""


def build_rules() -> list[Manifest]:
    """Return what the monitor in a build's pod may do: read a pod and its log by name."""
    return [_rule("", ["pods", "pods/log"], ["get"])]


def service_rules(engine: str) -> list[Manifest]:
    """Return what the automation service may do: apply the objects that functions and builds are made of.

    And look at builds that nobody reports (their Jobs, their pods, and why they failed), and at rollouts.

    `engine` is the one of ENGINES that does it.
    """
    verbs = _VERBS[engine]
    return [
        _rule("", ["configmaps", "serviceaccounts"], verbs),
        _rule("batch", ["jobs"], list(dict.fromkeys([*verbs, "list"]))),
        _rule("", ["pods"], ["list"]),
        _rule("", ["pods/log"], ["get"]),
        _rule("serving.knative.dev", ["services"], list(dict.fromkeys([*verbs, "list"]))),
        _rule("eventing.knative.dev", ["triggers"], verbs),
    ]


def service_account(
    name: str,
    namespace: Any,
    *,
    role_arn: Any = "",
    component: str,
    automount: bool = False,
    pull_secret: str = "",
) -> Manifest:
    """Return an account; its pods take on the IAM role and pull their images with the Secret."""
    annotations = None if role_arn == "" else {"eks.amazonaws.com/role-arn": role_arn}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": object_meta(name, namespace, platform_labels(component), annotations),
        "automountServiceAccountToken": automount,
        **({"imagePullSecrets": [{"name": pull_secret}]} if pull_secret else {}),
    }


def role(name: str, namespace: Any, rules: list[Manifest], *, component: str) -> Manifest:
    """Return a Role of the namespace."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": object_meta(name, namespace, platform_labels(component)),
        "rules": rules,
    }


def role_binding(name: str, namespace: Any, *, component: str) -> Manifest:
    """Return the binding of the Role `name` to the service account of the same name."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": object_meta(name, namespace, platform_labels(component)),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }


def _rule(group: str, resources: list[str], verbs: list[str]) -> Manifest:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}


__all__ = [
    "BUILD_ACCOUNT",
    "SERVICE_ACCOUNT",
    "build_rules",
    "role",
    "role_binding",
    "service_account",
    "service_rules",
]
