"""Creating and updating objects: POST first, server-side apply from then on.

One create is one call. The first update takes two (ownership is handed over, see `ownership`), every later
one takes one: the object's uid goes into the applied document, so that no read is needed to know that it is
still our object.
"""

import time
from dataclasses import dataclass
from typing import Any

from engine import paths
from engine.kubernetes.addressing import KIND_PAUSES
from engine.kubernetes.annotations import annotation, is_true
from engine.kubernetes.delete import wait_until_gone
from engine.kubernetes.ownership import (
    CREATE_MANAGER,
    is_created_from,
    owned_by,
    transfer_by_index,
    transfer_whole,
    without_defaults,
)
from engine.kubernetes.rest import AlreadyExists, Conflict, Invalid, NotFound
from engine.kubernetes.target import UID_MISMATCH, Target

Json = dict[str, Any]

_NULL = 'Invalid value: "null"'
"""In the refusal of an object that became empty by an apply (API server 1.34)."""


def create(target: Target, document: Json, *, manager: str, upsert: bool = False, deadline: float) -> Json:
    """Create the object and return it as the server has it.

    Waits a while for a missing namespace, and for the end of a predecessor that is being deleted (a replaced
    Job whose deletion was not awaited). `upsert` applies instead, which takes an existing object over. Raises
    AlreadyExists and other ApiErrors.
    """
    for pause in (*KIND_PAUSES, None):
        try:
            if upsert:
                return target.cluster.client.patch(target.path, document, "apply", fieldManager=manager)
            return target.cluster.client.create(target.collection, document, fieldManager=CREATE_MANAGER)
        except AlreadyExists:
            if pause is None or not _name_becomes_free(target, deadline):
                raise
        except NotFound as error:
            # Of Kubernetes' own kinds only the namespace can be what is missing for now.
            lasting = target.kind.builtin and not error.message.startswith("namespaces ")
            if lasting or pause is None or time.monotonic() + pause > deadline or target.canceled.wait(pause):
                raise
    raise AssertionError("unreachable")


def created(target: Target, document: Json) -> Json | None:
    """Return the object if a create of this document made it, by its field manager and its labels."""
    try:
        live = target.get()
    except NotFound:
        return None
    return live if is_created_from(live["metadata"], document["metadata"]) else None


def _name_becomes_free(target: Target, deadline: float) -> bool:
    """Wait for the end of an object that is being deleted; say whether the name is free then."""
    try:
        existing = target.get()
    except NotFound:
        return True
    if "deletionTimestamp" not in existing["metadata"]:
        return False
    wait_until_gone(target, existing, deadline, max(0.0, deadline - time.monotonic()))
    return True


def update(
    target: Target,
    document: Json,
    live: Json,
    *,
    manager: str,
    previous: str | None = None,
    force: bool = False,
    ignored: tuple[str, ...] = (),
) -> Json:
    """Bring the object to the document under the manager and return it as the server has it.

    `live` is the object as last seen (from the state), `previous` the manager that applied it before if that
    was another one, `ignored` the paths of ignoreChanges. Raises Conflict when someone else owns a field that
    is to be changed, and ApiErrors for which `target.is_missing` holds when the object is gone.
    """
    metadata = live["metadata"]
    if target.kind.kind == "CustomResourceDefinition":
        return _replace(target, document, metadata["uid"])
    force = force or forced(document) or not metadata.get("managedFields")
    handover = _Handover(target, manager, previous, metadata["uid"])
    handover.by_recorded(metadata)
    if ignored:
        document = without_ignored(document, target.get(), ignored, manager)
    guarded = {**document, "metadata": {**document["metadata"], "uid": metadata["uid"]}}
    try:
        return _apply(target, guarded, manager, force)
    except Conflict as conflict:
        # What the state says of managedFields may be old: take a fresh look before giving up.
        if UID_MISMATCH in conflict.message or not handover.by_live():
            raise
        return _apply(target, guarded, manager, force)
    except Invalid as refusal:
        if _NULL not in refusal.message or not handover.give_up_defaults(document):
            raise
        return _apply(target, guarded, manager, force)


