"""What two states say of a function's readiness: ready, or given up as not working. Pure.

`ready_at` and `failure` are recorded when Knative was looked at, so both tell of what was seen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from automation.model import Deployment, FunctionState
from automation.outbox import lifecycle

REVISION_FAILED = "RevisionFailed"
ROLLED_BACK = "RolledBack"
"""Reasons of a condition Ready that is False: whether an earlier deployment runs in its place."""


def became_ready(before: FunctionState, after: FunctionState) -> Deployment | None:
    """Return the deployment that was seen ready for the first time."""
    new, old = after.deployment, before.deployment
    if new is None or new.ready_at is None:
        return None
    known = old is not None and old.number == new.number and old.ready_at is not None
    return None if known else new


def failed(before: FunctionState, after: FunctionState) -> tuple[Deployment, str, str] | None:
    """Return the deployment that was found not to work, the reason and what was said of it."""
    old, new = before.deployment, after.deployment
    if old is None or new is None:
        return None
    if new.number != old.number:
        gone = next((one for one in after.previous if one.number == old.number), None)
        return (gone, ROLLED_BACK, gone.failure) if gone and gone.failure and not old.failure else None
    said = after.rollout.failure if after.rollout else ""
    # The words may change from one look to the next; that it does not work is one fact.
    known = before.rollout.failure if before.rollout else ""
    return (new, REVISION_FAILED, said) if said and not known else None


def recovered(before: FunctionState, after: FunctionState) -> bool:
    """Whether what became ready takes the place of, or is, a deployment that was said not to work."""
    good = became_ready(before, after)
    if good is None:
        return False
    gone = after.previous[-1].failure if good.restored and after.previous else ""
    return bool(gone or (before.rollout and before.rollout.failure))


def changed(before: FunctionState, after: FunctionState) -> bool:
    """Whether another deployment runs now; what was seen of the same one is no change of it."""
    return _plain(before.deployment) != _plain(after.deployment)


def told(before: FunctionState, after: FunctionState, url: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the ends of the types of lifecycle events, and their data."""
    if bad := failed(before, after):
        deployment, reason, message = bad
        condition = {"type": "Ready", "status": "False", "reason": reason, "message": message}
        yield "function.degraded", _of_function(after, deployment, condition)
    if good := became_ready(before, after):
        condition = {"type": "Ready", "status": "True"}
        yield "function.ready", _of_function(after, good, condition)
        yield "service.ready", {**lifecycle.of_service(after, good, url), **_traffic(after, good)}


def _of_function(
    state: FunctionState, deployment: Deployment, condition: Mapping[str, Any]
) -> dict[str, Any]:
    seen = {"conditions": [condition], "observedGeneration": deployment.number}
    return {**lifecycle.of_function(state), **seen}


def _traffic(state: FunctionState, deployment: Deployment) -> dict[str, Any]:
    """Return what is known of a Service whose newest revision is ready."""
    rollout, name = state.rollout, deployment.revision
    shares = {name: rollout.percent if rollout else 100}
    if rollout and rollout.percent < 100:
        shares[rollout.stable_revision] = 100 - rollout.percent
    return {
        "ready": True,
        "latestRevision": name,
        "latestReadyRevision": name,
        "traffic": [{"revisionName": revision, "percent": share} for revision, share in shares.items()],
    }


def _plain(deployment: Deployment | None) -> Deployment | None:
    return deployment and replace(deployment, revision="", ready_at=None, failure="")
