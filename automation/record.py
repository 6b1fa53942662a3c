"""A function's state as JSON text: the output `record` of its stack. Pure.

One line of compact JSON: a single value costs the deployment SDK far less than the same data as a tree.
"""

import datetime
import json
from typing import Any, Final

from automation.configuration import PLAIN, Configuration, FailureLimit, RolloutPolicy, SecretVariable
from automation.drift.found import Drift
from automation.events import FunctionId
from automation.model import (
    Build,
    BuildStatus,
    Cancellation,
    Deployment,
    FunctionState,
    Handled,
    Origin,
    Rollout,
)
from automation.outbox.emission import Emission, Kind
from automation.parked import Parked
from automation.scans import Scan

VERSION: Final = 1
_BUILD_TIMES: Final = ("queued_at", "started_at", "completed_at", "lost_at", "failing_since")


class UnreadableRecord(ValueError):
    """The text is no record of a version that this program can read."""


def dumps(state: FunctionState) -> str:
    """Return the state as JSON; `loads` gives it back."""
    return json.dumps({"version": VERSION, **_fields(state)}, separators=(",", ":"), default=_plain)


def loads(text: str) -> FunctionState:
    """Return the state that `dumps` wrote. Raises UnreadableRecord."""
    try:
        return _state(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableRecord(
            f"the stack's record cannot be read: {type(error).__name__} {error}"
        ) from error


def _fields(item: Any) -> dict[str, Any]:
    """Return a dataclass's fields without those that say nothing."""
    return {key: value for key, value in vars(item).items() if value not in (None, "", (), PLAIN)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat()
    if isinstance(value, FunctionId):
        return [value.third_party_id, value.parser_id]
    return _fields(value)


def _state(data: dict[str, Any]) -> FunctionState:
    if data.pop("version") != VERSION:
        raise ValueError(f"it is not of version {VERSION}")
    return FunctionState(
        function=FunctionId(*data["function"]),
        desired_at=_time(data.get("desired_at")),
        build=_build(data["build"]) if "build" in data else None,
        deployment=_deployment(data["deployment"]) if "deployment" in data else None,
        previous=tuple(map(_deployment, data.get("previous", ()))),
        configuration=_configuration(data.get("configuration", {})),
        rollout=_rollout(data["rollout"]) if "rollout" in data else None,
        deleted_at=_time(data.get("deleted_at")),
        handled=tuple(_handled(item) for item in data.get("handled", ())),
        cancelled=tuple(_cancellation(item) for item in data.get("cancelled", ())),
        outbox=tuple(_emission(item) for item in data.get("outbox", ())),
        parked=Parked.from_json(data["parked"]) if "parked" in data else None,
        drift=Drift.from_json(data["drift"]) if "drift" in data else None,
        healed_at=_time(data.get("healed_at")),
    )


def _build(data: dict[str, Any]) -> Build:
    times = {name: _time(data.get(name)) for name in _BUILD_TIMES}
    requested_at = _required(data["requested_at"])
    scan = Scan.from_json(data["scan"]) if "scan" in data else None
    parts = {"requested_at": requested_at, "status": BuildStatus(data["status"]), "scan": scan}
    return Build(**{**data, **times, **parts})


def _deployment(data: dict[str, Any]) -> Deployment:
    parts = {
        "deployed_at": _required(data["deployed_at"]),
        "ready_at": _time(data.get("ready_at")),
        "configuration": _configuration(data.get("configuration", {})),
        "origin": Origin(**data["origin"]) if "origin" in data else None,
    }
    return Deployment(**{**data, **parts})


def _rollout(data: dict[str, Any]) -> Rollout:
    times = {"began_at": _required(data["began_at"]), "step_at": _time(data.get("step_at"))}
    parts = {"policy": _policy(data["policy"]), "steps": tuple(data.get("steps", ()))}
    return Rollout(**{**data, **times, **parts})


def _configuration(data: dict[str, Any]) -> Configuration:
    if not data:
        return PLAIN
    parts: dict[str, Any] = {
        "env": tuple((name, value) for name, value in data.get("env", ())),
        "secrets": tuple(SecretVariable(**item) for item in data.get("secrets", ())),
        "rollout": _policy(data["rollout"]) if "rollout" in data else None,
    }
    return Configuration(**{**data, **parts})


def _policy(data: dict[str, Any]) -> RolloutPolicy:
    limit = FailureLimit(**data["failures"]) if "failures" in data else None
    return RolloutPolicy(**{**data, "steps": tuple(data.get("steps", ())), "failures": limit})


def _cancellation(data: dict[str, Any]) -> Cancellation:
    return Cancellation(build_id=data["build_id"], at=_required(data["at"]))


def _handled(data: dict[str, Any]) -> Handled:
    return Handled(**{**data, "at": _required(data["at"])})


def _emission(data: dict[str, Any]) -> Emission:
    return Emission(**{**data, "at": _required(data["at"]), "kind": Kind(data["kind"])})


def _required(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _time(text: str | None) -> datetime.datetime | None:
    return None if text is None else _required(text)
