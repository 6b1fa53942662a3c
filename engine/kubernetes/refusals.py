"""What this provider does not do, in words that name it and say who does."""

from typing import Any

Json = dict[str, Any]

_COMPONENTS = frozenset(("helm.sh/v3", "helm.sh/v4", "yaml", "yaml/v2", "kustomize", "kustomize/v2"))
_LIST, _PATCH = "List", "Patch"


def unsupported(what: str) -> str:
    """Return the refusal of something that Pulumi's own provider does."""
    return (
        f"{what} is not supported by the embedded engine; run the stack with Pulumi's own engine and provider"
    )


def refused_type(token: str, inputs: Json) -> str | None:
    """Return why resources of a type are not served; None if they are."""
    _, module, name = token.split(":")
    if module in _COMPONENTS:
        return unsupported(token)
    if name == f"{inputs.get('kind', name)}{_PATCH}":
        return unsupported(f"{token}, a patch of an object managed elsewhere,")
    if name.endswith(_LIST) and "items" in inputs:
        return f"{token}: lists are no objects of their own; declare each of the items as a resource"
    return None
