"""What alerts, audit events and callbacks to Notifi's scheduler say: contract, sections 1.4 and 9. Pure."""

import datetime
from typing import Any

from automation.events import FunctionEvent
from automation.model import Build, FunctionState
from automation.outbox.lifecycle import named, service_name, timestamp

CALLBACK = "fusion.execution.response"
"""Names what the scheduler gets, in records and metrics; it is no CloudEvent."""


def build_alert(state: FunctionState, build: Build, now: datetime.datetime) -> dict[str, Any]:
    """Return the data of an alert about a build that failed, or that ended well after one that had failed."""
    failed, since = bool(build.reason), build.failing_since or now
    name = service_name(state)
    return {
        **named(state),
        "alertName": "BuildFailed",
        "severity": "warning" if failed else "info",
        "summary": f"the build of {name} failed ({build.reason})" if failed else f"{name} builds again",
        "description": build.message,
        "labels": {"service": name, "reason": build.reason} if failed else {"service": name},
        "annotations": {"buildId": build.build_id, "jobName": build.job_name},
        "startsAt": timestamp(since),
        **({} if failed else {"endsAt": timestamp(now)}),
    }


def gate_alert(state: FunctionState) -> dict[str, Any]:
    """Return the data of an alert about a plan that waits for approval; it ends when the plan expires."""
    parked, name = state.parked, service_name(state)
    assert parked is not None
    return {
        **named(state),
        "alertName": "PlanParked",
        "severity": "warning",
        "summary": f"a change of {name} waits for approval: it trips {', '.join(parked.rules)}",
        "description": "; ".join(parked.steps),
        "labels": {"service": name},
        "annotations": {"planId": parked.plan_id, "eventId": parked.id, "eventType": parked.type},
        "startsAt": timestamp(parked.at),
        "endsAt": timestamp(parked.expires_at),
    }


def revision_alert(state: FunctionState, revision: int, reason: str, message: str) -> dict[str, Any]:
    """Return the data of an alert about a revision that does not work."""
    deployment, name = state.deployment, service_name(state)
    assert deployment is not None
    instead = f", revision {deployment.restored} runs again" if deployment.number != revision else ""
    return {
        **named(state),
        "alertName": "RevisionFailed",
        "severity": "warning",
        "summary": f"revision {revision} of {name} does not work{instead}",
        "description": message,
        "labels": {"service": name, "reason": reason},
        "annotations": {"revision": str(revision)},
        "startsAt": timestamp(deployment.deployed_at),
    }


def revision_recovered(state: FunctionState, now: datetime.datetime) -> dict[str, Any]:
    """Return the data of the alert that ends the one about a revision."""
    deployment, name = state.deployment, service_name(state)
    assert deployment is not None
    return {
        **named(state),
        "alertName": "RevisionFailed",
        "severity": "info",
        "summary": f"{name} is ready again, with revision {deployment.number}",
        "labels": {"service": name},
        "annotations": {"revision": str(deployment.number)},
        "startsAt": timestamp(deployment.deployed_at),
        "endsAt": timestamp(now),
    }


def change(
    state: FunctionState, event: FunctionEvent, action: str, status: str, now: datetime.datetime
) -> dict[str, Any]:
    """Return the data of an audit event: who had what changed, and how it was answered."""
    meta = event.meta
    return {
        **named(state),
        "action": action,
        "resource": "function",
        "resourceName": str(state.function),
        "user": meta.source,
        "reason": str(getattr(event, "reason", "")),
        "details": {"eventId": meta.id, "eventType": meta.type, "status": status},
        "timestamp": timestamp(now),
    }


def execution(build: Build, word: str) -> dict[str, Any]:
    """Return what the scheduler is told of the end of a build that it asked for."""
    succeeded = word == "completed"
    text = build.message or build.reason or f"the build was {word}"
    return {
        "contextId": build.context_id,
        "succeeded": succeeded,
        "eventEntries": [],
        "errorMessage": "" if succeeded else text,
    }
