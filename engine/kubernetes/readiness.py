"""When an object counts as ready, kind by kind. Pure: related objects come through a `Lookup`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from engine.kubernetes.kinds import group_of
from engine.kubernetes.normal import quantity

Json = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Whether an object is ready, whether it never will be (`failed`), and why not."""

    ready: bool
    reasons: tuple[str, ...] = ()
    failed: bool = False


READY = Verdict(True)


def unready(*reasons: str) -> Verdict:
    """Return the verdict on an object that is not ready yet."""
    return Verdict(False, tuple(reason for reason in reasons if reason))


class Lookup(Protocol):
    """What a rule may ask about other objects of the same namespace."""

    def list(self, api_version: str, kind: str, labels: str = "") -> list[Json]:
        """Return the objects of a kind that have the labels (`a=b,c=d`)."""

    def get(self, api_version: str, kind: str, name: str) -> Json | None:
        """Return one object; None if there is none."""


Judge = Callable[[Json, Lookup], Verdict]


@dataclass(frozen=True)
class Rule:
    """How a kind is judged.

    `limit_seconds` overrides the resource's timeout; `related` says that objects other than this one decide,
    so that the judgement has to be repeated even when this one does not change; `patient` that every change
    of it starts its time anew.
    """

    judge: Judge
    limit_seconds: float | None = None
    related: bool = False
    patient: bool = False


def rule_for(api_version: str, kind: str) -> Rule | None:
    """Return the rule of a kind; None for kinds that are ready as soon as they exist."""
    return _RULES.get((group_of(api_version), kind))


def condition(document: Json, name: str) -> Json:
    """Return a status condition by type; empty if it is not there."""
    found: list[Json] = _status(document).get("conditions") or []
    return next((item for item in found if item.get("type") == name), {})


def is_observed(document: Json) -> bool:
    """Say whether the controller has seen the newest generation (objects without these fields: yes)."""
    observed = _status(document).get("observedGeneration")
    return observed is None or observed >= document["metadata"].get("generation", 0)


