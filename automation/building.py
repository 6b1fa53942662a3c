"""Transitions of builds: wanted, under way, failed, given up, lost. Pure."""

import datetime
from dataclasses import replace
from typing import Final, TypeGuard

from automation import answers
from automation.answers import Decision
from automation.configuring import configured, reconfigured
from automation.errors import InvalidEvent, Saturated
from automation.events import BuildCancel, BuildComplete, BuildFailed, BuildRequest, BuildStart
from automation.model import (
    ApplyStack,
    Build,
    BuildStatus,
    BuildTurn,
    Cancellation,
    ContextReady,
    FunctionState,
    PrepareContext,
    Requested,
    StoreContext,
)
from automation.moment import Moment
from components import naming

_RESULT_DELAY: Final = datetime.timedelta(minutes=5)
"""How long after a Job's deadline its result may still come: all of the broker's retries and more."""

_CANCELLED: Final = 8
_CANCELLED_FOR: Final = datetime.timedelta(hours=24)
"""How many cancellations wait for the build that they overtook, and how long: as events are remembered."""

_MESSAGE_CHARACTERS: Final = 1000
_LOG_CHARACTERS: Final = 4096


def prepare(moment: Moment) -> Decision:
    """A build.start has come: unless it changes nothing, its code has to be looked at first.

    Raises Saturated if no further build may wait, InvalidEvent for a retry of nothing.
    """
    request, state = moment.stimulus, moment.state
    assert isinstance(request, Requested)
    event = request.event
    assert isinstance(event, BuildRequest)
    if moment.outdated:
        return answers.outdated(state, event.meta)
    if _cancelled_before(state, event):
        return answers.cancelled_before(state, event.meta)
    refusal = request.line and request.line.refusal(state.function.third_party_id)
    if refusal and not (state.build and state.build.is_queued):  # whose place the new one would take
        raise Saturated(refusal)
    wanted = _as_before(event, state) if isinstance(event, BuildStart) and event.retry else event
    return state, (PrepareContext(cause=event.meta.id, request=request, event=wanted),)


def want(moment: Moment) -> Decision:
    """The context is made: build it, unless the same content is under way or runs already."""
    ready = moment.stimulus
    assert isinstance(ready, ContextReady)
    state = configured(moment, ready.event)
    build, running = state.build, state.deployment
    if not ready.event.force:
        if _under_way(build, moment.now) and build.content_hash == ready.content_hash:
            answer = answers.queued if build.is_queued else answers.started
            return moment.settle(state, answer(state.function, build, joined=True))
        if running and running.content_hash == ready.content_hash:
            kept = replace(state, build=given_up(build, moment.now))
            return reconfigured(moment, kept, running, ready.handler)
    build = _new_build(moment, ready)
    store = StoreContext(cause=ready.event.meta.id, key=ready.context_key)
    waits = ready.line and not ready.line.has_room(state.function.third_party_id)
    answer = answers.queued if waits else answers.started
    return moment.settle(replace(state, build=build), answer(state.function, build), store)


def begin(moment: Moment) -> Decision:
    """The turn of a build that waits has come; of one that is given up, or begun already, it never does."""
    turn, state = moment.stimulus, moment.state
    assert isinstance(turn, BuildTurn)
    build = state.build
    if build is None or not build.is_queued or build.job_name != turn.job_name:
        return state, ()
    begun = replace(
        build,
        status=BuildStatus.RUNNING,
        started_at=moment.now,
        lost_at=_lost_at(moment.now, turn.deadline_seconds),
    )
    apply = ApplyStack(cause=turn.job_name, message=f"{turn.job_name}: its turn has come")
    return replace(state, build=begun), (apply,)


def fail(moment: Moment) -> Decision:
    """The current build failed: keep the reason, take its Job away, leave what runs alone."""
    event, state = moment.event(BuildFailed), moment.state
    build = state.build
    if build is None or (identified(event) and not is_of(event, build)):
        return answers.superseded_result(state, event.meta)
    failed = replace(
        build,
        status=BuildStatus.FAILED,
        completed_at=moment.now,
        reason=event.reason,
        message=event.message[:_MESSAGE_CHARACTERS],
        exit_code=event.exit_code,
        log_tail=event.log_tail[-_LOG_CHARACTERS:],
        failing_since=build.failing_since or moment.now,
    )
    return moment.settle(replace(state, build=failed), answers.build_failed(state, failed))


def cancel(moment: Moment) -> Decision:
    """Give the build up that waits or runs, and take its Job away; what runs goes on running.

    Where there is no such build it may be yet to come: its build.start was sent before, and is overtaken.
    """
    event, state = moment.event(BuildCancel), moment.state
    build = state.build
    if moment.outdated:
        return answers.outdated(state, event.meta)
    if build is None or not build.is_live or event.build_id not in (None, build.build_id):
        return moment.settle(_forestalled(moment, event), answers.nothing_to_cancel(state.function))
    message = event.reason[:_MESSAGE_CHARACTERS]
    cancelled = replace(build, status=BuildStatus.CANCELLED, completed_at=moment.now, message=message)
    wanted = replace(state, desired_at=moment.time, build=cancelled)
    return moment.settle(wanted, answers.cancelled(state, cancelled))


