"""The `pulumi.com/...` annotations with which a program steers single resources."""

from typing import Any

from engine.provider import ProviderError
from engine.values import Secret, unwrap

Json = dict[str, Any]

DEFAULT_TIMEOUT_SECONDS = 600.0

_PREFIX = "pulumi.com/"
SKIP_AWAIT = f"{_PREFIX}skipAwait"
_WITHOUT_DEPENDENTS = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "HorizontalPodAutoscaler",
        "Lease",
        "LimitRange",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PriorityClass",
        "ResourceQuota",
        "Role",
        "RoleBinding",
        "Secret",
        "ServiceAccount",
        "StorageClass",
    }
)
"""Kinds that own nothing.

To wait for their dependents would only wait for the garbage collector, which takes 20 ms at best and goes
through 13 objects a second on a stock cluster.
"""

_PROPAGATION = {"orphan": "Orphan", "background": "Background", "foreground": "Foreground"}


def annotation(document: Json, name: str) -> str | None:
    """Return the value of `pulumi.com/<name>` of an object or of inputs; None if it is not set."""
    value = unwrap(_member(_member(document.get("metadata"), "annotations"), _PREFIX + name))
    return value if isinstance(value, str) else None


def annotations_of(document: Json) -> Json:
    """Return the annotations of an object or of inputs in plain text; empty where they are not known."""
    plain = unwrap(_member(document.get("metadata"), "annotations"))
    return plain if isinstance(plain, dict) else {}


def _member(value: Any, key: str) -> Any:
    """Return a member of an object that may be secret; only the object itself is unwrapped."""
    plain = value.value if isinstance(value, Secret) else value
    return plain.get(key) if isinstance(plain, dict) else None


def is_true(document: Json, name: str) -> bool:
    """Say whether `pulumi.com/<name>` is `"true"`."""
    return (annotation(document, name) or "").lower() == "true"


def timeout_seconds(document: Json, given: float | None) -> float:
    """Return how long to wait: the resource option, else `pulumi.com/timeoutSeconds`, else ten minutes."""
    if given:
        return given
    text = annotation(document, "timeoutSeconds")
    if text is None:
        return DEFAULT_TIMEOUT_SECONDS
    if not text.isdigit():
        raise ProviderError(
            f"the annotation {_PREFIX}timeoutSeconds is {text!r}; it has to be a whole number of seconds"
        )
    return float(text)


def propagation_policy(document: Json) -> str:
    """Return the propagationPolicy of a delete, from `pulumi.com/deletionPropagationPolicy`.

    Default Foreground.
    """
    text = annotation(document, "deletionPropagationPolicy")
    if text is None:
        return "Background" if document.get("kind") in _WITHOUT_DEPENDENTS else "Foreground"
    policy = _PROPAGATION.get(text.lower())
    if policy is None:
        allowed = ", ".join(_PROPAGATION)
        raise ProviderError(
            f"the annotation {_PREFIX}deletionPropagationPolicy is {text!r}; it has to be one of {allowed}"
        )
    return policy
