"""A function's state as JSON: where it stands, what ran, which event did what. Pure."""

import dataclasses
import datetime
from typing import Any

from automation.configuration import Configuration
from automation.drift.found import Drift
from automation.model import Build, Deployment, FunctionState, Handled, Rollout


def describe(state: FunctionState) -> dict[str, Any]:
    """Return the whole state; times are RFC 3339 in UTC, revisions and events newest first."""
    present = [state.deployment] if state.deployment else []
    return {
        "third_party_id": state.function.third_party_id,
        "parser_id": state.function.parser_id,
        "phase": state.phase.value,
        "desired_at": _time(state.desired_at),
        "deleted_at": _time(state.deleted_at),
        "build": _build(state.build) if state.build else None,
        "revision": state.deployment.number if state.deployment else None,
        "configuration": _configuration(state.configuration),
        "rollout": _rollout(state.rollout) if state.rollout else None,
        "revisions": [_revision(one) for one in reversed([*state.previous, *present])],
        "parked": state.parked.as_json() if state.parked else None,
        "drift": _drift(state.drift) if state.drift else None,
        "healed_at": _time(state.healed_at),
        "events": [_event(one) for one in reversed(state.handled)],
    }


def _build(build: Build) -> dict[str, Any]:
    return {
        "build_id": build.build_id,
        "status": build.status.value,
        "job_name": build.job_name,
        "image_uri": build.image,
        "content_hash": build.content_hash,
        "priority": build.priority,
        "requested_at": _time(build.requested_at),
        "queued_at": _time(build.queued_at),
        "started_at": _time(build.started_at),
        "completed_at": _time(build.completed_at),
        "correlation_id": build.correlation_id,
        "reason": build.reason or None,
        "message": build.message or None,
        "exit_code": build.exit_code,
        "logs_preview": build.log_tail or None,
        "scan": build.scan.as_json() if build.scan else None,
    }


def _revision(deployment: Deployment) -> dict[str, Any]:
    return {
        "revision": deployment.number,
        "image_uri": deployment.image,
        "content_hash": deployment.content_hash or None,
        "build_id": deployment.build_id or None,
        "handler": deployment.handler,
        "deployed_at": _time(deployment.deployed_at),
        "event_id": deployment.cause or None,
        "restored": deployment.restored or None,
        "reason": deployment.reason or None,
        "knative_revision": deployment.revision or None,
        "ready_at": _time(deployment.ready_at),
        "failure": deployment.failure or None,
        "configuration": _configuration(deployment.configuration),
    }


def _rollout(rollout: Rollout) -> dict[str, Any]:
    return {
        "percent": rollout.percent,
        "steps": list(rollout.steps),
        "pause_seconds": rollout.policy.pause_seconds,
        "stable": rollout.stable or None,
        "began_at": _time(rollout.began_at),
        "ready_at": _time(rollout.step_at),
        "failure": rollout.failure or None,
    }


def _drift(drift: Drift) -> dict[str, Any]:
    return {"found_at": _time(drift.found_at), "resources": [one.as_json() for one in drift.resources]}


def _configuration(configuration: Configuration) -> dict[str, Any]:
    """Return what is not left to the environment."""
    said = dataclasses.asdict(configuration)
    said["env"] = dict(configuration.env)
    return {name: value for name, value in said.items() if value not in (None, "", (), {})}


def _event(handled: Handled) -> dict[str, Any]:
    return {
        "id": handled.id,
        "source": handled.source,
        "type": handled.type,
        "status": handled.status,
        "handled_at": _time(handled.at),
        "reason": handled.reason or None,
    }


def _time(moment: datetime.datetime | None) -> str | None:
    return moment.astimezone(datetime.UTC).isoformat() if moment else None
