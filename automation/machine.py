"""The decision core: `decide(state, stimulus, now) -> (state, commands)`. Pure, the clock is passed in.

Events repeat, overtake each other and get lost, so an event is taken as "look at this function": what follows
depends on what is recorded. Three rules make any order and any repetition end in the same place:

- an event that was answered is recognised by (source, id) and answered again, without effect;
- what is wanted was decided by the latest event by time; an earlier one that arrives later changes nothing;
- a build's result counts only for the build that is the current one.

Commands are carried out in order; the first that fails ends the list, and the old state stays. `Answer` comes
last.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeGuard

from automation import answers
from automation.answers import Decision
from automation.errors import PlatformError
from automation.events import BuildComplete, BuildFailed, BuildStart, EventMeta, Reply, ServiceDelete
from automation.model import (
    ApplyStack,
    Build,
    BuildStatus,
    Command,
    ContextReady,
    Deployment,
    FunctionState,
    Phase,
    PrepareContext,
    RemoveContexts,
    RemoveStack,
    Requested,
    Stimulus,
    StoreContext,
    TombstoneExpired,
)
from components import naming

TOMBSTONE: Final = datetime.timedelta(hours=24)
"""How long a deleted function is remembered."""

_RESULT_DELAY: Final = datetime.timedelta(minutes=5)
"""How long after a Job's deadline its result may still come: all of the broker's retries and more."""

_MESSAGE_CHARACTERS: Final = 1000
_LOG_CHARACTERS: Final = 4096


class InvalidTransition(PlatformError):
    """A stimulus that cannot happen in this state: a defect. `story` tells what happened before."""

    def __init__(self, state: FunctionState, stimulus: Stimulus) -> None:
        self.story = tuple(
            f"{seen.at.isoformat()} {seen.type} -> {seen.status}" for seen in state.handled[-5:]
        )
        kind = _kind(stimulus).__name__
        super().__init__(f"{state.function} is {state.phase}: {kind} has no meaning here", details=self.story)
        self.state = state
        self.stimulus = stimulus


def decide(state: FunctionState, stimulus: Stimulus, now: datetime.datetime) -> Decision:
    """Return the next state and the commands that lead to it. Raises InvalidTransition."""
    if isinstance(stimulus, Requested):
        seen = state.find(stimulus.event.meta)
        if seen is not None:
            return answers.repeated(state, stimulus.event.meta, seen)
    transition = TRANSITIONS.get((state.phase, _kind(stimulus)))
    if transition is None:
        raise InvalidTransition(state, stimulus)
    return transition(_Moment(state, stimulus, now))


def lost_build(state: FunctionState, now: datetime.datetime) -> BuildFailed | None:
    """Return the failure of a build whose result should have come long ago; None if there is none."""
    build = state.build
    if build is None or build.status is not BuildStatus.RUNNING or now < build.lost_at:
        return None
    meta = EventMeta(
        id=f"{build.job_name}/lost",
        source=f"network.notifi.{state.function.third_party_id}",
        type="network.notifi.lambda.build.failed",
        time=now,
        correlation_id=build.correlation_id,
        traceparent=build.traceparent or None,
    )
    message = f"nobody had reported by {build.lost_at.isoformat()} how the build ended, and its Job is gone"
    return BuildFailed(
        meta=meta,
        function=state.function,
        reason="lost",
        message=message,
        job_name=build.job_name,
        build_id=build.build_id,
    )


def _kind(stimulus: Stimulus) -> type:
    return type(stimulus.event) if isinstance(stimulus, Requested) else type(stimulus)


@dataclass(frozen=True)
class _Moment:
    """A state, what happens to it, and when."""

    state: FunctionState
    stimulus: Stimulus
    now: datetime.datetime

    @property
    def time(self) -> datetime.datetime:
        """When the event happened; a clock that runs ahead of ours does not block what comes after it."""
        assert not isinstance(self.stimulus, TombstoneExpired)
        return min(self.stimulus.event.meta.time or self.now, self.now)

    @property
    def outdated(self) -> bool:
        """Whether a later event has already decided what is wanted."""
        return self.state.desired_at is not None and self.time < self.state.desired_at

    def settle(self, state: FunctionState, answer: Reply, *first: Command) -> Decision:
        """Record the answer in the new state, apply it, then give the answer."""
        assert not isinstance(self.stimulus, TombstoneExpired)
        meta = self.stimulus.event.meta
        superseded = self.stimulus.superseded
        recorded = answers.remember(state, meta, answer, superseded, self.now)
        apply = ApplyStack(cause=meta.id, message=f"{meta.type} {meta.id}: {answer.status}")
        return recorded, (*first, apply, answers.give(meta, answer))


def _prepare(moment: _Moment) -> Decision:
    """A build.start has come: unless it is outdated, its code has to be looked at first."""
    request = moment.stimulus
    assert isinstance(request, Requested)
    assert isinstance(request.event, BuildStart)
    if moment.outdated:
        return answers.outdated(moment.state, request.event.meta)
    return moment.state, (PrepareContext(cause=request.event.meta.id, request=request, event=request.event),)


def _want(moment: _Moment) -> Decision:
    """The context is made: build it, unless the same content is under way or runs already."""
    ready = moment.stimulus
    assert isinstance(ready, ContextReady)
    state = replace(moment.state, desired_at=moment.time, deleted_at=None)
    build, running = state.build, state.deployment
    if not ready.event.force:
        if _under_way(build, moment.now) and build.content_hash == ready.content_hash:
            return moment.settle(state, answers.started(state.function, build, joined=True))
        if running and running.content_hash == ready.content_hash:
            kept = replace(state, build=_given_up(build))
            return moment.settle(kept, answers.already_runs(state.function, running))
    build = _new_build(moment, ready)
    store = StoreContext(cause=ready.event.meta.id, key=ready.context_key)
    return moment.settle(replace(state, build=build), answers.started(state.function, build), store)


def _under_way(build: Build | None, now: datetime.datetime) -> TypeGuard[Build]:
    """Whether a build runs whose result can still be expected."""
    return build is not None and build.status is BuildStatus.RUNNING and now < build.lost_at


def _given_up(build: Build | None) -> Build | None:
    if build is None or build.status is not BuildStatus.RUNNING:
        return build
    return replace(build, status=BuildStatus.SUPERSEDED)


def _new_build(moment: _Moment, ready: ContextReady) -> Build:
    function, meta = moment.state.function, ready.event.meta
    build_id = ready.event.build_id or f"build-{naming.digest(meta.source, meta.id)}"
    ids = (function.third_party_id, function.parser_id)
    return Build(
        build_id=build_id,
        # A sender may use one build id twice; a Job's name must never come back.
        job_name=naming.job_name(*ids, build_id, meta.source, meta.id),
        content_hash=ready.content_hash,
        context_key=ready.context_key,
        image=ready.image,
        handler=ready.handler,
        correlation_id=meta.correlation_id,
        traceparent=meta.traceparent or "",
        requested_at=moment.time,
        lost_at=moment.now + datetime.timedelta(seconds=ready.deadline_seconds) + _RESULT_DELAY,
    )


def _succeed(moment: _Moment) -> Decision:
    """An image is there: roll it out if it is the current build's, or if nobody knows better."""
    request, state = moment.stimulus, moment.state
    assert isinstance(request, Requested)
    event = request.event
    assert isinstance(event, BuildComplete)
    if not _identified(event):
        return _adopt(moment, event)
    build = state.build
    if build is None or not _is_of(event, build) or build.status is BuildStatus.SUPERSEDED:
        return answers.superseded_result(state, event.meta)
    if build.status is BuildStatus.SUCCEEDED:
        return answers.already_rolled_out(state, event.meta)
    return _roll_out(moment, build, _pinned(build.image, event.image_digest))


