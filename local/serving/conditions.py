"""The status of Knative's objects: conditions, reasons and texts as Knative writes them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from local.node.objects import Json, condition, is_true, with_transitions

Status = Literal["True", "False", "Unknown"]


@dataclass(frozen=True)
class Condition:
    """One condition; `info` ones do not count for Ready."""

    type: str
    status: Status
    reason: str = ""
    message: str = ""
    info: bool = False

    def document(self) -> Json:
        """Return the entry of `status.conditions`."""
        entry: Json = {"type": self.type, "status": self.status}
        if self.reason:
            entry["reason"] = self.reason
        if self.message:
            entry["message"] = self.message
        if self.info and self.status != "True":
            entry["severity"] = "Info"
        return entry


def conditions(before: Json, moment: str, *dependents: Condition) -> list[Json]:
    """Return the entries with Ready added: False or Unknown with the cause of the first that is not True."""
    counting = [entry for entry in dependents if not entry.info]
    worst = next(
        (entry for status in ("False", "Unknown") for entry in counting if entry.status == status), None
    )
    ready = (
        Condition("Ready", worst.status, worst.reason, worst.message) if worst else Condition("Ready", "True")
    )
    entries = sorted([*dependents, ready], key=lambda entry: entry.type)
    return with_transitions([entry.document() for entry in entries], before, moment)


def configuration_status(
    configuration: Json, latest: Json | None, ready_name: str | None, moment: str, *, error: str = ""
) -> Json:
    """Return a Configuration's status. `latest` is its generation's revision; `ready_name`: newest ready."""
    status: Json = {"observedGeneration": configuration["metadata"]["generation"]}
    if latest is not None:
        status["latestCreatedRevisionName"] = latest["metadata"]["name"]
    if ready_name is not None:
        status["latestReadyRevisionName"] = ready_name
    ready = _latest_ready(latest, error)
    entries = [Condition("Ready", ready.status, ready.reason, ready.message).document()]
    return {**status, "conditions": with_transitions(entries, configuration, moment)}


def _latest_ready(latest: Json | None, error: str) -> Condition:
    if latest is None:
        return Condition(
            "Ready", "False" if error else "Unknown", "RevisionNameTaken" if error else "", error
        )
    if is_true(latest, "Ready"):
        return Condition("Ready", "True")
    state = condition(latest, "Ready")
    if state.get("status") != "False":
        return Condition("Ready", "Unknown")
    text = f'Revision "{latest["metadata"]["name"]}" failed with message: {state.get("message", "")}.'
    return Condition("Ready", "False", "RevisionFailed", text)


@dataclass(frozen=True)
class Target:
    """One resolved target of a route."""

    revision: str
    percent: int
    latest: bool
    tag: str = ""


def resolve_targets(
    traffic: Sequence[Json], latest_ready: str | None, ready: Mapping[str, bool], *, failed: bool
) -> tuple[list[Target], Condition]:
    """Return where traffic goes, and the condition AllTrafficAssigned.

    `ready` says of every revision of the service whether it is ready, `failed` that the newest cannot become
    so: without a ready revision that is the difference between waiting (Unknown) and having lost (False).
    """
    targets: list[Target] = []
    for entry in traffic:
        name = entry.get("revisionName") or latest_ready
        if name is None:
            return [], _no_revision(entry.get("configurationName", ""), failed)
        if not ready.get(name):
            return [], _not_ready(name, missing=name not in ready)
        latest = not entry.get("revisionName")
        targets.append(Target(name, int(entry.get("percent") or 0), latest, entry.get("tag", "")))
    return targets, Condition("AllTrafficAssigned", "True")


def _no_revision(configuration: str, failed: bool) -> Condition:
    if failed:
        text = f'Configuration "{configuration}" does not have any ready Revision.'
        return Condition("AllTrafficAssigned", "False", "RevisionMissing", text)
    text = f'Configuration "{configuration}" is waiting for a Revision to become ready.'
    return Condition("AllTrafficAssigned", "Unknown", "RevisionMissing", text)


def _not_ready(revision: str, *, missing: bool) -> Condition:
    if missing:
        text = f'Revision "{revision}" referenced in traffic not found.'
        return Condition("AllTrafficAssigned", "False", "RevisionMissing", text)
    text = f'Revision "{revision}" is not yet ready.'
    return Condition("AllTrafficAssigned", "Unknown", "RevisionNotReady", text)


def route_status(route: Json, targets: Sequence[Json], assigned: Condition, url: str, moment: str) -> Json:
    """Return a Route's status; `targets` are the entries of `status.traffic`."""
    waiting = assigned.status != "True"
    ingress = Condition(
        "IngressReady", "Unknown" if waiting else "True", "IngressNotConfigured" if waiting else ""
    )
    certificate = Condition("CertificateProvisioned", "True", "TLSNotEnabled", "autoTLS is not enabled")
    return {
        "observedGeneration": route["metadata"]["generation"],
        "url": url,
        "address": {"url": url},
        "traffic": list(targets),
        "conditions": conditions(route, moment, assigned, certificate, ingress),
    }


