"""The environment of a container: from the image, the pod spec and the objects that it refers to.

Nothing of the platform's own environment is in it. Pure but for `Lookup`, which reads ConfigMaps and Secrets.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from local.apiserver.kinds import CONFIGMAP, SECRET, Kind
from local.node.objects import Json, quantity

Lookup = Callable[[Kind, str], Json | None]
"""Returns the object of that kind and name in the pod's namespace, None if there is none."""

_REFERENCE = re.compile(r"\$(\$|\(([^()\s]+)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_HOST_IP = "127.0.0.1"
NODE_NAME = "local"


class ConfigError(Exception):
    """A container cannot be made from its spec as things are; the text is the kubelet's."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with `$(NAME)` replaced; unknown names stay, `$$` stands for a dollar sign."""

    def replacement(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(replacement, text)


def field(pod: Json, path: str) -> str:
    """Return the downward API's value of a field path; raises ConfigError on one that it does not have."""
    metadata = pod["metadata"]
    if match := _SUBSCRIPT.fullmatch(path):
        return str(metadata.get(match[1], {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = metadata.get(path.partition(".")[2], {})
        return "\n".join(f'{name}="{value}"' for name, value in sorted(entries.items()))
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": NODE_NAME,
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.podIP": pod.get("status", {}).get("podIP", ""),
        "status.podIPs": pod.get("status", {}).get("podIP", ""),
        "status.hostIP": _HOST_IP,
        "status.hostIPs": _HOST_IP,
    }
    if path not in values:
        raise ConfigError(f"fieldPath {path!r} is not supported; allowed: {', '.join(sorted(values))}")
    return str(values[path])


def variables(pod: Json, container: Json, lookup: Lookup) -> dict[str, str]:
    """Return the variables of the spec, `envFrom` first and later ones winning; raises ConfigError."""
    result: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        result.update(_from_object(source, lookup, pod["metadata"]["namespace"]))
    for entry in container.get("env", ()):
        value = _value(entry, pod, container, lookup)
        if value is not None:
            result[entry["name"]] = expand(value, result) if "valueFrom" not in entry else value
    return result


def decoded(kind: Kind, obj: Json) -> Iterator[tuple[str, bytes]]:
    """Yield the keys of a ConfigMap or Secret with their bytes."""
    for name, text in obj.get("data", {}).items():
        yield name, base64.b64decode(text) if kind is SECRET else text.encode()
    for name, text in obj.get("binaryData", {}).items():
        yield name, base64.b64decode(text)


def _from_object(source: Json, lookup: Lookup, namespace: str) -> Iterable[tuple[str, str]]:
    kind = CONFIGMAP if "configMapRef" in source else SECRET
    reference = source.get("configMapRef") or source.get("secretRef") or {}
    obj = lookup(kind, reference["name"])
    if obj is None:
        if reference.get("optional"):
            return ()
        raise ConfigError(f'{kind.singular} "{reference["name"]}" not found')
    prefix = source.get("prefix", "")
    return [(prefix + name, data.decode(errors="replace")) for name, data in decoded(kind, obj)]


def _value(entry: Json, pod: Json, container: Json, lookup: Lookup) -> str | None:
    source = entry.get("valueFrom")
    if source is None:
        return str(entry.get("value") or "")
    if reference := source.get("fieldRef"):
        return field(pod, reference["fieldPath"])
    if reference := source.get("resourceFieldRef"):
        return _resource(reference, container)
    kind = CONFIGMAP if "configMapKeyRef" in source else SECRET
    reference = source.get("configMapKeyRef") or source.get("secretKeyRef")
    if not reference:
        raise ConfigError(f"env {entry['name']!r}: valueFrom {sorted(source)} is not supported")
    return _key(kind, reference, lookup, pod["metadata"]["namespace"])


def _key(kind: Kind, reference: Json, lookup: Lookup, namespace: str) -> str | None:
    obj = lookup(kind, reference["name"])
    if obj is None and not reference.get("optional"):
        raise ConfigError(f'{kind.singular} "{reference["name"]}" not found')
    found = dict(decoded(kind, obj)) if obj else {}
    if reference["key"] not in found:
        if reference.get("optional"):
            return None
        where = f"{kind.kind} {namespace}/{reference['name']}"
        raise ConfigError(f"couldn't find key {reference['key']} in {where}")
    return found[reference["key"]].decode(errors="replace")


def _resource(reference: Json, container: Json) -> str:
    group, _, name = str(reference["resource"]).partition(".")
    amount = container.get("resources", {}).get(group, {}).get(name, "0")
    divisor = quantity(reference.get("divisor") or "1") or 1.0
    return str(-int(-quantity(amount) // divisor))
