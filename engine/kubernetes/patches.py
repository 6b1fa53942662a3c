"""Patch resources (`DeploymentPatch`): fields of objects that are managed elsewhere.

They are applied by server-side apply under a field manager of their own. To delete one gives its fields up;
the object stays. Unlike other resources they follow the object's name and not its uid: an object that is made
anew is to be patched again.
"""

import hashlib
from typing import Any

from engine.kubernetes.annotations import annotation
from engine.kubernetes.rest import Conflict, Invalid, NotFound
from engine.kubernetes.target import Target, is_missing
from engine.provider import ProviderError

Json = dict[str, Any]


def manager_of(urn: str, document: Json, recorded: str | None) -> str:
    """Return the field manager: the annotation's, else the recorded one, else one of the resource's own.

    It follows from the URN, so that a patch whose answer was lost is sent again by the same manager.
    """
    digest = hashlib.sha256(urn.encode()).hexdigest()[:8]
    return annotation(document, "patchFieldManager") or recorded or f"pulumi-kubernetes-{digest}"


def apply(target: Target, document: Json, *, manager: str, previous: str | None, force: bool) -> Json:
    """Apply the fields, give up those of a `previous` manager, and return the object as the server has it.

    Raises Conflict where others own the fields and `force` is not set, and other ApiErrors.
    """
    query = {"fieldManager": manager} | ({"force": "true"} if force else {})
    live = target.cluster.client.patch(target.path, document, "apply", **query)
    if previous and previous != manager:
        return relinquish(target, live["metadata"]["uid"], previous) or live
    return live


def relinquish(target: Target, uid: str | None, manager: str) -> Json | None:
    """Give up all fields of a manager and return the object; None if the object is gone.

    Fields that nobody else owns vanish. The uid keeps the empty apply from creating the object anew. Raises
    ProviderError when a field is one that the object has to have.
    """
    guard = {"uid": uid} if uid else {}
    document = {
        "apiVersion": target.kind.api_version,
        "kind": target.kind.kind,
        "metadata": {"name": target.name, **guard},
    }
    try:
        return target.cluster.client.patch(target.path, document, "apply", fieldManager=manager)
    except (NotFound, Conflict, Invalid) as error:
        if is_missing(error):
            return None
        if required := _required(error.causes):
            raise ProviderError(
                f"cannot give up the patch of {target}: it sets fields that the object has to have "
                f"({', '.join(required)}); set the option retain_on_delete, or let another manager own them "
                "first"
            ) from error
        raise


def _required(causes: tuple[Json, ...]) -> list[str]:
    return [str(cause.get("field", "?")) for cause in causes if cause.get("reason") == "FieldValueRequired"]