def _roll_out(moment: _Moment, build: Build, image: str) -> Decision:
    done = replace(build, status=BuildStatus.SUCCEEDED, reason="", message="", exit_code=None, log_tail="")
    deployment = Deployment(
        image=image,
        content_hash=build.content_hash,
        build_id=build.build_id,
        handler=build.handler,
        deployed_at=moment.now,
    )
    state = replace(moment.state, build=done, deployment=deployment)
    return moment.settle(state, answers.service_created(state.function, deployment))


def _adopt(moment: _Moment, event: BuildComplete) -> Decision:
    """A result that names no build: the current one's if the image is its own, else one that others made."""
    state, build = moment.state, moment.state.build
    image = _pinned(event.image_uri, event.image_digest)
    if build and build.status is not BuildStatus.SUPERSEDED and _untagged(build.image, event.image_uri):
        if build.status is BuildStatus.SUCCEEDED:
            return answers.already_rolled_out(state, event.meta)
        return _roll_out(moment, build, image)
    if build and build.status is BuildStatus.RUNNING:
        return answers.superseded_result(state, event.meta)
    if moment.outdated:
        return answers.outdated(state, event.meta)
    handler = state.deployment.handler if state.deployment else answers.DEFAULT_HANDLER
    deployment = Deployment(image=image, handler=handler, deployed_at=moment.now)
    adopted = replace(state, desired_at=moment.time, deployment=deployment)
    return moment.settle(adopted, answers.service_created(state.function, deployment))


