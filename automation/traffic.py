"""How the newest deployment comes to its traffic: ready, step by step, promoted, or taken back. Pure.

A revision that is not ready gets nothing: that is Knative's part. What is decided here is the split between
it and the revision before it, and when it is given up. docs/decisions/0081-canaries.md tells why it is so.
"""

import datetime
from dataclasses import replace
from typing import Final

from automation import answers
from automation.answers import Decision
from automation.events import FunctionPromote
from automation.model import (
    ApplyStack,
    Deployment,
    FunctionState,
    Requested,
    Rollout,
    RolloutObserved,
)
from automation.moment import Moment

KEPT: Final = 10
"""How many earlier deployments a function remembers, to be rolled back to."""

FAILED_FOR: Final = datetime.timedelta(seconds=30)
"""How long Knative must have called a revision failed: an image may come late, a pod may try again."""

WHOLE: Final = 100

_MESSAGE_CHARACTERS: Final = 1000


def deployed(
    moment: Moment, state: FunctionState, deployment: Deployment, *, restoring: bool = False
) -> FunctionState:
    """Return the state with a deployment that follows the present one, which is remembered.

    One that is restored gets all of the traffic once it is ready, and nothing goes to the present one
    meanwhile if that has only a share.
    """
    stable, stable_revision = _stable(state)
    policy = deployment.configuration.rollout or moment.policy
    policy = replace(policy, failures=policy.failures or moment.policy.failures)
    steps = () if restoring or not stable_revision else policy.steps
    rollout = Rollout(
        policy=policy,
        percent=0 if restoring and stable_revision else (*steps, WHOLE)[0],
        steps=steps[1:],
        stable=stable,
        stable_revision=stable_revision,
        began_at=moment.now,
    )
    everything = (*state.previous, *([state.deployment] if state.deployment else []))
    numbered = replace(
        deployment,
        number=max((one.number for one in everything), default=0) + 1,
        cause=moment.cause,
        deployed_at=moment.now,
        revision="",
        ready_at=None,
        failure="",
    )
    return replace(state, deployment=numbered, previous=_kept(everything, rollout), rollout=rollout)


def observe(moment: Moment) -> Decision:
    """The Knative Service was looked at: go on with the rollout, or give it up."""
    state, seen = moment.state, moment.stimulus
    assert isinstance(seen, RolloutObserved)
    deployment, rollout = state.deployment, state.rollout
    if deployment is None or seen.number != deployment.number:
        return state, ()
    if seen.ready and not deployment.revision:
        deployment = replace(deployment, revision=seen.revision, ready_at=moment.now)
    after = replace(state, deployment=deployment)
    if rollout is not None:
        reason = _failure(rollout, seen, moment.now)
        after = (
            _given_up(moment, after, rollout, reason) if reason else _advanced(after, rollout, seen, moment)
        )
    if after == state:
        return state, ()
    return after, (ApplyStack(cause=moment.cause, message=_story(state, after)),)


def promote(moment: Moment) -> Decision:
    """Give the newest deployment the share that an event says."""
    request, state = moment.stimulus, moment.state
    assert isinstance(request, Requested)
    event = request.event
    assert isinstance(event, FunctionPromote)
    if moment.outdated:
        return answers.outdated(state, event.meta)
    if state.deployment is None or state.rollout is None or state.rollout.has_arrived:
        return answers.nothing_to_promote(state, event.meta)
    if event.percent < WHOLE and not state.rollout.stable_revision:
        return answers.nothing_to_promote(state, event.meta)
    after = replace(_share(state, state.rollout, event.percent, moment.now), desired_at=moment.time)
    return moment.settle(after, answers.promoted(state.function, state.deployment, event.percent))


def refuse_promotion(moment: Moment) -> Decision:
    """Nothing runs that could be given traffic."""
    outdated = moment.outdated
    return (answers.outdated if outdated else answers.nothing_to_promote)(moment.state, moment.meta)


def wants_a_look(state: FunctionState) -> bool:
    """Say whether it is not known how the newest deployment stands by now."""
    return state.deployment is not None and (state.rollout is not None or not state.deployment.revision)


def _stable(state: FunctionState) -> tuple[int, str]:
    """Return number and revision of the deployment that a new one is measured against."""
    if state.rollout is not None and not state.rollout.has_arrived:
        return state.rollout.stable, state.rollout.stable_revision
    return (state.deployment.number, state.deployment.revision) if state.deployment else (0, "")


def _kept(deployments: tuple[Deployment, ...], rollout: Rollout) -> tuple[Deployment, ...]:
    """Return the last few; what was seen to work and has traffic is among them, however old it is."""
    recent = deployments[-KEPT:]
    older = [one for one in deployments[:-KEPT] if rollout.stable_revision and one.number == rollout.stable]
    return (*older, *recent[len(older) :])


