"""What the events of a function's life say: fields of the platform contract, section 1.4. Pure.

A function is `namespace`/`name` to those who listen: the third party and the parser, as in commands.
"""

import datetime
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from automation.model import Build, BuildStatus, Deployment, FunctionState
from components import naming

TIMEOUTS: Final = frozenset({"deadline", "lost"})
"""Reasons of failures that are timeouts: a Job's deadline, and a result that never came."""

_CODES: Final = {
    "failed": ("BUILD_FAILED", True),
    "timeout": ("BUILD_TIMEOUT", True),
    "cancelled": ("BUILD_CANCELLED", False),
}
"""The contract's error codes, and whether they are worth another try."""


def named(state: FunctionState) -> dict[str, Any]:
    """Return what every event says of its function."""
    return {"name": state.function.parser_id, "namespace": state.function.third_party_id}


def service_name(state: FunctionState) -> str:
    """Return the name of the Knative Service."""
    return naming.function_name(state.function.third_party_id, state.function.parser_id)


def of_function(state: FunctionState) -> dict[str, Any]:
    """Return the data of `lifecycle.function.*`."""
    deployment = state.deployment
    number = deployment.number if deployment else 0
    return {
        **named(state),
        **({"runtime": {"handler": deployment.handler}} if deployment else {}),
        "phase": state.phase.value.capitalize(),
        "conditions": [],
        "generation": number,
        "observedGeneration": number,
    }


def of_service(state: FunctionState, deployment: Deployment, url: str) -> dict[str, Any]:
    """Return the data of `lifecycle.service.*`; a Service's own status is not looked at."""
    return {
        **named(state),
        "serviceName": service_name(state),
        "url": url,
        "imageUri": deployment.image,
        "revision": deployment.number,
    }


def given_up(build: Build) -> Build:
    """Return a build that another took the place of, or that went with its function."""
    return replace(build, status=BuildStatus.SUPERSEDED, reason="superseded", message="")


def outcome(build: Build) -> str:
    """Return the last word of the type that tells where a build stands; empty: there is none."""
    if build.status is BuildStatus.FAILED:
        return "timeout" if build.reason in TIMEOUTS else "failed"
    return {
        BuildStatus.RUNNING: "started",
        BuildStatus.SUCCEEDED: "completed",
        BuildStatus.CANCELLED: "cancelled",
        BuildStatus.SUPERSEDED: "cancelled",
    }.get(build.status, "")


def of_build(state: FunctionState, build: Build, word: str, now: datetime.datetime) -> dict[str, Any]:
    """Return the data of `lifecycle.build.*`; `state` is the function's after what happened."""
    over, began = word != "started", build.started_at or build.requested_at
    said = {
        **named(state),
        "jobName": build.job_name,
        "buildId": build.build_id,
        "imageUri": build.image,
        "digest": _digest(state, build) if word == "completed" else "",
        "contentHash": build.content_hash,
        "startedAt": timestamp(began),
        "completedAt": timestamp(now) if over else "",
        "duration": duration(now - began) if over else "",
        "phase": word.capitalize(),
    }
    return {**{key: value for key, value in said.items() if value}, **_error(build, word)}


def _digest(state: FunctionState, build: Build) -> str:
    deployment = state.deployment
    own = deployment is not None and deployment.build_id == build.build_id
    return deployment.image.partition("@")[2] if deployment is not None and own else ""


def _error(build: Build, word: str) -> Mapping[str, Any]:
    if word not in _CODES:
        return {}
    code, retryable = _CODES[word]
    message = build.message or f"the build was {word}"
    return {
        "error": {
            "type": build.reason or word,
            "message": message,
            "code": code,
            "retryable": retryable,
        }
    }


def timestamp(moment: datetime.datetime) -> str:
    """Return a time as RFC 3339 in UTC, in milliseconds."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(time: datetime.timedelta) -> str:
    """Return a duration as the contract writes it, such as `5m0s` or `1h0m3s`; whole seconds."""
    seconds = max(0, round(time.total_seconds()))
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds % 60}s"
    return f"{minutes}m{seconds % 60}s" if minutes else f"{seconds}s"
