"""What this provider does not do, in words that name it and say what helps."""

from typing import Any

from engine.kubernetes.kinds import builtin_kind, parse_token

Json = dict[str, Any]

_LIST = "List"
_RENDERED = "render it with `helm template` and declare the result by kubernetes.yaml.v2.ConfigGroup"
_REFUSED = {
    "kubernetes:helm.sh/v3:Release": "install it with Helm itself",
    "kubernetes:helm.sh/v3:Chart": _RENDERED,
    "kubernetes:helm.sh/v4:Chart": _RENDERED,
    "kubernetes:helm:template": _RENDERED,
}
"""Types and functions by token, each with the way round."""


def unsupported(what: str, remedy: str = "") -> str:
    """Return the refusal of something that Pulumi's own provider does."""
    way = f"{remedy}, or " if remedy else ""
    return (
        f"{what} is not supported by the embedded engine; {way}run the stack with Pulumi's own engine and "
        "provider"
    )


def refused(token: str) -> str | None:
    """Return why a type or a function is not served; None if nothing speaks against it."""
    remedy = _REFUSED.get(token)
    return unsupported(token, remedy) if remedy else None


def refused_type(token: str, inputs: Json) -> str | None:
    """Return why resources of a type are not served; None if they are."""
    if reason := refused(token):
        return reason
    api_version, name = parse_token(token)
    item = name.removesuffix(_LIST)
    of_kubernetes = (api_version, name) == ("v1", _LIST) or builtin_kind(api_version, item) is not None
    if name.endswith(_LIST) and (of_kubernetes or "items" in inputs):
        return (
            f"{token}: lists are no objects of their own; declare each of the items as a resource, or the "
            "list by kubernetes.yaml.v2.ConfigGroup"
        )
    return None
