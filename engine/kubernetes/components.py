"""Remote components in this process: `yaml.v2.ConfigFile` and `ConfigGroup`, `kustomize.v2.Directory`.

They turn manifests into resources, one for each object, in an order in which the cluster can take them.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from engine.construct import Constructed, Register, Registered
from engine.goals import Goal
from engine.kubernetes import kustomize, manifests
from engine.kubernetes.addressing import Addressing
from engine.kubernetes.annotations import SKIP_AWAIT
from engine.kubernetes.ordering import Key, dependencies
from engine.kubernetes.refusals import refused, unsupported
from engine.provider import Properties, ProviderError
from engine.values import UNKNOWN, ResourceReference, Secret, contains_unknown, unwrap

Json = dict[str, Any]


def construct(component: Goal, register: Register, addressing: Addressing) -> Constructed:
    """Register the component and a resource for each object, and return when they are done.

    Where inputs are unknown yet, the children are too. Raises ProviderError for what cannot be read or
    ordered, and what `register` raises.
    """
    objects_of = _SOURCES.get(component.type)
    if objects_of is None:
        raise ProviderError(refused(component.type) or unsupported(component.type))
    # Without its inputs, as in Pulumi's state: the text of a manifest may hold secrets.
    made = register(replace(component, inputs={}, property_dependencies={})).result()
    inputs = unwrap(component.inputs)
    if contains_unknown(inputs):
        return Constructed(urn=made.urn, outputs={"resources": UNKNOWN})
    documents = manifests.expanded(objects_of(inputs))
    namespace = inputs.get("namespace") or addressing.default_namespace()
    documents = manifests.placed(documents, namespace, addressing.has_namespace)
    prefix = inputs.get("resourcePrefix")
    children = _Children(
        component=component,
        parent=made.urn,
        prefix=component.name if prefix is None else str(prefix),
        skip_await=inputs.get("skipAwait") is True,
    )
    registered = _in_order(documents, children.goal, register)
    return Constructed(
        urn=made.urn,
        outputs={"resources": [_reference(item) for item in registered]},
        dependencies={"resources": tuple(item.urn for item in registered)},
    )


class _Children:
    """Makes the goals of a component's children."""

    def __init__(self, *, component: Goal, parent: str, prefix: str, skip_await: bool) -> None:
        self._component = component
        self._parent = parent
        self._prefix = prefix
        self._skip_await = skip_await

    def goal(self, document: Json, dependencies: tuple[str, ...]) -> Goal:
        """Return the goal of one object; its name is `<prefix>:[<namespace>/]<name>`."""
        metadata = document["metadata"]
        name = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
        return Goal(
            type=type_token(str(document["apiVersion"]), str(document["kind"])),
            name=f"{self._prefix}:{name}" if self._prefix else name,
            custom=True,
            inputs=_inputs(document, skip_await=self._skip_await),
            parent=self._parent,
            version=self._component.version,
            download_url=self._component.download_url,
            dependencies=dependencies,
        )


def type_token(api_version: str, kind: str) -> str:
    """Return the type token of objects of a kind: `v1`, `Pod` -> `kubernetes:core/v1:Pod`."""
    return f"kubernetes:{api_version if '/' in api_version else f'core/{api_version}'}:{kind}"


def _inputs(document: Json, *, skip_await: bool) -> Properties:
    inputs: Properties = document
    if skip_await:
        metadata = document["metadata"]
        annotations = {**(metadata.get("annotations") or {}), SKIP_AWAIT: "true"}
        inputs = {**document, "metadata": {**metadata, "annotations": annotations}}
    if (document["apiVersion"], document["kind"]) == ("v1", "Secret"):
        inputs = {
            key: Secret(value) if key in ("data", "stringData") else value for key, value in inputs.items()
        }
    return inputs


def _in_order(
    documents: list[Json], goal_of: Callable[[Json, tuple[str, ...]], Goal], register: Register
) -> list[Registered]:
    """Register all objects; one that depends on others when those are done."""
    by_key = {Key.of(document): document for document in documents}
    pending: dict[Key, Future[Registered]] = {}
    for key, needed in dependencies(documents).items():
        urns = tuple(sorted(pending[other].result().urn for other in needed))
        pending[key] = register(goal_of(by_key[key], urns))
    return [future.result() for future in pending.values()]


def _reference(item: Registered) -> ResourceReference:
    return ResourceReference(urn=item.urn, id=item.id or UNKNOWN)


def _file(inputs: Json) -> list[Json]:
    return _decoded(manifests.read([_required(inputs, "file")], patterns=False))


def _group(inputs: Json) -> list[Json]:
    """Return the objects of all files, of the text, and those given as they are, in this order."""
    files = inputs.get("files") or []
    texts = [*manifests.read([files] if isinstance(files, str) else files, patterns=True)]
    return [*_decoded([*texts, inputs.get("yaml") or ""]), *(inputs.get("objs") or [])]


def _directory(inputs: Json) -> list[Json]:
    return _decoded([kustomize.build(_required(inputs, "directory"), free=True)])


def _decoded(texts: Any) -> list[Json]:
    return [document for text in texts for document in manifests.decode(text)]


def _required(inputs: Json, name: str) -> str:
    if not isinstance(inputs.get(name), str):
        raise ProviderError(f"the input {name!r} has to be a string; it is {inputs.get(name)!r}")
    return str(inputs[name])


_SOURCES: dict[str, Callable[[Json], list[Json]]] = {
    "kubernetes:yaml/v2:ConfigFile": _file,
    "kubernetes:yaml/v2:ConfigGroup": _group,
    "kubernetes:kustomize/v2:Directory": _directory,
}
"""Where the objects of each component come from."""
