"""Small things about API objects that several modules need: times, uids, metadata edits, identity checks."""

import datetime
import secrets
import uuid
from typing import Any

from local.apiserver.errors import bad_request, conflict
from local.apiserver.kinds import Kind

Object = dict[str, Any]

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of generated names, as the real server's: no vowels, nothing to mix up."""
MAX_GENERATED_BASE = 58


def now() -> str:
    """Return the present time as RFC 3339 in UTC, whole seconds."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uid() -> str:
    """Return a fresh uid."""
    return str(uuid.uuid4())


def generated_name(base: str) -> str:
    """Return `generateName` with five random letters behind it, cut so that it fits a label."""
    return base[:MAX_GENERATED_BASE] + "".join(secrets.choice(ALPHABET) for _ in range(5))


def with_metadata(obj: Object, **changes: Any) -> Object:
    """Return the object with metadata fields set, or taken out where None; the rest is shared."""
    metadata = {**obj["metadata"], **changes}
    return {**obj, "metadata": {key: value for key, value in metadata.items() if value is not None}}


def check_identity(kind: Kind, obj: Object, namespace: str | None, name: str | None) -> None:
    """Raise ApiError 400 unless the object is of this kind and where the request says that it is."""
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata") or {}, dict):
        raise bad_request(f"{kind.kind} is not an object: the body must be a JSON object with metadata")
    said = (obj.get("apiVersion") or kind.api_version, obj.get("kind") or kind.kind)
    if said != (kind.api_version, kind.kind):
        raise bad_request(
            f"{said[1]} in version {said[0]!r} cannot be handled as a {kind.kind}: the API version or kind "
            f"in the data ({said[0]}, {said[1]}) does not match the expected one "
            f"({kind.api_version}, {kind.kind})"
        )
    metadata = obj.get("metadata") or {}
    for field in ("name", "namespace"):
        if not isinstance(metadata.get(field), str | None):
            raise bad_request(
                f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: json: cannot '
                f"unmarshal {type(metadata[field]).__name__} into Go struct field "
                f"ObjectMeta.metadata.{field} of type string"
            )
    if kind.namespaced and metadata.get("namespace") and namespace and metadata["namespace"] != namespace:
        raise bad_request(
            f"the namespace of the provided object does not match the namespace sent on the request "
            f"({metadata['namespace']} vs {namespace})"
        )
    if name is not None and metadata.get("name", name) != name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )


def check_same_uid(kind: Kind, live: Object, uid: str | None) -> None:
    """Raise ApiError 409 where a write names another uid than the live object's."""
    metadata = live["metadata"]
    if uid is not None and uid != metadata["uid"]:
        raise conflict(
            kind,
            metadata["name"],
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata['uid']}",
        )


def check_preconditions(kind: Kind, live: Object, *, uid: str | None, revision: str | None) -> None:
    """Raise ApiError 409 unless an object to delete has this uid and resourceVersion (None: any)."""
    metadata = live["metadata"]
    if uid is not None and uid != metadata["uid"]:
        raise conflict(
            kind,
            metadata["name"],
            f"the UID in the precondition ({uid}) does not match the UID in record ({metadata['uid']}). "
            "The object might have been deleted and then recreated",
        )
    if revision is not None and revision != metadata["resourceVersion"]:
        raise conflict(
            kind,
            metadata["name"],
            f"the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in "
            f"record ({metadata['resourceVersion']}). The object might have been modified",
        )