def selector_text(labels: Json) -> str:
    """Return match labels as a label selector."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def generic(document: Json, _: Lookup) -> Verdict:
    """Judge an object of unknown kind by the conventions of status: Ready and Reconciling conditions."""
    if not is_observed(document):
        return unready("its controller has not seen the newest generation")
    for name, bad in (("Reconciling", "True"), ("Stalled", "True"), ("Ready", "False"), ("Ready", "Unknown")):
        if condition(document, name).get("status") == bad:
            return unready(_described(condition(document, name)))
    return READY


def _deployment(document: Json, lookup: Lookup) -> Verdict:
    if (_status(document).get("observedGeneration") or 0) < document["metadata"].get("generation", 0):
        return unready("the deployment's controller has not seen the newest generation")
    available, progressing = condition(document, "Available"), condition(document, "Progressing")
    if available.get("status") != "True":
        return unready(_described(available), "Minimum number of live Pods was not attained")
    revision = _revision(document)
    if revision != "1" and progressing.get("reason") != "NewReplicaSetAvailable":
        return unready(_described(progressing))
    replica_set = _newest_replica_set(document, lookup, revision)
    if replica_set is None:
        return unready(f"the ReplicaSet of revision {revision} was not found")
    wanted, ready = _replicas(replica_set), _status(replica_set).get("readyReplicas") or 0
    if ready < wanted:
        return unready(f"{ready} of {wanted} Pods of the newest ReplicaSet are ready")
    return _claims(document, lookup)


def _newest_replica_set(document: Json, lookup: Lookup, revision: str) -> Json | None:
    labels = (document["spec"].get("selector") or {}).get("matchLabels") or {}
    for item in lookup.list("apps/v1", "ReplicaSet", selector_text(labels)):
        owners = item["metadata"].get("ownerReferences") or []
        if _revision(item) == revision and any(
            owner["uid"] == document["metadata"]["uid"] for owner in owners
        ):
            return item
    return None


def _claims(document: Json, lookup: Lookup) -> Verdict:
    volumes = document["spec"]["template"].get("spec", {}).get("volumes") or []
    names = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in volumes
        if "persistentVolumeClaim" in volume
    ]
    unbound = [name for name in names if _phase(lookup.get("v1", "PersistentVolumeClaim", name)) != "Bound"]
    return unready(f"PersistentVolumeClaims are not bound: {', '.join(unbound)}") if unbound else READY


def _stateful_set(document: Json, _: Lookup) -> Verdict:
    status, wanted = _status(document), _replicas(document)
    if not is_observed(document) or status.get("observedGeneration") is None:
        return unready("the controller has not seen the newest generation")
    on_delete = (document["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
    counted: tuple[str, ...] = ("replicas", "readyReplicas")
    if not (on_delete and document["metadata"].get("generation", 1) > 1):
        counted += ("currentReplicas",)
        if status.get("currentRevision") != status.get("updateRevision"):
            return unready("Pods of the old revision are still to be replaced")
    short = [
        f"{status.get(name) or 0} of {wanted} {name}" for name in counted if (status.get(name) or 0) != wanted
    ]
    return unready(*short) if short else READY


def _daemon_set(document: Json, _: Lookup) -> Verdict:
    status = _status(document)
    if (status.get("observedGeneration") or 0) < document["metadata"].get("generation", 0):
        return unready("the controller has not seen the newest generation")
    wanted = status.get("desiredNumberScheduled") or 0
    counted = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    short = [
        f"{status.get(name) or 0} of {wanted} {name}" for name in counted if (status.get(name) or 0) < wanted
    ]
    return unready(*short) if short else READY


def _job(document: Json, _: Lookup) -> Verdict:
    failed = condition(document, "Failed")
    if failed.get("status") == "True":
        return Verdict(False, (_described(failed),), failed=True)
    complete = _status(document).get("startTime") and condition(document, "Complete").get("status") == "True"
    return READY if complete else unready("the Job has not completed")


def _pod(document: Json, _: Lookup) -> Verdict:
    if _phase(document) == "Succeeded":
        return READY
    missing = [
        condition(document, name)
        or {"type": name, "reason": "Missing", "message": f"{name} is not reported yet"}
        for name in ("PodScheduled", "Initialized", "Ready")
        if condition(document, name).get("status") != "True"
    ]
    return unready(*map(_described, missing), *pod_problems([document])) if missing else READY


def _service(document: Json, lookup: Lookup) -> Verdict:
    spec = document["spec"]
    if spec.get("type") == "LoadBalancer" and not (_status(document).get("loadBalancer") or {}).get(
        "ingress"
    ):
        return unready("no load balancer address was assigned")
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return READY
    name = document["metadata"]["name"]
    slices = lookup.list("discovery.k8s.io/v1", "EndpointSlice", f"kubernetes.io/service-name={name}")
    endpoints = [endpoint for item in slices for endpoint in item.get("endpoints") or []]
    waiting = [item for item in endpoints if (item.get("conditions") or {}).get("ready") is False]
    waiting = [item for item in waiting if not (item.get("conditions") or {}).get("terminating")]
    return (
        unready(f"{len(waiting)} of {len(endpoints)} Pods behind the Service are not ready")
        if waiting
        else READY
    )


def _ingress(document: Json, lookup: Lookup) -> Verdict:
    if not (_status(document).get("loadBalancer") or {}).get("ingress"):
        return unready("no address was assigned to the Ingress")
    rules = document["spec"].get("rules") or []
    paths = [path for rule in rules for path in (rule.get("http") or {}).get("paths") or []]
    backends = [path.get("backend") or {} for path in paths]
    names = {
        str((item.get("service") or {}).get("name") or item.get("serviceName") or "") for item in backends
    }
    names.discard("")
    missing = sorted(name for name in names if lookup.get("v1", "Service", name) is None)
    return unready(f"Services of its paths do not exist: {', '.join(missing)}") if missing else READY


def _volume(document: Json, _: Lookup) -> Verdict:
    return (
        READY if _phase(document) in ("Available", "Bound") else unready(f"its phase is {_phase(document)}")
    )


def _claim(document: Json, lookup: Lookup) -> Verdict:
    if _phase(document) == "Bound":
        return READY
    class_name = document["spec"].get("storageClassName")
    storage_class = lookup.get("storage.k8s.io/v1", "StorageClass", class_name) if class_name else None
    if storage_class and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer":
        return READY
    return unready(f"its phase is {_phase(document) or 'not reported'}")


def _replication_controller(document: Json, _: Lookup) -> Verdict:
    available, wanted = _status(document).get("availableReplicas") or 0, _replicas(document)
    return READY if available == wanted else unready(f"{available} of {wanted} replicas are available")


def _quota(document: Json, _: Lookup) -> Verdict:
    hard = document.get("spec", {}).get("hard") or {}
    stored = _status(document).get("hard") or {}
    same = {key: quantity(value) for key, value in hard.items()} == {
        k: quantity(v) for k, v in stored.items()
    }
    return READY if same else unready("status.hard does not equal spec.hard yet")


def _secret(document: Json, _: Lookup) -> Verdict:
    waiting = document.get("type") == "kubernetes.io/service-account-token" and not document.get("data")
    return unready("no token was filled in") if waiting else READY


def _definition(document: Json, _: Lookup) -> Verdict:
    established = condition(document, "Established")
    return (
        READY
        if established.get("status") == "True"
        else unready(_described(established) or "not established")
    )


def pod_problems(pods: list[Json]) -> tuple[str, ...]:
    """Return what keeps containers of these Pods from running.

    Waiting and terminated reasons, failed conditions.
    """
    problems: list[str] = []
    for pod in pods:
        name = f"Pod {pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"
        failed = [item for item in _status(pod).get("conditions") or [] if item.get("status") == "False"]
        problems += [f"[{name}]: {item['message']}" for item in failed if item.get("message")]
        states = [
            *(_status(pod).get("initContainerStatuses") or []),
            *(_status(pod).get("containerStatuses") or []),
        ]
        problems += [f"[{name}]: {text}" for state in states if (text := _container_problem(state))]
    return tuple(dict.fromkeys(problems))


def _container_problem(state: Json) -> str:
    current = state.get("state") or {}
    waiting = current.get("waiting") or {}
    ended = current.get("terminated") or (state.get("lastState") or {}).get("terminated") or {}
    parts = []
    if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
        parts.append(f"[{waiting['reason']}] {waiting.get('message', '')}".strip())
    if ended.get("exitCode"):
        reason, message = ended.get("reason", "Error"), ended.get("message", "")
        text = f"terminated with exit code {ended['exitCode']} ({reason}) {message}"
        parts.append(text.strip())
    return f"container {state.get('name')}: {'; '.join(parts)}" if parts else ""


def _described(item: Json) -> str:
    if not item:
        return ""
    return f"[{item.get('reason') or item.get('type')}] {item.get('message') or ''}".strip()


def _status(document: Json) -> Json:
    return document.get("status") or {}


def _phase(document: Json | None) -> str:
    return str(_status(document or {}).get("phase", ""))


def _replicas(document: Json) -> int:
    replicas = document["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _revision(document: Json) -> str:
    annotations = document["metadata"].get("annotations") or {}
    return str(annotations.get("deployment.kubernetes.io/revision", ""))


_RULES: dict[tuple[str, str], Rule] = {
    ("apps", "Deployment"): Rule(_deployment, related=True),
    ("apps", "StatefulSet"): Rule(_stateful_set),
    ("apps", "DaemonSet"): Rule(_daemon_set),
    ("batch", "Job"): Rule(_job, patient=True),
    ("", "Pod"): Rule(_pod, patient=True),
    ("", "Service"): Rule(_service, related=True),
    ("networking.k8s.io", "Ingress"): Rule(_ingress, related=True),
    ("extensions", "Ingress"): Rule(_ingress, related=True),
    ("", "PersistentVolume"): Rule(_volume, limit_seconds=300),
    ("", "PersistentVolumeClaim"): Rule(_claim, limit_seconds=300, related=True),
    ("", "ReplicationController"): Rule(_replication_controller, limit_seconds=600),
    ("", "ResourceQuota"): Rule(_quota, limit_seconds=60),
    ("", "Secret"): Rule(_secret, limit_seconds=5),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Rule(_definition, limit_seconds=60),
}
