"""What `kubectl get` prints: columns per kind, in the form of meta.k8s.io/v1 Table."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.apiserver import kinds
from local.apiserver.kinds import Kind

Object = dict[str, Any]
Cell = Callable[[Object], Any]
NONE = "<none>"
UNKNOWN = "<unknown>"


@dataclass(frozen=True)
class Column:
    """One column. `wide` ones are shown with -o wide only."""

    name: str
    cell: Cell
    type: str = "string"
    wide: bool = False


def table(kind: Kind, objects: list[Object], revision: str, include: str = "Metadata") -> Object:
    """Return objects as a Table. `include` is how much of each a row carries: None, Metadata or Object."""
    columns = [NAME, *COLUMNS.get(kind, ()), *(() if kind in WITHOUT_AGE else (AGE,)), *WIDE.get(kind, ())]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": revision},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(columns, obj, include) for obj in objects],
    }


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if column.name == "Name" else "",
        "description": "",
        "priority": 1 if column.wide else 0,
    }


def _row(columns: list[Column], obj: Object, include: str) -> Object:
    row: Object = {"cells": [column.cell(obj) for column in columns]}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        metadata = obj["metadata"]
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
        }
    return row


def age(timestamp: str | None) -> str:
    """Return the time since then as kubectl shows it: `45s`, `3m12s`, `5h`, `12d`."""
    if not timestamp:
        return UNKNOWN
    then = datetime.datetime.fromisoformat(timestamp)
    return duration(int((datetime.datetime.now(datetime.UTC) - then).total_seconds()))


def duration(seconds: int) -> str:
    """Return a number of seconds in at most two units, the finer one only while it says something."""
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    return f"{days}d"


def at(path: str, default: Any = "") -> Cell:
    """Return a cell that shows the value at a dotted path."""
    parts = path.split(".")

    def cell(obj: Object) -> Any:
        value: Any = obj
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def condition(type_: str, field: str = "status") -> Cell:
    """Return a cell that shows a field of one status condition."""

    def cell(obj: Object) -> Any:
        for item in obj.get("status", {}).get("conditions") or ():
            if item.get("type") == type_:
                return item.get(field, "")
        return ""

    return cell


def _length(path: str) -> Cell:
    inner = at(path, ())
    return lambda obj: len(inner(obj))


def _pod_ready(pod: Object) -> str:
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    ready = sum(1 for status in statuses if status.get("ready"))
    return f"{ready}/{len(pod['spec'].get('containers') or ())}"


def _pod_status(pod: Object) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    status = pod.get("status", {})
    reason: str = status.get("reason") or status.get("phase") or "Unknown"
    for container in status.get("containerStatuses") or ():
        state = container.get("state", {})
        detail = state.get("waiting") or state.get("terminated") or {}
        if detail.get("reason"):
            reason = detail["reason"]
        elif "exitCode" in detail:
            reason = f"ExitCode:{detail['exitCode']}"
    if reason == "Completed" and status.get("phase") == "Running":
        return "Running"
    return reason


def _pod_restarts(pod: Object) -> str:
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return str(sum(status.get("restartCount", 0) for status in statuses))


def _job_status(job: Object) -> str:
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    for type_ in ("Complete", "Failed", "Suspended"):
        if condition(type_)(job) == "True":
            return type_
    return "Running"


def _job_completions(job: Object) -> str:
    succeeded = job.get("status", {}).get("succeeded", 0)
    wanted = job["spec"].get("completions")
    return f"{succeeded}/{wanted}" if wanted is not None else f"{succeeded}/1"


def _job_duration(job: Object) -> str:
    status = job.get("status", {})
    if "startTime" not in status:
        return ""
    if "completionTime" not in status:
        return age(status["startTime"])
    start, end = (datetime.datetime.fromisoformat(status[key]) for key in ("startTime", "completionTime"))
    return duration(int((end - start).total_seconds()))


def _service_ports(service: Object) -> str:
    ports = service["spec"].get("ports") or ()
    return ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in ports) or NONE


def _ready_of(wanted: str) -> Cell:
    return lambda obj: f"{obj.get('status', {}).get('readyReplicas', 0)}/{at(wanted, 0)(obj)}"


def _containers(field: str, path: str = "spec.template.spec.containers") -> Cell:
    return lambda obj: ",".join(str(item.get(field, "")) for item in at(path, ())(obj))


def _event_object(event: Object) -> str:
    about = event.get("involvedObject", {})
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _role_reference(binding: Object) -> str:
    return f"{binding['roleRef']['kind']}/{binding['roleRef']['name']}"


def _last_seen(event: Object) -> str:
    return age(
        event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    )


NAME = Column("Name", at("metadata.name"))
AGE = Column("Age", lambda obj: age(obj["metadata"].get("creationTimestamp")))
_READY = (Column("Ready", condition("Ready")), Column("Reason", condition("Ready", "reason")))
_WORKLOAD_WIDE = (
    Column("Containers", _containers("name"), wide=True),
    Column("Images", _containers("image"), wide=True),
)
_DEPLOYED = (
    Column("Ready", _ready_of("spec.replicas")),
    Column("Up-to-date", at("status.updatedReplicas", 0), "integer"),
    Column("Available", at("status.availableReplicas", 0), "integer"),
)

COLUMNS: dict[Kind, tuple[Column, ...]] = {
    kinds.POD: (
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _pod_restarts),
    ),
    kinds.JOB: (
        Column("Status", _job_status),
        Column("Completions", _job_completions),
        Column("Duration", _job_duration),
    ),
    kinds.CRONJOB: (
        Column("Schedule", at("spec.schedule")),
        Column("Suspend", lambda obj: str(at("spec.suspend", False)(obj))),
        Column("Active", _length("status.active"), "integer"),
        Column(
            "Last Schedule", lambda obj: age(at("status.lastScheduleTime", None)(obj)).replace(UNKNOWN, NONE)
        ),
    ),
    kinds.NAMESPACE: (Column("Status", at("status.phase")),),
    kinds.CONFIGMAP: (
        Column("Data", lambda obj: _length("data")(obj) + _length("binaryData")(obj), "integer"),
    ),
    kinds.SECRET: (Column("Type", at("type")), Column("Data", _length("data"), "integer")),
    kinds.SERVICEACCOUNT: (Column("Secrets", _length("secrets"), "integer"),),
    kinds.SERVICE: (
        Column("Type", at("spec.type")),
        Column("Cluster-IP", at("spec.clusterIP", NONE)),
        Column("External-IP", at("spec.externalName", NONE)),
        Column("Port(s)", _service_ports),
    ),
    kinds.DEPLOYMENT: _DEPLOYED,
    kinds.STATEFULSET: (Column("Ready", _ready_of("spec.replicas")),),
    kinds.REPLICASET: (
        Column("Desired", at("spec.replicas", 0), "integer"),
        Column("Current", at("status.replicas", 0), "integer"),
        Column("Ready", at("status.readyReplicas", 0), "integer"),
    ),
    kinds.EVENT: (
        Column("Last Seen", _last_seen),
        Column("Type", at("type")),
        Column("Reason", at("reason")),
        Column("Object", _event_object),
        Column("Message", lambda obj: str(obj.get("message", "")).strip()),
    ),
    kinds.ROLEBINDING: (Column("Role", _role_reference),),
    kinds.CLUSTERROLEBINDING: (Column("Role", _role_reference),),
    kinds.LEASE: (Column("Holder", at("spec.holderIdentity")),),
    kinds.NETWORKPOLICY: (
        Column("Pod-Selector", lambda obj: _labels(at("spec.podSelector.matchLabels", {})(obj))),
    ),
    kinds.PDB: (
        Column("Min Available", at("spec.minAvailable", "N/A")),
        Column("Max Unavailable", at("spec.maxUnavailable", "N/A")),
        Column("Allowed Disruptions", at("status.disruptionsAllowed", 0), "integer"),
    ),
    kinds.HPA: (
        Column(
            "Reference",
            lambda obj: "/".join(str(at(f"spec.scaleTargetRef.{f}")(obj)) for f in ("kind", "name")),
        ),
        Column("MinPods", at("spec.minReplicas", "<unset>")),
        Column("MaxPods", at("spec.maxReplicas", 0), "integer"),
        Column("Replicas", at("status.currentReplicas", 0), "integer"),
    ),
    kinds.KSERVICE: (
        Column("URL", at("status.url")),
        Column("LatestCreated", at("status.latestCreatedRevisionName")),
        Column("LatestReady", at("status.latestReadyRevisionName")),
        *_READY,
    ),
    kinds.REVISION: (
        Column("Config Name", lambda obj: _label(obj, "serving.knative.dev/configuration")),
        Column("Generation", lambda obj: _label(obj, "serving.knative.dev/configurationGeneration")),
        *_READY,
        Column("Actual Replicas", at("status.actualReplicas", None), "integer"),
        Column("Desired Replicas", at("status.desiredReplicas", None), "integer"),
    ),
    kinds.CONFIGURATION: (
        Column("LatestCreated", at("status.latestCreatedRevisionName")),
        Column("LatestReady", at("status.latestReadyRevisionName")),
        *_READY,
    ),
    kinds.ROUTE: (Column("URL", at("status.url")), *_READY),
    kinds.BROKER: (Column("URL", at("status.address.url")), *_READY),
    kinds.TRIGGER: (
        Column("Broker", at("spec.broker")),
        Column("Subscriber_URI", at("status.subscriberUri")),
        *_READY,
    ),
}
"""Columns between the name and the age."""

WIDE: dict[Kind, tuple[Column, ...]] = {
    kinds.POD: (
        Column("IP", at("status.podIP", NONE), wide=True),
        Column("Node", at("spec.nodeName", NONE), wide=True),
    ),
    kinds.JOB: _WORKLOAD_WIDE,
    kinds.DEPLOYMENT: _WORKLOAD_WIDE,
    kinds.REPLICASET: _WORKLOAD_WIDE,
    kinds.STATEFULSET: _WORKLOAD_WIDE,
}
WITHOUT_AGE = frozenset({kinds.KSERVICE, kinds.REVISION, kinds.CONFIGURATION, kinds.ROUTE, kinds.EVENT})


def _label(obj: Object, key: str) -> str:
    return str((obj["metadata"].get("labels") or {}).get(key, ""))


def _labels(labels: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE
