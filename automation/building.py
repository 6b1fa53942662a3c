"""Transitions of builds: wanted, under way, failed, given up, lost. Pure."""

import datetime
from dataclasses import replace
from typing import Final, TypeGuard

from automation import answers
from automation.answers import Decision
from automation.events import BuildCancel, BuildComplete, BuildFailed, BuildStart, EventMeta
from automation.model import (
    Build,
    BuildStatus,
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

_MESSAGE_CHARACTERS: Final = 1000
_LOG_CHARACTERS: Final = 4096


def prepare(moment: Moment) -> Decision:
    """A build.start has come: unless it is outdated, its code has to be looked at first."""
    event, request = moment.event(BuildStart), moment.stimulus
    assert isinstance(request, Requested)
    if moment.outdated:
        return answers.outdated(moment.state, event.meta)
    return moment.state, (PrepareContext(cause=event.meta.id, request=request, event=event),)


def want(moment: Moment) -> Decision:
    """The context is made: build it, unless the same content is under way or runs already."""
    ready = moment.stimulus
    assert isinstance(ready, ContextReady)
    state = replace(moment.state, desired_at=moment.time, deleted_at=None)
    build, running = state.build, state.deployment
    if not ready.event.force:
        if _under_way(build, moment.now) and build.content_hash == ready.content_hash:
            return moment.settle(state, answers.started(state.function, build, joined=True))
        if running and running.content_hash == ready.content_hash:
            kept = replace(state, build=given_up(build))
            return moment.settle(kept, answers.already_runs(state.function, running))
    build = _new_build(moment, ready)
    store = StoreContext(cause=ready.event.meta.id, key=ready.context_key)
    return moment.settle(replace(state, build=build), answers.started(state.function, build), store)


def fail(moment: Moment) -> Decision:
    """The current build failed: keep the reason, take its Job away, leave what runs alone."""
    event, state = moment.event(BuildFailed), moment.state
    build = state.build
    if build is None or (identified(event) and not is_of(event, build)):
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


def cancel(moment: Moment) -> Decision:
    """Give the build up that is under way, and take its Job away; what runs goes on running."""
    event, state = moment.event(BuildCancel), moment.state
    build = state.build
    if moment.outdated:
        return answers.outdated(state, event.meta)
    if build is None or not build.is_running or event.build_id not in (None, build.build_id):
        return answers.nothing_to_cancel(state, event.meta)
    cancelled = replace(build, status=BuildStatus.CANCELLED)
    wanted = replace(state, desired_at=moment.time, build=cancelled)
    return moment.settle(wanted, answers.cancelled(state, cancelled))


def lost_build(state: FunctionState, now: datetime.datetime) -> BuildFailed | None:
    """Return the failure of a build whose result should have come long ago; None if there is none."""
    build = state.build
    if build is None or not build.is_running or now < build.lost_at:
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


def identified(event: BuildComplete | BuildFailed) -> bool:
    """Whether the result says which build it is of."""
    return any((event.job_name, event.build_id, event.content_hash))


def is_of(event: BuildComplete | BuildFailed, build: Build) -> bool:
    """Whether everything that the result says of its build is true of this one."""
    said = {"job_name": event.job_name, "build_id": event.build_id, "content_hash": event.content_hash}
    return all(value == getattr(build, name) for name, value in said.items() if value)


def given_up(build: Build | None) -> Build | None:
    """Return a build as it is once something else is wanted: one that runs is superseded."""
    return replace(build, status=BuildStatus.SUPERSEDED) if build and build.is_running else build


def _under_way(build: Build | None, now: datetime.datetime) -> TypeGuard[Build]:
    """Whether a build runs whose result can still be expected."""
    return build is not None and build.is_running and now < build.lost_at


def _new_build(moment: Moment, ready: ContextReady) -> Build:
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