def forced(document: Json) -> bool:
    """Say whether the program asks to take fields from their owners."""
    return is_true(document, "patchForce")


def manager_of(document: Json, recorded: str | None, minted: str) -> str:
    """Return the field manager to use: the annotation's, else the recorded one, else the newly minted one."""
    return annotation(document, "patchFieldManager") or recorded or minted


def _apply(target: Target, document: Json, manager: str, force: bool) -> Json:
    query = {"fieldManager": manager} | ({"force": "true"} if force else {})
    return target.cluster.client.patch(target.path, document, "apply", **query)


@dataclass(frozen=True)
class _Handover:
    """Moving the ownership of one object's fields to the manager that is about to apply."""

    target: Target
    manager: str
    previous: str | None
    uid: str

    def by_recorded(self, metadata: Json) -> None:
        """Hand over by the recorded metadata, in one call; by the live object if that is too old."""
        patch = transfer_by_index(metadata, self.manager, self.previous)
        if patch is None:
            return
        if not (patch and self._sent(patch)):
            self.by_live()

    def by_live(self) -> bool:
        """Hand over by the object's present managedFields; say whether there was anything to hand over."""
        for _ in range(3):  # controllers may write in between
            metadata = _own(self.target, self.uid)["metadata"]
            patch = transfer_whole(metadata, self.manager, self.previous)
            if patch is None:
                return False
            if self._sent(patch):
                return True
        return False

    def give_up_defaults(self, document: Json) -> bool:
        """Give up what the server has filled into objects that are declared empty; say whether there was any.

        An apply of `spec: {}` by the owner of defaults in `spec` would take these away, and the server makes
        null of an object that gets empty so.
        """
        metadata = _own(self.target, self.uid)["metadata"]
        patch = without_defaults(metadata, self.manager, document)
        return patch is not None and self._sent(patch)

    def _sent(self, patch: list[Json]) -> bool:
        """Send the patch; say whether its tests held."""
        try:
            self.target.cluster.client.patch(self.target.path, patch, "json")
        except (Invalid, Conflict):
            return False
        return True


def _own(target: Target, uid: str) -> Json:
    """Read the object that has this uid. Raises NotFound when there is none, or another one by its name."""
    live = target.get()
    found = live["metadata"]["uid"]
    if found != uid:
        raise NotFound(404, "NotFound", f"{target} is another object now: its uid is {found}, not {uid}")
    return live


def _replace(target: Target, document: Json, uid: str) -> Json:
    """Replace a CustomResourceDefinition.

    Its lists have no merge keys, so an apply would not remove versions.
    """
    live = _own(target, uid)["metadata"]
    metadata = {**document["metadata"], "resourceVersion": live["resourceVersion"], "uid": uid}
    return target.cluster.client.replace(
        target.path, {**document, "metadata": metadata}, fieldManager=CREATE_MANAGER
    )


def without_ignored(document: Json, live: Json, ignored: tuple[str, ...], manager: str) -> Json:
    """Leave ignored fields to their owners; where nobody else owns one alone, send what is live."""
    for text in ignored:
        path = paths.parse(text)
        ours, others = owned_by(live["metadata"], path, manager)
        if others and not ours:
            document = _with(document, path, None)
        elif (value := _value(live, path)) is not None:
            document = _with(document, path, value)
    return document


def _with(document: Any, path: paths.Path, value: Any) -> Any:
    """Return the document with the value at the path, or without it for None.

    Unchanged if there is no such place.
    """
    key, *rest = path
    if isinstance(key, int):
        if not isinstance(document, list) or key >= len(document):
            return document
        put = _with(document[key], tuple(rest), value) if rest else value
        return [put if index == key else item for index, item in enumerate(document)]
    if not isinstance(document, dict) or key not in document:
        return document
    if rest:
        return {**document, key: _with(document[key], tuple(rest), value)}
    others = {name: item for name, item in document.items() if name != key}
    return others if value is None else {**others, key: value}


def _value(document: Any, path: paths.Path) -> Any:
    for key in path:
        if isinstance(key, int):
            document = document[key] if isinstance(document, list) and key < len(document) else None
        else:
            document = document.get(key) if isinstance(document, dict) else None
    return document
