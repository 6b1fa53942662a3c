"""The objects of the local platform and the rules by which they change.

The one home of the API's semantics: everything that can be written over HTTP or by a controller in this
process goes through here. Synchronous and for one thread, the event loop's; only watches wait. The steps of a
write are pure functions of other modules (`schemas`, `defaults`, `strategies`, `validation`, `fields`); this
module puts them in order and commits.

Objects that are handed out belong to the store: read them, copy them before editing. Objects that are handed
in are copied. Every method raises ApiError with the Status that a real server would send.

Departures from a real server: one version per kind; no admission (quotas and limit ranges are stored, not
enforced; pods get no token volume; services no cluster IP); whoever may update a pod may bind it to a node;
deletion of dependents, of a namespace's content and of pods happens at once instead of by controllers later,
so there is no grace period; lists are never chunked by the server.
"""

from collections.abc import Sequence
from typing import Any, Literal

from local.apiserver import garbage, objects, patches, strategies
from local.apiserver.defaults import set_defaults
from local.apiserver.errors import (
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
    stale,
)
from local.apiserver.fields.managers import (
    Manager,
    Managers,
    Request,
    claim_new,
    dump,
    empty_object,
    load,
    track_apply,
    track_update,
)
from local.apiserver.kinds import CONFIGMAP, KINDS, NAMESPACE, SERVICEACCOUNT, Kind
from local.apiserver.objects import Object
from local.apiserver.schemas.types import schemas
from local.apiserver.selectors import compile_selectors
from local.apiserver.storage import Entry, Storage
from local.apiserver.typed import APPLY, IGNORE, FieldPolicy, decode
from local.apiserver.validation import validate_create, validate_update
from local.apiserver.watch import Watch

PatchType = Literal["merge", "json", "strategic"]
Propagation = Literal["Background", "Foreground", "Orphan"]
IMMORTAL = ("default", "kube-system")
"""Namespaces that are there from the start and cannot be deleted."""


