"""What the server itself writes when an object is created or changed: identity, generation, initial status.

Pure: an incoming object and the live one go in, the object to store comes out.
"""

from collections.abc import Callable
from typing import Any

from local.apiserver import kinds
from local.apiserver.kinds import Kind
from local.apiserver.objects import Object, new_uid, now

WITHOUT_GENERATION = frozenset(
    {
        kinds.SERVICE,
        kinds.NAMESPACE,
        kinds.NODE,
        kinds.RESOURCEQUOTA,
        kinds.LIMITRANGE,
        kinds.PERSISTENTVOLUME,
        kinds.PERSISTENTVOLUMECLAIM,
        kinds.LEASE,
        kinds.HPA,
        kinds.CONFIGMAP,
        kinds.SECRET,
        kinds.SERVICEACCOUNT,
        kinds.EVENT,
        kinds.ENDPOINTS,
        kinds.ENDPOINTSLICE,
        kinds.ROLE,
        kinds.ROLEBINDING,
        kinds.CLUSTERROLE,
        kinds.CLUSTERROLEBINDING,
        kinds.STORAGECLASS,
    }
)
"""Built-in kinds whose objects carry no metadata.generation."""
SERVER_METADATA = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
"""Metadata that callers cannot change."""


def stamp_new(kind: Kind, obj: Object) -> None:
    """Give a new object its identity, generation 1 and its initial status, in place."""
    metadata = obj["metadata"]
    for field in (*SERVER_METADATA, "selfLink", "resourceVersion"):
        metadata.pop(field, None)
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = now()
    if kind not in WITHOUT_GENERATION:
        metadata["generation"] = 1
    if not kind.namespaced:
        metadata.pop("namespace", None)
    if kind.status:
        reset_status(kind, obj)
    finish = CREATED.get(kind)
    if finish is not None:
        finish(obj)


def reset_status(kind: Kind, obj: Object) -> None:
    """Throw away the status that a caller sent where only the status subresource may write it."""
    obj.pop("status", None)
    if not kind.custom:
        obj["status"] = {}


def carry_over(kind: Kind, live: Object, obj: Object, subresource: str) -> Object:
    """Return the object to store for an update: the caller's part of `obj`, the rest of the live one."""
    if subresource == "status":
        return _status_update(live, obj)
    result = dict(obj)
    metadata = result["metadata"] = dict(obj["metadata"])
    _keep(metadata, live["metadata"], SERVER_METADATA)
    if kind.status:
        result.pop("status", None)
        if "status" in live:
            result["status"] = live["status"]
    if kind not in WITHOUT_GENERATION and _spec(kind, live) != _spec(kind, result):
        metadata["generation"] = live["metadata"].get("generation", 0) + 1
    return result


def _status_update(live: Object, obj: Object) -> Object:
    """Return the live object with the status of `obj`, and its managedFields where it has them."""
    result = {**live, "metadata": dict(live["metadata"])}
    if obj.get("metadata", {}).get("managedFields") is not None:
        result["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
    if "status" in obj:
        result["status"] = obj["status"]
    else:
        result.pop("status", None)
    return result


def _keep(metadata: Object, live: Object, fields: tuple[str, ...]) -> None:
    for field in fields:
        if field in live:
            metadata[field] = live[field]
        else:
            metadata.pop(field, None)


def _spec(kind: Kind, obj: Object) -> Any:
    """Return what a generation counts changes of: the spec, or all but metadata and status of custom ones."""
    if kind.custom:
        return {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    return obj.get("spec")


def _new_namespace(namespace: Object) -> None:
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def _new_pod(pod: Object) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": quality(pod["spec"])}
    pod["spec"].setdefault("serviceAccountName", "default")
    pod["spec"].setdefault("serviceAccount", pod["spec"]["serviceAccountName"])


def quality(spec: Object) -> str:
    """Return a pod's quality of service class."""
    resources = [container.get("resources", {}) for container in spec.get("containers") or ()]
    if not any(item.get("limits") or item.get("requests") for item in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(item.get("limits", {}))
        and item.get("requests", {}) == item.get("limits", {})
        for item in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _new_job(job: Object) -> None:
    spec, metadata = job["spec"], job["metadata"]
    if spec.get("manualSelector"):
        return
    uid, name = metadata["uid"], metadata.get("name", "")
    template_labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    template_labels |= {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def _new_claim(claim: Object) -> None:
    claim["status"] = {"phase": "Pending"}


CREATED: dict[Kind, Callable[[Object], None]] = {
    kinds.NAMESPACE: _new_namespace,
    kinds.POD: _new_pod,
    kinds.JOB: _new_job,
    kinds.PERSISTENTVOLUMECLAIM: _new_claim,
}
"""What else the server writes into a new object of a kind."""
