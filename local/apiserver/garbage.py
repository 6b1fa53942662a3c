"""Deletion: finalizers, dependents by ownerReferences, and what lives in a namespace.

What a real cluster's garbage collector and namespace controller do some time later happens here at once, in
the same order: an object is marked, its dependents go, then it goes itself.
"""

from local.apiserver.kinds import KINDS, NAMESPACE, Kind
from local.apiserver.objects import Object, now, with_metadata
from local.apiserver.storage import Storage

FOREGROUND = "foregroundDeletion"


def delete(storage: Storage, kind: Kind, live: Object, propagation: str) -> Object:
    """Delete an object, or mark it where finalizers hold it; return its last state."""
    if propagation == "Orphan":
        _disown_dependents(storage, live)
    finalizers = list(live["metadata"].get("finalizers") or ())
    if propagation == "Foreground" and FOREGROUND not in finalizers:
        finalizers.append(FOREGROUND)
    marked = "deletionTimestamp" in live["metadata"]
    if kind is NAMESPACE:
        return _delete_namespace(storage, live)
    if not finalizers:
        return _remove(storage, kind, live)
    if not marked or finalizers != live["metadata"].get("finalizers"):
        live = storage.put(kind, _marked(kind, live, finalizers))
    if FOREGROUND in finalizers:
        _delete_dependents(storage, live["metadata"]["uid"], "Foreground")
        _finish_foreground(storage, kind, live)
    return live


def commit(storage: Storage, kind: Kind, new: Object) -> Object:
    """Store a changed object; one that waited for its last finalizer goes away for good."""
    metadata = new["metadata"]
    if "deletionTimestamp" in metadata and not metadata.get("finalizers") and kind is not NAMESPACE:
        return _remove(storage, kind, new)
    stored = storage.put(kind, new)
    if metadata.get("ownerReferences"):
        settle_orphan(storage, kind, stored)
    return stored


def settle_orphan(storage: Storage, kind: Kind, obj: Object) -> None:
    """Delete an object all of whose owners are gone already."""
    references = obj["metadata"].get("ownerReferences")
    if references and not any(_owner_lives(storage, kind, obj, reference) for reference in references):
        delete(storage, kind, obj, "Background")


def _owner_lives(storage: Storage, kind: Kind, obj: Object, reference: Object) -> bool:
    owner_kind = KINDS.named(reference.get("apiVersion", ""), reference.get("kind", ""))
    if owner_kind is None:
        return True
    namespace = obj["metadata"].get("namespace", "") if owner_kind.namespaced else ""
    owner = storage.find(owner_kind, namespace, reference.get("name", ""))
    return owner is not None and owner.object["metadata"]["uid"] == reference.get("uid")


def _marked(kind: Kind, live: Object, finalizers: list[str]) -> Object:
    metadata = live["metadata"]
    generation = metadata["generation"] + 1 if "generation" in metadata else None
    return with_metadata(
        live,
        finalizers=finalizers or None,
        deletionTimestamp=metadata.get("deletionTimestamp") or now(),
        deletionGracePeriodSeconds=0,
        generation=generation,
    )


def _remove(storage: Storage, kind: Kind, obj: Object) -> Object:
    last = storage.remove(kind, obj)
    uid = last["metadata"]["uid"]
    for owner in last["metadata"].get("ownerReferences") or ():
        _release_owner(storage, kind, last, owner)
    _delete_dependents(storage, uid, "Background")
    if kind.namespaced:
        _finish_namespace(storage, last["metadata"]["namespace"])
    return last


def _delete_dependents(storage: Storage, uid: str, propagation: str) -> None:
    """Delete what only this owner keeps; from what has other living owners, take the reference.

    In the foreground a dependent waits for its own dependents, if it has any.
    """
    for kind, namespace, name in storage.dependents(uid):
        entry = storage.find(kind, namespace, name)
        if entry is None:
            continue
        obj = entry.object
        others = [ref for ref in obj["metadata"]["ownerReferences"] if ref["uid"] != uid]
        if any(_owner_lives(storage, kind, obj, ref) for ref in others):
            storage.put(kind, with_metadata(obj, ownerReferences=others))
        elif "deletionTimestamp" not in obj["metadata"]:
            has_own = bool(storage.dependents(obj["metadata"]["uid"]))
            delete(storage, kind, obj, propagation if has_own else "Background")


def _disown_dependents(storage: Storage, owner: Object) -> None:
    uid = owner["metadata"]["uid"]
    for kind, namespace, name in storage.dependents(uid):
        entry = storage.find(kind, namespace, name)
        if entry is not None:
            references = [ref for ref in entry.object["metadata"]["ownerReferences"] if ref["uid"] != uid]
            storage.put(kind, with_metadata(entry.object, ownerReferences=references or None))


def _release_owner(storage: Storage, kind: Kind, gone: Object, reference: Object) -> None:
    """Let an owner that waits for its dependents go when the last blocking one is gone."""
    owner_kind = KINDS.named(reference.get("apiVersion", ""), reference.get("kind", ""))
    if owner_kind is None:
        return
    namespace = gone["metadata"].get("namespace", "") if owner_kind.namespaced else ""
    owner = storage.find(owner_kind, namespace, reference.get("name", ""))
    if owner is not None and owner.object["metadata"]["uid"] == reference.get("uid"):
        _finish_foreground(storage, owner_kind, owner.object)


def _finish_foreground(storage: Storage, kind: Kind, owner: Object) -> None:
    metadata = owner["metadata"]
    if FOREGROUND not in (metadata.get("finalizers") or ()) or _blocked(storage, metadata["uid"]):
        return
    current = storage.find(kind, metadata.get("namespace", ""), metadata["name"])
    if current is None or current.object["metadata"]["uid"] != metadata["uid"]:
        return
    finalizers = [name for name in current.object["metadata"].get("finalizers") or () if name != FOREGROUND]
    commit(storage, kind, with_metadata(current.object, finalizers=finalizers or None))


def _blocked(storage: Storage, uid: str) -> bool:
    for kind, namespace, name in storage.dependents(uid):
        entry = storage.find(kind, namespace, name)
        references = entry.object["metadata"].get("ownerReferences", ()) if entry else ()
        if any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in references):
            return True
    return False


def _delete_namespace(storage: Storage, live: Object) -> Object:
    name = live["metadata"]["name"]
    if "deletionTimestamp" not in live["metadata"]:
        live = storage.put(NAMESPACE, {**_marked(NAMESPACE, live, []), "status": {"phase": "Terminating"}})
    for kind in KINDS:
        if kind.namespaced:
            for entry in list(storage.entries(kind, name)):
                current = storage.find(kind, name, entry.object["metadata"]["name"])
                if current is not None and "deletionTimestamp" not in current.object["metadata"]:
                    delete(storage, kind, current.object, "Background")
    _finish_namespace(storage, name)
    return live


def _finish_namespace(storage: Storage, name: str) -> None:
    entry = storage.find(NAMESPACE, "", name)
    if entry is None or "deletionTimestamp" not in entry.object["metadata"]:
        return
    if not any(storage.count(kind, name) for kind in KINDS if kind.namespaced):
        storage.remove(NAMESPACE, entry.object)