def identified(event: BuildComplete | BuildFailed) -> bool:
    """Whether the result says which build it is of."""
    return any((event.job_name, event.build_id, event.content_hash))


def is_of(event: BuildComplete | BuildFailed, build: Build) -> bool:
    """Whether everything that the result says of its build is true of this one."""
    said = {"job_name": event.job_name, "build_id": event.build_id, "content_hash": event.content_hash}
    return all(value == getattr(build, name) for name, value in said.items() if value)


def given_up(build: Build | None, now: datetime.datetime) -> Build | None:
    """Return a build as it is once something else is wanted: one that waits or runs is superseded."""
    if build is None or not build.is_live:
        return build
    return replace(build, status=BuildStatus.SUPERSEDED, completed_at=now)


def _under_way(build: Build | None, now: datetime.datetime) -> TypeGuard[Build]:
    """Whether a build waits, or runs and its result can still be expected."""
    return build is not None and build.is_live and not build.is_lost(now)


def _as_before(event: BuildStart, state: FunctionState) -> BuildStart:
    """Return a retry with what it does not say itself taken from the build that it repeats."""
    build = state.build
    if build is None:
        raise InvalidEvent(f"{state.function} has had no build that could be tried again; send build.start")
    if event.build_id not in (None, build.build_id):
        raise InvalidEvent(
            f"build_id: {event.build_id!r} is not the latest build of {state.function}, which is "
            f"{build.build_id!r}; only that one can be tried again"
        )
    return replace(
        event,
        build_id=None,
        source_bucket=event.source_bucket or build.source_bucket or None,
        source_prefix=event.source_prefix or build.source_prefix or None,
        language=event.language or build.language or None,
        runtime=event.runtime or build.runtime or None,
    )


def _forestalled(moment: Moment, event: BuildCancel) -> FunctionState:
    """Return the state in which the build that a cancellation means does not begin any more."""
    state = moment.state
    if event.build_id is None:
        return replace(state, desired_at=moment.time)  # whatever was asked for before is outdated now
    known = [one for one in state.cancelled if moment.now - one.at < _CANCELLED_FOR]
    one = Cancellation(build_id=event.build_id, at=moment.time)
    return replace(state, cancelled=(*known, one)[-_CANCELLED:])


def _cancelled_before(state: FunctionState, event: BuildRequest) -> bool:
    asked, build_id = event.meta.time, _build_id(event)
    return any(one.build_id == build_id and (asked is None or asked <= one.at) for one in state.cancelled)


def _build_id(event: BuildRequest) -> str:
    return event.build_id or f"build-{naming.digest(event.meta.source, event.meta.id)}"


def _lost_at(began: datetime.datetime, deadline_seconds: int) -> datetime.datetime:
    return began + datetime.timedelta(seconds=deadline_seconds) + _RESULT_DELAY


def _failing_since(latest: Build | None) -> datetime.datetime | None:
    """Return since when builds have failed, before the next one begins."""
    return latest.failing_since if latest and latest.status is not BuildStatus.SUCCEEDED else None


def _new_build(moment: Moment, ready: ContextReady) -> Build:
    function, meta, event = moment.state.function, ready.event.meta, ready.event
    build_id = _build_id(event)
    ids = (function.third_party_id, function.parser_id)
    build = Build(
        build_id=build_id,
        # A sender may use one build id twice; a Job's name must never come back.
        job_name=naming.job_name(*ids, build_id, meta.source, meta.id),
        content_hash=ready.content_hash,
        context_key=ready.context_key,
        image=ready.image,
        handler=ready.handler,
        correlation_id=meta.correlation_id,
        traceparent=meta.traceparent or "",
        context_id=(isinstance(event, BuildStart) and event.context_id) or "",
        failing_since=_failing_since(moment.state.build),
        requested_at=moment.time,
        priority=event.priority,
        source_bucket=event.source_bucket or "",
        source_prefix=event.source_prefix or "",
        language=event.language or "",
        runtime=event.runtime or "",
        cause=meta.id,
        cause_source=meta.source,
        location=ready.location,
    )
    if ready.line is None:
        return replace(build, started_at=moment.now, lost_at=_lost_at(moment.now, ready.deadline_seconds))
    older = moment.state.build
    # Newer code of a function that waits takes its place: nobody loses a turn by sending a correction.
    since = older.queued_at if older and older.is_queued else moment.now
    return replace(build, status=BuildStatus.QUEUED, queued_at=since)
