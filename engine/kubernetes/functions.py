"""The provider's functions, which components written in the SDK call: YAML and Kustomize to objects."""

from typing import Any

from engine.kubernetes import kustomize, manifests
from engine.kubernetes.addressing import Addressing
from engine.kubernetes.refusals import refused
from engine.provider import Properties, ProviderError
from engine.values import unwrap

Json = dict[str, Any]


def call(token: str, args: Properties, addressing: Addressing) -> Properties:
    """Call a function by its token. Raises ProviderError: unknown, refused, or wrong arguments."""
    if reason := refused(token):
        raise ProviderError(reason)
    plain = unwrap(args)
    if token == "kubernetes:yaml:decode":  # noqa: S105 (a name)
        namespace = str(plain.get("defaultNamespace") or "")
        return {"result": _objects(_text(plain, "text", token), namespace, addressing)}
    if token == "kubernetes:kustomize:directory":  # noqa: S105
        return {"result": _objects(kustomize.build(_text(plain, "directory", token)), "", addressing)}
    raise ProviderError(f"the Kubernetes provider has no function {token}")


def _text(args: Json, name: str, token: str) -> str:
    value = args.get(name)
    if not isinstance(value, str):
        raise ProviderError(f"{token} needs the argument {name!r}, a string; it is {value!r}")
    return value


def _objects(text: str, namespace: str, addressing: Addressing) -> list[Json]:
    """Return the objects of a manifest, without those that are none of Kubernetes; lists stay lists."""
    found = [item for item in manifests.decode(text) if item.get("kind") and item.get("apiVersion")]
    named = [{**item, "metadata": item.get("metadata") or {}} if namespace else item for item in found]
    return manifests.placed(named, namespace, addressing.has_namespace)
