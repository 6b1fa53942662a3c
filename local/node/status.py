"""A pod's status as the kubelet would write it, from what is known of its containers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from local.node.objects import Json, is_true, with_transitions


@dataclass
class ContainerState:
    """What is known of one container. `state` and `last` are as in the API."""

    name: str
    image: str
    state: Json = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Json = field(default_factory=dict)
    image_id: str = ""
    container_id: str = ""
    ready: bool = False
    started: bool = False
    restarts: int = 0

    @property
    def exit_code(self) -> int | None:
        """The exit status of a container that is not running; None before its first end."""
        ended = self.state.get("terminated")
        if ended is None and "waiting" in self.state:
            ended = self.last.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    @property
    def running(self) -> bool:
        """Whether its process runs now."""
        return "running" in self.state

    def document(self) -> Json:
        """Return the entry of `containerStatuses`."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            "containerID": self.container_id,
            "state": self.state,
            "lastState": self.last,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
        }


@dataclass(frozen=True, kw_only=True)
class PodView:
    """Everything that a pod's status is made of."""

    init: Sequence[ContainerState]
    main: Sequence[ContainerState]
    ip: str = ""
    start_time: str | None = None
    override: Json = field(default_factory=dict)
    """Phase, reason and message that stand for what the containers say, such as after a deadline."""
    scheduled: bool = True


def phase(restart_policy: str, init: Sequence[ContainerState], main: Sequence[ContainerState]) -> str:
    """Return the pod's phase by the kubelet's rules."""
    if any(state.exit_code for state in init) and restart_policy == "Never":
        return "Failed"
    if not _initialized(init):
        return "Pending"
    if any(not state.running and state.exit_code is None for state in main):
        return "Pending"
    if any(state.running for state in main) or restart_policy == "Always":
        return "Running"
    if all(state.exit_code == 0 for state in main):
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else "Running"


def pod_status(pod: Json, view: PodView, now: str) -> Json:
    """Return the whole `status`; `now` is the time stamp for conditions that change."""
    if not view.scheduled:
        return _unschedulable(pod, now)
    policy = pod["spec"].get("restartPolicy", "Always")
    status: Json = {
        "phase": phase(policy, view.init, view.main),
        "qosClass": qos_class(pod),
        "hostIP": "127.0.0.1",
        "startTime": view.start_time,
        "containerStatuses": [state.document() for state in view.main],
        **view.override,
    }
    if view.ip:
        status |= {"podIP": view.ip, "podIPs": [{"ip": view.ip}]}
    if view.init:
        status["initContainerStatuses"] = [state.document() for state in view.init]
    status["conditions"] = with_transitions(_conditions(view, status["phase"]), pod, now)
    return status


def qos_class(pod: Json) -> str:
    """Return Guaranteed, Burstable or BestEffort."""
    all_resources = [container.get("resources", {}) for container in pod["spec"]["containers"]]
    if not any(resources.get("limits") or resources.get("requests") for resources in all_resources):
        return "BestEffort"
    for resources in all_resources:
        limits = resources.get("limits", {})
        if {"cpu", "memory"} - limits.keys() or resources.get("requests", limits) != limits:
            return "Burstable"
    return "Guaranteed"


def is_ready(pod: Json) -> bool:
    """Say whether a pod takes requests: its Ready condition is True and it is not being deleted."""
    return is_true(pod, "Ready") and not pod["metadata"].get("deletionTimestamp")


def _initialized(init: Sequence[ContainerState]) -> bool:
    return all("terminated" in state.state and state.exit_code == 0 for state in init)


def _unschedulable(pod: Json, now: str) -> Json:
    entry = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Too many pods of jobs, waiting for one to end.",
    }
    conditions = with_transitions([entry], pod, now)
    return {"phase": "Pending", "qosClass": qos_class(pod), "conditions": conditions}


def _conditions(view: PodView, phase: str) -> list[Json]:
    unready = [state.name for state in view.main if not state.ready]
    initialized = _condition("Initialized", _initialized(view.init))
    if not _initialized(view.init):
        names = [state.name for state in view.init if state.exit_code != 0]
        initialized |= {
            "reason": "ContainersNotInitialized",
            "message": f"containers with incomplete status: [{' '.join(names)}]",
        }
    elif phase == "Succeeded":
        initialized["reason"] = "PodCompleted"
    why: Json = {}
    if phase in ("Succeeded", "Failed"):
        why = {"reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
    elif unready:
        why = {
            "reason": "ContainersNotReady",
            "message": f"containers with unready status: [{' '.join(unready)}]",
        }
    ready = not why
    return [
        _condition("PodReadyToStartContainers", bool(view.ip)),
        initialized,
        _condition("Ready", ready) | why,
        _condition("ContainersReady", ready) | why,
        _condition("PodScheduled", True),
    ]


def _condition(type: str, status: bool) -> Json:
    return {"type": type, "status": str(status)}


def terminated(
    *, exit_code: int, reason: str, message: str, started: str, finished: str, container_id: str
) -> Json:
    """Return a `terminated` state."""
    entry: Json = {
        "exitCode": exit_code,
        "reason": reason,
        "startedAt": started,
        "finishedAt": finished,
        "containerID": container_id,
    }
    if message:
        entry["message"] = message
    return {"terminated": entry}


def waiting(reason: str, message: str = "") -> Json:
    """Return a `waiting` state."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(started: str) -> Json:
    """Return a `running` state."""
    return {"running": {"startedAt": started}}
