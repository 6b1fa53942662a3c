"""One object on one cluster: its address, and its errors in words that help."""

import threading
from dataclasses import dataclass, field
from typing import Any

from engine.kubernetes.cluster import Cluster
from engine.kubernetes.kinds import Kind
from engine.kubernetes.rest import AlreadyExists, ApiError, Conflict, Forbidden, NotFound, Unreachable
from engine.provider import ProviderError

Json = dict[str, Any]

UID_MISMATCH = "uid mismatch"
"""In the message of the 409 that answers an apply to an object that no longer exists."""


@dataclass(frozen=True)
class Target:
    """An object by kind, namespace (None for cluster-scoped kinds) and name."""

    cluster: Cluster
    kind: Kind
    namespace: str | None
    name: str
    canceled: threading.Event = field(default_factory=threading.Event, compare=False)
    """Set when nothing is to be waited for any more."""

    @property
    def path(self) -> str:
        """The object's URL path."""
        return self.kind.path(self.namespace, self.name)

    @property
    def collection(self) -> str:
        """The URL path of the objects of this kind beside it."""
        return self.kind.path(self.namespace)

    @property
    def id(self) -> str:
        """The resource's id: `namespace/name`, or `name` where the kind has no namespace."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def get(self) -> Json:
        """Read the object. Raises NotFound."""
        return self.cluster.client.get(self.path)

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.id}"


def split_id(id: str) -> tuple[str | None, str]:
    """Return (namespace, name) of a resource id."""
    namespace, _, name = id.rpartition("/")
    return namespace or None, name


def recorded_id(document: Json) -> str:
    """Return the resource id of a document with all its defaults."""
    metadata = document["metadata"]
    return "/".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))


def explained(error: ApiError | Unreachable, doing: str, target: Target | str) -> ProviderError:
    """Return the error for the user: what was tried on which object, what the server said, what helps."""
    return ProviderError(explanation(error, doing, target))


def explanation(error: ApiError | Unreachable, doing: str, target: Target | str) -> str:
    """Return the text of `explained`."""
    head = f"cannot {doing} {target}"
    if isinstance(error, AlreadyExists):
        import_id = target.id if isinstance(target, Target) else ""
        return (
            f"{head}: it already exists, and nothing says that this stack made it. To take it over, give the "
            f"resource the option import_={import_id!r}; otherwise choose another name or delete the object"
        )
    if isinstance(error, Conflict) and error.causes:
        return f"{head}: {_conflicts(error)}"
    if doing == "update" and is_missing(error):
        return (
            f"{head}: it no longer exists, or another object has its name now. Refresh the stack to see what "
            "is there; the next update then creates it"
        )
    if isinstance(error, Forbidden):
        return f"{head}: the account in use is not allowed to. {error.message}"
    return f"{head}: {error.message if isinstance(error, ApiError) else error}"


def is_missing(error: Exception) -> bool:
    """Say whether the error means that the object that was meant is not there."""
    if isinstance(error, NotFound):
        return True
    if isinstance(error, Conflict) and UID_MISMATCH in error.message:
        return True
    return isinstance(error, ApiError) and any(cause.get("field") == "metadata.uid" for cause in error.causes)


def _conflicts(error: Conflict) -> str:
    """Name every field in conflict, its owner, and the two ways out."""
    owned = [f"{cause.get('field', '?')} ({cause.get('message', 'conflict')})" for cause in error.causes]
    fields = [str(cause.get("field", "")).lstrip(".") for cause in error.causes]
    return (
        f"other field managers own what is to be changed: {'; '.join(owned)}. To take these fields over, set "
        'the annotation pulumi.com/patchForce: "true"; to leave them to their owner, give the resource the '
        f"option ignore_changes={fields}"
    )