def service_status(ksvc: Json, configuration: Json, route: Json, moment: str) -> Json:
    """Return a Service's status from those of its Configuration and Route."""
    parts = [("ConfigurationsReady", configuration), ("RoutesReady", route)]
    dependents = []
    for type, part in parts:
        entry = condition(part, "Ready")
        dependents.append(
            Condition(type, entry.get("status", "Unknown"), entry.get("reason", ""), entry.get("message", ""))
        )
    names = ("latestCreatedRevisionName", "latestReadyRevisionName")
    return {
        "observedGeneration": ksvc["metadata"]["generation"],
        **{name: configuration["status"][name] for name in names if name in configuration["status"]},
        **{name: route["status"][name] for name in ("url", "address", "traffic") if name in route["status"]},
        "conditions": conditions(ksvc, moment, *dependents),
    }


@dataclass(frozen=True, kw_only=True)
class RevisionFacts:
    """What is known of a revision."""

    digests: Mapping[str, str]
    """Resolved image references by container name; empty until all are resolved."""
    healthy: bool = False
    """Whether its pods have been ready once."""
    failure: tuple[str, str] | None = None
    """Reason and message of what keeps its pods from becoming ready."""
    timed_out: bool = False
    wanted: int = 0
    ready: int = 0


def revision_status(revision: Json, facts: RevisionFacts, moment: str) -> Json:
    """Return a Revision's status."""
    digests = [{"name": name, "imageDigest": image} for name, image in facts.digests.items()]
    return {
        "observedGeneration": revision["metadata"]["generation"],
        "containerStatuses": digests,
        "desiredReplicas": facts.wanted,
        "actualReplicas": facts.ready,
        "conditions": conditions(revision, moment, _healthy(facts), _resources(facts), _active(facts)),
    }


def _healthy(facts: RevisionFacts) -> Condition:
    if facts.healthy:
        return Condition("ContainerHealthy", "True")
    if facts.failure is not None:
        return Condition("ContainerHealthy", "False", *facts.failure)
    return Condition("ContainerHealthy", "Unknown", "Deploying")


def _resources(facts: RevisionFacts) -> Condition:
    if facts.healthy:
        return Condition("ResourcesAvailable", "True")
    if facts.timed_out:
        text = "Initial scale was never achieved"
        return Condition("ResourcesAvailable", "False", "ProgressDeadlineExceeded", text)
    return Condition("ResourcesAvailable", "Unknown", "Deploying")


def _active(facts: RevisionFacts) -> Condition:
    if facts.ready:
        return Condition("Active", "True", info=True)
    if facts.wanted:
        text = "Requests to the target are being buffered as resources are provisioned."
        return Condition("Active", "Unknown", "Queued", text, info=True)
    return Condition("Active", "False", "NoTraffic", "The target is not receiving traffic.", info=True)