class Store:
    """All objects. The namespaces `default` and `kube-system` exist from the start."""

    def __init__(self) -> None:
        self.storage = Storage()
        self._schemas = schemas()
        self._empty = {kind: empty_object(self._schemas.root(kind)) for kind in KINDS if not kind.custom}
        for name in IMMORTAL:
            self.create(NAMESPACE, {"metadata": {"name": name}})

    def entry(self, kind: Kind, namespace: str | None, name: str) -> Entry:
        """Return one object with its JSON. Raises ApiError 404."""
        found = self.storage.find(kind, (namespace or "") if kind.namespaced else "", name)
        if found is None:
            raise not_found(kind, name)
        return found

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """Return one object. Raises ApiError 404."""
        return self.entry(kind, namespace, name).object

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> "tuple[list[Object], str]":
        """Return the selected objects, by namespace and name, and the resourceVersion to watch from."""
        entries = self.entries(kind, namespace, labels=labels, fields=fields)
        return [entry.object for entry in entries], str(self.storage.revision)

    def entries(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Sequence[Entry]:
        """Return the selected objects with their JSON."""
        found = self.storage.entries(kind, namespace if kind.namespaced else None)
        if not labels and not fields:
            return [*found]
        selected = compile_selectors(kind, None, labels, fields)
        return [entry for entry in found if selected(entry.object)]

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        since: str | None = None,
        labels: str = "",
        fields: str = "",
    ) -> Watch:
        """Watch the selected objects; without `since` it starts with ADDED of all that are there.

        Raises ApiError 410 where the changes since then are no longer known.
        """
        selected = compile_selectors(kind, namespace if kind.namespaced else None, labels, fields)
        return self.storage.watch(kind, selected, since)

    def create(
        self,
        kind: Kind,
        obj: Object,
        *,
        manager: str = "local",
        dry_run: bool = False,
        policy: FieldPolicy = IGNORE,
    ) -> Object:
        """Create an object, named by itself or from its generateName.

        Raises ApiError 409 where the name is taken, 404 where its namespace is not there, 422 for an invalid
        one.
        """
        objects.check_identity(kind, obj, None, None)
        new = self._decode(kind, obj, policy)
        metadata = new["metadata"]
        if metadata.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = objects.generated_name(metadata["generateName"])
        metadata.pop("managedFields", None)
        self._check_place(kind, new)
        set_defaults(kind, new)
        request = self._request(kind, Manager(manager, "Update", kind.api_version))
        managers = track_update(request, {}, self._empty.get(kind, {}), new)
        return self._insert(kind, new, managers, dry_run=dry_run)

    def update(
        self,
        kind: Kind,
        obj: Object,
        *,
        manager: str = "local",
        subresource: str = "",
        dry_run: bool = False,
        policy: FieldPolicy = IGNORE,
    ) -> Object:
        """Replace an object, or its status; with a resourceVersion in it only that version, 409 otherwise."""
        objects.check_identity(kind, obj, None, None)
        metadata = obj.get("metadata") or {}
        live = self.get(kind, metadata.get("namespace"), metadata.get("name", ""))
        return self._replace(kind, live, obj, manager, subresource, dry_run, policy)

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        patch_type: PatchType,
        manager: str = "local",
        subresource: str = "",
        dry_run: bool = False,
        policy: FieldPolicy = IGNORE,
    ) -> Object:
        """Change an object by a JSON merge patch, a JSON patch (a list) or a strategic merge patch."""
        live = self.get(kind, namespace, name)
        new = patches.apply_patch(kind, self._schemas.root(kind), live, patch, patch_type)
        objects.check_identity(kind, new, live["metadata"].get("namespace"), name)
        return self._replace(kind, live, new, manager, subresource, dry_run, policy)

    def apply(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        obj: Object,
        *,
        manager: str = "local",
        force: bool = False,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Apply a configuration: create the object, or change the fields in it and drop those left out since.

        Raises ApiError 409 with the conflicting fields where others own them and it is not forced.
        """
        config = self._configuration(kind, namespace, name, obj)
        live_entry = self.storage.find(kind, (namespace or "") if kind.namespaced else "", name)
        request = self._request(kind, Manager(manager, "Apply", kind.api_version, subresource))
        if live_entry is None:
            return self._apply_new(kind, config, request, subresource, dry_run)
        live = live_entry.object
        objects.check_same_uid(kind, live, config["metadata"].get("uid"))
        before = load(live["metadata"].get("managedFields"))
        merged, managers = track_apply(request, before, live, config, force=force)
        if merged == live and managers == before:
            return live
        revision = config["metadata"].get("resourceVersion")
        merged = objects.with_metadata(merged, managedFields=None, resourceVersion=revision)
        new = self._decode(kind, merged, IGNORE)
        set_defaults(kind, new)
        return self._finish_update(kind, live, new, managers, subresource, dry_run)

    def update_status(self, kind: Kind, namespace: str | None, name: str, status: Object) -> Object:
        """Replace the status, a controller's shorthand; an equal one changes nothing. Raises ApiError 404."""
        live = self.get(kind, namespace, name)
        if live.get("status") == status:
            return live
        return self.update(kind, {**live, "status": status}, manager="local", subresource="status")

    def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        propagation: Propagation | None = "Background",
        uid: str | None = None,
        revision: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Delete an object and, by propagation, what it owns; return its last state.

        With finalizers (or Foreground and dependents that block) it stays, with a deletionTimestamp, until
        they are gone. Raises ApiError 404, and 409 where the uid or resourceVersion is another one.
        """
        live = self.get(kind, namespace, name)
        objects.check_preconditions(kind, live, uid=uid, revision=revision)
        if kind is NAMESPACE and name in IMMORTAL:
            raise forbidden(kind, name, "this namespace may not be deleted")
        if dry_run:
            return live
        return garbage.delete(self.storage, kind, live, propagation or "Background")

    def _decode(self, kind: Kind, obj: Object, policy: FieldPolicy) -> Object:
        return decode(kind, self._schemas.root(kind), obj, policy)

    def _request(self, kind: Kind, manager: Manager) -> Request:
        reset = ("spec" if manager.subresource == "status" else "status") if kind.status else ""
        return Request(manager=manager, type=self._schemas.root(kind), reset=reset, now=objects.now())

    def _check_place(self, kind: Kind, obj: Object) -> None:
        """Raise ApiError unless an object of this name may be created where it says."""
        metadata = obj["metadata"]
        name = metadata.get("name", "")
        if not kind.namespaced:
            return
        if not metadata.get("namespace"):
            raise bad_request(
                f"an empty namespace may not be set during creation of {kind.resource} {name!r}"
            )
        namespace = self.get(NAMESPACE, None, metadata["namespace"])
        if "deletionTimestamp" in namespace["metadata"]:
            where = metadata["namespace"]
            cause = Cause(
                "NamespaceTerminating", f"namespace {where} is being terminated", "metadata.namespace"
            )
            why = f"unable to create new content in namespace {where} because it is being terminated"
            raise forbidden(kind, name, why, [cause])

    def _insert(self, kind: Kind, new: Object, managers: Managers, *, dry_run: bool) -> Object:
        """Store a decoded, defaulted new object."""
        metadata = new["metadata"]
        name = metadata.get("name", "")
        key_namespace = metadata.get("namespace", "") if kind.namespaced else ""
        if self.storage.find(kind, key_namespace, name) is not None:
            raise already_exists(kind, name)
        strategies.stamp_new(kind, new)
        causes = validate_create(kind, new, self._schemas.root(kind))
        if causes:
            raise invalid(kind, name, causes)
        if managers:
            metadata["managedFields"] = dump(managers)
        if dry_run:
            return new
        self.storage.put(kind, new)
        if kind is NAMESPACE:
            self._furnish(name)
        garbage.settle_orphan(self.storage, kind, new)
        return new

    def _furnish(self, namespace: str) -> None:
        """Put into a new namespace what the controllers of a real cluster put there."""
        self.create(SERVICEACCOUNT, {"metadata": {"name": "default", "namespace": namespace}})
        root = {"metadata": {"name": "kube-root-ca.crt", "namespace": namespace}, "data": {"ca.crt": ""}}
        self.create(CONFIGMAP, root)

    def _configuration(self, kind: Kind, namespace: str | None, name: str, obj: Object) -> Object:
        """Return the applied configuration with its identity filled in, as a new tree."""
        objects.check_identity(kind, obj, namespace, name)
        if (obj.get("metadata") or {}).get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if not obj.get("apiVersion") or not obj.get("kind"):
            raise bad_request(
                "Object 'Kind' is missing in the applied configuration: apiVersion and kind must be set"
            )
        config = self._decode(kind, obj, APPLY)
        config["metadata"]["name"] = name
        if kind.namespaced and namespace:
            config["metadata"]["namespace"] = namespace
        return config

    def _apply_new(
        self, kind: Kind, config: Object, request: Request, subresource: str, dry_run: bool
    ) -> Object:
        metadata = config["metadata"]
        if subresource:
            raise not_found(kind, metadata["name"])
        if metadata.get("uid"):
            raise conflict(
                kind,
                metadata["name"],
                f"uid mismatch: the provided object specified uid {metadata['uid']}, "
                "and no existing object was found",
            )
        managers = claim_new(request, config)
        metadata = {key: value for key, value in metadata.items() if key != "resourceVersion"}
        new = self._decode(kind, {**config, "metadata": metadata}, IGNORE)
        self._check_place(kind, new)
        set_defaults(kind, new)
        return self._insert(kind, new, managers, dry_run=dry_run)

    def _replace(
        self,
        kind: Kind,
        live: Object,
        obj: Object,
        manager: str,
        subresource: str,
        dry_run: bool,
        policy: FieldPolicy,
    ) -> Object:
        new = self._decode(kind, obj, policy)
        set_defaults(kind, new)
        request = self._request(kind, Manager(manager, "Update", kind.api_version, subresource))
        given = new["metadata"].pop("managedFields", None)
        managers = self._starting_managers(live, given, subresource)
        before = {**live, "metadata": {k: v for k, v in live["metadata"].items() if k != "managedFields"}}
        managers = track_update(request, managers, before, new)
        return self._finish_update(kind, live, new, managers, subresource, dry_run)

    @staticmethod
    def _starting_managers(live: Object, given: Any, subresource: str) -> Managers:
        """Return the ownership that a write starts from: the caller's list where it gives a readable one."""
        if given == [{}] and not subresource:
            return {}
        return (load(given) if given and not subresource else {}) or load(
            live["metadata"].get("managedFields")
        )

    def _finish_update(
        self, kind: Kind, live: Object, new: Object, managers: Managers, subresource: str, dry_run: bool
    ) -> Object:
        """Check and commit a new state of a live object; equal states commit nothing."""
        metadata, name = live["metadata"], live["metadata"]["name"]
        objects.check_same_uid(kind, live, new["metadata"].get("uid"))
        revision = new["metadata"].get("resourceVersion")
        if revision and revision != metadata["resourceVersion"]:
            raise stale(kind, name)
        new = strategies.carry_over(kind, live, new, subresource)
        new["metadata"]["resourceVersion"] = metadata["resourceVersion"]
        new["metadata"]["managedFields"] = dump(managers)
        if not managers:
            del new["metadata"]["managedFields"]
        if _same(live, new):
            return live
        causes = validate_update(kind, live, new, self._schemas.root(kind), subresource)
        if causes:
            raise invalid(kind, name, causes)
        if dry_run:
            return new
        return garbage.commit(self.storage, kind, new)


def _same(live: Object, new: Object) -> bool:
    """Say whether two states are equal but for the times in managedFields."""
    if live == new:
        return True
    return _timeless(live) == _timeless(new)


def _timeless(obj: Object) -> Object:
    metadata = obj["metadata"]
    entries = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in metadata.get("managedFields") or ()
    ]
    return {**obj, "metadata": {**metadata, "managedFields": entries}}
