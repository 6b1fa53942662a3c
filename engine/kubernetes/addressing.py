"""From a resource to its place on the cluster: kinds and their scope, namespaces, targets."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from engine.kubernetes.cluster import Cluster
from engine.kubernetes.config import ConfigError
from engine.kubernetes.kinds import Kind, builtin_kind, custom_kind, is_builtin, parse_token
from engine.kubernetes.rest import ApiError, Unreachable
from engine.kubernetes.target import Target, explained, split_id
from engine.provider import ProviderError
from engine.values import unwrap

Json = dict[str, Any]

KIND_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between the looks for a kind that the server does not have yet."""

_PATCH = "Patch"


@dataclass(frozen=True)
class Identity:
    """What a resource is: apiVersion and kind, and whether it only patches an object managed elsewhere."""

    api_version: str
    kind: str
    patch: bool = False

    @classmethod
    def of(cls, token: str, document: Json) -> "Identity":
        """Return the identity by the document's own words, else by the type token.

        A patch is a token that ends with `Patch` behind the document's kind; without a document, one of no
        kind of Kubernetes' own.
        """
        api_version, name = parse_token(token)
        api_version = str(unwrap(document.get("apiVersion")) or api_version)
        kind = str(unwrap(document.get("kind")) or "")
        if kind:
            return cls(api_version, kind, name == kind + _PATCH)
        patch = name.endswith(_PATCH) and builtin_kind(api_version, name) is None
        return cls(api_version, name.removesuffix(_PATCH) if patch else name, patch)


class Addressing:
    """Finds kinds and objects for one provider instance.

    `cluster` is None where nothing usable is configured; `problem` says why then.
    """

    def __init__(
        self, cluster: Cluster | None, *, namespace: str = "", problem: ConfigError | None = None
    ) -> None:
        self.canceled = threading.Event()
        """Set when the instance is to wait for nothing any more."""
        self._cluster = cluster
        self._namespace = namespace
        self._problem = problem
        self._declared: dict[tuple[str, str], Kind] = {}
        """Kinds of CustomResourceDefinitions seen in this run, which the server may not know yet."""

    def cluster(self) -> Cluster:
        """Return the cluster. Raises ConfigError where none is configured."""
        if self._cluster is None:
            raise self._problem or ConfigError("the Kubernetes provider is not configured")
        return self._cluster

    def answers(self) -> bool:
        """Say whether the API server answers."""
        try:
            self.cluster().client.get("/version")
        except (ApiError, Unreachable, ProviderError):
            return False
        return True

    def default_namespace(self) -> str:
        """Return the provider's namespace, else the kubeconfig context's, else `default`."""
        if self._namespace:
            return self._namespace
        try:
            return self._cluster.namespace() if self._cluster else "default"
        except (ConfigError, OSError):
            return "default"

    def declare(self, definition: Json) -> None:
        """Take note of the kinds that a CustomResourceDefinition of the program makes.

        Of one that is malformed, or not known yet, of none: the server will say what is wrong with it.
        """
        spec = unwrap(definition.get("spec"))
        try:
            kinds = [custom_kind(spec, version["name"]) for version in spec["versions"]]
        except (AttributeError, KeyError, TypeError):
            return
        self._declared |= {(kind.api_version, kind.kind): kind for kind in kinds}

    def known(self, api_version: str, kind: str) -> Kind | None:
        """Return a kind from the table, this run's CRDs or the cluster; None if nobody knows it."""
        found = builtin_kind(api_version, kind) or self._declared.get((api_version, kind))
        if found is None and self._cluster:
            try:
                found = self._cluster.kind(api_version, kind)
            except (ApiError, Unreachable, ProviderError):
                return None
        return found

    def is_namespaced(self, identity: Identity) -> bool:
        """Return the scope of a kind; namespaced if nobody knows."""
        found = self.known(identity.api_version, identity.kind)
        return found.namespaced if found else True

    def has_namespace(self, api_version: str, kind: str) -> bool:
        """Return `is_namespaced` of a kind by its names."""
        return self.is_namespaced(Identity(api_version, kind))

    def target(self, identity: Identity, document: Json, deadline: float) -> Target:
        """Return the target of checked inputs; waits a while for a kind that the server does not have yet.

        `deadline` is in time.monotonic's seconds. Raises ProviderError when the kind does not come.
        """
        found = self._kind(identity)
        for pause in KIND_PAUSES:
            if found or time.monotonic() + pause > deadline or is_builtin(identity.api_version):
                break
            if self.canceled.wait(pause):
                break
            found = self._kind(identity)
        if found is None:
            raise ProviderError(_unknown_kind(identity))
        metadata = document["metadata"]
        namespace = metadata.get("namespace") if found.namespaced else None
        return Target(self.cluster(), found, namespace, metadata["name"], self.canceled)

    def existing(self, identity: Identity, id: str) -> Target | None:
        """Return the target of a recorded or imported id; None when the cluster has lost the kind."""
        found = self._kind(identity)
        namespace, name = split_id(id)
        if found and found.namespaced and namespace is None:
            namespace = self.default_namespace()
        return Target(self.cluster(), found, namespace, name, self.canceled) if found else None

    def _kind(self, identity: Identity) -> Kind | None:
        try:
            return self.cluster().kind(identity.api_version, identity.kind)
        except (ApiError, Unreachable) as error:
            what = f"the kind {identity.kind} of {identity.api_version}"
            raise explained(error, "look up", what) from error


def _unknown_kind(identity: Identity) -> str:
    what = f"the cluster does not know the kind {identity.kind} of {identity.api_version}"
    if is_builtin(identity.api_version):
        return f"{what}; this version of Kubernetes may have dropped it: use a newer apiVersion"
    return (
        f"{what}; install its CustomResourceDefinition first, and let this resource depend on it (depends_on)"
    )
