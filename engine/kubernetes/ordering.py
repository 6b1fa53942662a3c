"""In which order the objects of a manifest are to be made: what depends on what among them.

The rules are those of Kubernetes' cli-utils: the annotation `config.kubernetes.io/depends-on`, objects after
their Namespace, custom resources after their CustomResourceDefinition. Pure.
"""

import graphlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.kubernetes.kinds import group_of
from engine.provider import ProviderError

Json = dict[str, Any]

DEPENDS_ON = "config.kubernetes.io/depends-on"


class Key(NamedTuple):
    """What tells objects of a manifest apart; the namespace is empty where there is none."""

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, document: Json) -> "Key":
        """Return the key of an object."""
        metadata = document["metadata"]
        group = group_of(str(document["apiVersion"]))
        return cls(group, str(document["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"]))

    @classmethod
    def parse(cls, reference: str) -> "Key":
        """Read `<group>/namespaces/<namespace>/<kind>/<name>` or `<group>/<kind>/<name>`."""
        parts = reference.strip().split("/")
        if len(parts) == 5 and parts[1] == "namespaces":
            return cls(parts[0], parts[3], parts[2], parts[4])
        if len(parts) == 3:
            return cls(parts[0], parts[1], "", parts[2])
        raise ProviderError(
            f"{reference!r} in the annotation {DEPENDS_ON} is no reference; expected <group>/<kind>/<name> "
            "or <group>/namespaces/<namespace>/<kind>/<name>"
        )

    def __str__(self) -> str:
        scope = f"namespaces/{self.namespace}/" if self.namespace else ""
        return f"{self.group}/{scope}{self.kind}/{self.name}"


def dependencies(documents: Sequence[Json]) -> dict[Key, frozenset[Key]]:
    """Return for each object those it has to wait for, in an order in which they can be made.

    Raises ProviderError for objects that are declared twice, for references to others than these, and for
    cycles.
    """
    keyed: dict[Key, Json] = {}
    for document in documents:
        if keyed.setdefault(key := Key.of(document), document) is not document:
            raise ProviderError(f"the manifest declares {key} twice")
    definitions = _definitions(keyed)
    waits = {key: _waits_for(key, document, keyed, definitions) for key, document in keyed.items()}
    try:
        order = list(graphlib.TopologicalSorter(waits).static_order())
    except graphlib.CycleError as error:
        cycle = " -> ".join(map(str, error.args[1]))
        raise ProviderError(f"the objects of the manifest wait for each other: {cycle}") from error
    return {key: waits[key] for key in order}


def _definitions(keyed: dict[Key, Json]) -> dict[tuple[str, str], Key]:
    """Return the CustomResourceDefinitions by the group and kind that they make."""
    made = {}
    for key, document in keyed.items():
        spec = document.get("spec") or {}
        if key.kind == "CustomResourceDefinition" and spec.get("group"):
            made[str(spec["group"]), str((spec.get("names") or {}).get("kind"))] = key
    return made


def _waits_for(
    key: Key, document: Json, keyed: dict[Key, Json], definitions: dict[tuple[str, str], Key]
) -> frozenset[Key]:
    namespace = Key("", "Namespace", "", key.namespace)
    found = {namespace} & keyed.keys() if key.namespace else set()
    if definition := definitions.get((key.group, key.kind)):
        found.add(definition)
    text = (document["metadata"].get("annotations") or {}).get(DEPENDS_ON) or ""
    for reference in map(Key.parse, filter(str.strip, text.split(","))):
        if reference not in keyed:
            raise ProviderError(f"{key} depends on {reference}, which the manifest does not declare")
        found.add(reference)
    return frozenset(found)