def _fail(moment: _Moment) -> Decision:
    """The current build failed: keep the reason, take its Job away, leave what runs alone."""
    request, state = moment.stimulus, moment.state
    assert isinstance(request, Requested)
    event, build = request.event, state.build
    assert isinstance(event, BuildFailed)
    if build is None or (_identified(event) and not _is_of(event, build)):
        return answers.superseded_result(state, event.meta)
    failed = replace(
        build,
        status=BuildStatus.FAILED,
        reason=event.reason,
        message=event.message[:_MESSAGE_CHARACTERS],
        exit_code=event.exit_code,
        log_tail=event.log_tail[-_LOG_CHARACTERS:],
    )
    return moment.settle(replace(state, build=failed), answers.build_failed(state, failed))


def _late(moment: _Moment) -> Decision:
    """A result that nothing waits for."""
    assert isinstance(moment.stimulus, Requested)
    return answers.superseded_result(moment.state, moment.stimulus.event.meta)


def _delete(moment: _Moment) -> Decision:
    """Take the function away and remember that, even if it was never there: a late build.start may follow."""
    request, state = moment.stimulus, moment.state
    assert isinstance(request, Requested)
    meta = request.event.meta
    if moment.outdated:
        return answers.outdated(state, meta)
    gone = FunctionState(
        function=state.function, desired_at=moment.time, deleted_at=moment.now, handled=state.handled
    )
    if state.phase in {Phase.ABSENT, Phase.DELETED}:
        return moment.settle(gone, answers.deleted(state.function, present=False))
    return moment.settle(gone, answers.deleted(state.function, present=True), RemoveContexts(cause=meta.id))


def _forget(moment: _Moment) -> Decision:
    """A tombstone has done its work."""
    deleted_at = moment.state.deleted_at
    assert deleted_at is not None
    if moment.now - deleted_at < TOMBSTONE:
        raise InvalidTransition(moment.state, moment.stimulus)
    return FunctionState(function=moment.state.function), (RemoveStack(cause="sweep"),)


def _identified(event: BuildComplete | BuildFailed) -> bool:
    """Whether the result says which build it is of."""
    return any((event.job_name, event.build_id, event.content_hash))


def _is_of(event: BuildComplete | BuildFailed, build: Build) -> bool:
    """Whether everything that the result says of its build is true of this one."""
    said = {"job_name": event.job_name, "build_id": event.build_id, "content_hash": event.content_hash}
    return all(value == getattr(build, name) for name, value in said.items() if value)


def _untagged(ours: str, image_uri: str) -> bool:
    return ours == image_uri.partition("@")[0]


def _pinned(image: str, digest: str | None) -> str:
    """Return the image by digest; a tag in our own repository if no digest was reported."""
    name = image.partition("@")[0]
    if not digest:
        return image
    repository, colon, tag = name.rpartition(":")
    return f"{repository if colon and '/' not in tag else name}@{digest}"


_Transition = Callable[[_Moment], Decision]

TRANSITIONS: Final[dict[tuple[Phase, type], _Transition]] = {
    **{(phase, BuildStart): _prepare for phase in Phase},
    **{(phase, ContextReady): _want for phase in Phase},
    **{(phase, ServiceDelete): _delete for phase in Phase},
    (Phase.ABSENT, BuildComplete): _succeed,
    (Phase.BUILDING, BuildComplete): _succeed,
    (Phase.READY, BuildComplete): _succeed,
    (Phase.UPDATING, BuildComplete): _succeed,
    (Phase.FAILED, BuildComplete): _succeed,
    (Phase.DELETED, BuildComplete): _late,
    (Phase.ABSENT, BuildFailed): _late,
    (Phase.BUILDING, BuildFailed): _fail,
    (Phase.READY, BuildFailed): _late,
    (Phase.UPDATING, BuildFailed): _fail,
    (Phase.FAILED, BuildFailed): _late,
    (Phase.DELETED, BuildFailed): _late,
    (Phase.DELETED, TombstoneExpired): _forget,
}
"""What happens where; a pair that is not here cannot happen."""