def _failure(rollout: Rollout, seen: RolloutObserved, now: datetime.datetime) -> str:
    """Return why a deployment is to be given up; empty if it is not."""
    policy = rollout.policy
    if failing := _failing(rollout, seen):
        return failing
    if seen.ready:
        return ""
    # Of two that fail one after the other, the second has not failed for as long as the condition has.
    if seen.failed_since is not None and now - max(seen.failed_since, rollout.began_at) >= FAILED_FOR:
        return (seen.message or "Knative calls the revision failed")[:_MESSAGE_CHARACTERS]
    late = now - rollout.began_at >= datetime.timedelta(seconds=policy.ready_within_seconds)
    if rollout.step_at is None and late:
        told = f": {seen.message}" if seen.message else ""
        return f"it was not ready within {policy.ready_within_seconds} s{told}"[:_MESSAGE_CHARACTERS]
    return ""


def _failing(rollout: Rollout, seen: RolloutObserved) -> str:
    """Return that too many of a revision's calls fail; empty if not, or if nobody counts them."""
    limit = rollout.policy.failures
    if limit is None or rollout.step_at is None or seen.calls < max(1, limit.min_calls):
        return ""
    if seen.failed_calls * WHOLE <= limit.percent * seen.calls:
        return ""
    return f"{seen.failed_calls} of {seen.calls} calls failed, more than {limit.percent} %"


def _watched_until(rollout: Rollout) -> datetime.datetime | None:
    """Return until when a rollout that has all of the traffic is watched; None: it has arrived."""
    limit = rollout.policy.failures
    # Without anything to go back to there is nothing to watch for.
    if limit is None or not limit.watch_seconds or not rollout.stable_revision or rollout.step_at is None:
        return None
    return rollout.step_at + datetime.timedelta(seconds=limit.watch_seconds)


def _advanced(state: FunctionState, rollout: Rollout, seen: RolloutObserved, moment: Moment) -> FunctionState:
    """Return the state as it is after a deployment was seen in order."""
    if not seen.ready:
        return state
    if rollout.step_at is None:
        begun = replace(rollout, step_at=moment.now, failure="")
        whole = rollout.percent in (0, WHOLE)
        return _share(state, begun, WHOLE, moment.now) if whole else replace(state, rollout=begun)
    if rollout.has_arrived:
        until = _watched_until(rollout)
        return replace(state, rollout=None) if until is None or moment.now >= until else state
    pause = rollout.policy.pause_seconds
    if not pause or moment.now - rollout.step_at < datetime.timedelta(seconds=pause):
        return replace(state, rollout=rollout)
    return _share(state, rollout, (*rollout.steps, WHOLE)[0], moment.now)


def _share(state: FunctionState, rollout: Rollout, percent: int, now: datetime.datetime) -> FunctionState:
    """Return the state in which the newest deployment has this share; with all of it, it has arrived."""
    ready = rollout.step_at is not None
    if percent == WHOLE and ready:
        arrived = replace(rollout, percent=WHOLE, steps=(), step_at=now)
        watched = state.deployment is not None and not state.deployment.restored and _watched_until(arrived)
        return replace(state, rollout=arrived if watched else None)
    steps = tuple(step for step in rollout.steps if step > percent)
    return replace(
        state, rollout=replace(rollout, percent=percent, steps=steps, step_at=now if ready else None)
    )


def _given_up(moment: Moment, state: FunctionState, rollout: Rollout, reason: str) -> FunctionState:
    """Return the state in which the stable deployment runs again; without one, the reason is noted."""
    deployment = state.deployment
    assert deployment is not None
    target = next((one for one in state.previous if rollout.stable and one.number == rollout.stable), None)
    # What was restored and fails has nothing better behind it: going back once more would never end.
    if target is None or deployment.restored == target.number:
        return replace(state, rollout=replace(rollout, failure=reason))
    building = state.build is not None and state.build.is_live
    failed = replace(
        state,
        deployment=replace(deployment, failure=reason),
        configuration=state.configuration if building else target.configuration,
        # It has not arrived after all: what it is measured against is what has the traffic until then.
        rollout=replace(rollout, step_at=None),
    )
    return deployed(moment, failed, replace(target, restored=target.number), restoring=True)


def _story(before: FunctionState, after: FunctionState) -> str:
    """Return what happened to a rollout, for the stack's history."""
    old, new = before.deployment, after.deployment
    assert old is not None
    assert new is not None
    if new.number != old.number:
        failed = after.previous[-1].failure if after.previous else ""
        return f"revision {old.number} was given up, {new.restored} runs again as {new.number}: {failed}"
    if after.rollout is None:
        return f"revision {new.number} is ready and has all of the traffic"
    if after.rollout.failure:
        return f"revision {new.number} does not work: {after.rollout.failure}"
    return f"revision {new.number} is ready and has {after.rollout.percent} % of the traffic"
