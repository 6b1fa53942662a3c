"""What is answered to an event, and how an answer is remembered. Pure.

Every answer is a Reply: the contract's status, a sentence for a person, and fields for a program.
"""

import datetime
from dataclasses import replace
from typing import Final

from automation.events import EventMeta, FunctionId, Notice, Reply
from automation.model import (
    Answer,
    ApplyStack,
    Build,
    Command,
    Deployment,
    FunctionState,
    Handled,
    RemoveContexts,
)
from automation.plans import Plan
from components import naming

Decision = tuple[FunctionState, tuple[Command, ...]]
"""The next state, and what to do to get there."""

DEFAULT_HANDLER: Final = "parser.handler"
"""What is called in an image that others built."""

PLAN: Final = "plan"
"""The kind of reply that a dry run gets."""

REFUSED: Final = "refused"
"""The status of an image that is built and not rolled out."""

SUPERSEDED: Final = "superseded"
_BUILDS: Final = frozenset({"started", "queued"})
"""What an event is answered that begins a build."""
_GIVING_UP: Final = _BUILDS | {"cancelled"}
"""What an event may be answered that gives up the build before it."""

REMEMBERED: Final = 32
"""How many events a function remembers."""

REMEMBERED_FOR: Final = datetime.timedelta(hours=24)


def give(meta: EventMeta, reply: Reply) -> Answer:
    """Return the command that answers an event."""
    return Answer(cause=meta.id, reply=replace(reply, fields={"event_id": meta.id, **reply.fields}))


def remember(
    state: FunctionState,
    meta: EventMeta,
    reply: Reply,
    superseded: tuple[EventMeta, ...],
    now: datetime.datetime,
    reason: str = "",
) -> FunctionState:
    """Return the state with the answer to an event recorded, and to those that it superseded in the queue."""
    new = (
        *(_handled(older, SUPERSEDED, {}, now) for older in superseded),
        replace(_handled(meta, reply.status, reply.fields, now), reason=reason),
    )
    kept = [seen for seen in state.handled if now - seen.at < REMEMBERED_FOR]
    return replace(state, handled=(*kept, *new)[-REMEMBERED:])


def _handled(meta: EventMeta, status: str, fields: dict[str, object], now: datetime.datetime) -> Handled:
    return Handled(source=meta.source, id=meta.id, type=meta.type, at=now, status=status, fields=fields)


def repeated(state: FunctionState, meta: EventMeta, seen: Handled) -> Decision:
    """An event that was handled before: the first answer's fields come again.

    The recorded state is applied once more, and the context removed of the build that the event gave up. That
    changes nothing, unless the process ended or a deletion failed after the state was recorded: then it
    finishes the work.
    """
    message = f"event {meta.id} was handled at {seen.at.isoformat()} and answered {seen.status}"
    reply = Reply(status="skipped", message=message, fields=dict(seen.fields))
    apply = ApplyStack(cause=meta.id, message=f"{meta.type} {meta.id}: repeated")
    return state, (apply, *_given_up(state, meta, seen), give(meta, reply))


def _given_up(state: FunctionState, meta: EventMeta, seen: Handled) -> tuple[RemoveContexts, ...]:
    """Return what removes the context of the build that an event gave up, unless it is needed again."""
    earlier = [one for one in state.handled[: state.handled.index(seen)] if one.status != SUPERSEDED]
    if seen.status not in _GIVING_UP or not earlier or earlier[-1].status not in _BUILDS:
        return ()
    function, build = state.function, state.build
    given_up = str(earlier[-1].fields["content_hash"])
    key = naming.context_key(function.third_party_id, function.parser_id, given_up)
    needed = build is not None and build.is_live and build.context_key == key
    return () if needed else (RemoveContexts(cause=meta.id, key=key),)


def outdated(state: FunctionState, meta: EventMeta) -> Decision:
    """An event older than the one that decided what is wanted."""
    assert state.desired_at is not None
    message = f"an event of {state.desired_at.isoformat()} decided later on {state.function}"
    return state, (give(meta, Reply(status="skipped", message=message)),)


def superseded_result(state: FunctionState, meta: EventMeta) -> Decision:
    """The result of a build that is not the current one."""
    message = f"this build of {state.function} is not the current one; nothing was changed"
    return state, (give(meta, Reply(status="skipped", message=message)),)


def already_rolled_out(state: FunctionState, meta: EventMeta) -> Decision:
    """The result of a build that was rolled out before."""
    assert state.deployment is not None
    fields = _deployment_fields(state.function, state.deployment)
    message = f"{fields['service_name']} was rolled out already"
    return state, (give(meta, Reply(status="skipped", message=message, fields=fields)),)


def superseded_request(meta: EventMeta, by: EventMeta) -> Reply:
    """A build.start that waited in the queue when a newer one came."""
    return Reply(
        status="superseded",
        message=f"build.start {by.id} came after this one and took its place",
        fields={"event_id": meta.id, "superseded_by": by.id},
    )


def started(function: FunctionId, build: Build, joined: bool = False) -> Reply:
    """A build is under way; `joined` means that it was before this event."""
    message = (
        "a build of the same content is under way" if joined else "the build of this function has started"
    )
    return _under_way(function, build, "started", message)


def queued(function: FunctionId, build: Build, joined: bool = False) -> Reply:
    """A build waits for its turn; `joined` means that it did before this event."""
    message = (
        "a build of the same content waits for its turn" if joined else "the build waits for others to end"
    )
    return _under_way(function, build, "queued", message)


def _under_way(function: FunctionId, build: Build, status: str, message: str) -> Reply:
    return Reply(
        status=status,
        message=message,
        fields={
            "job_name": build.job_name,
            "build_id": build.build_id,
            "image_uri": build.image,
            "content_hash": build.content_hash,
            "service_name": _name(function),
        },
    )


def already_runs(function: FunctionId, deployment: Deployment) -> Reply:
    """The content that was asked for runs already."""
    fields = _deployment_fields(function, deployment)
    message = f"{fields['service_name']} runs this content already; set force to build it again"
    return Reply(status="skipped", message=message, fields=fields)


def service_created(state: FunctionState) -> Reply:
    """The function is rolled out."""
    assert state.deployment is not None
    fields = _deployment_fields(state.function, state.deployment)
    message = f"{fields['service_name']} is rolled out"
    return Reply(status="service_created", message=message, fields=fields)


def build_failed(state: FunctionState, build: Build) -> Reply:
    """A failed build was recorded."""
    rest = "the function keeps running as it is" if state.deployment else "no function was made"
    return Reply(
        status="build_failed",
        message=f"the build failed ({build.reason}); {rest}",
        fields={"job_name": build.job_name, "build_id": build.build_id, "reason": build.reason},
    )


def refused(state: FunctionState, build: Build) -> Reply:
    """An image was built and is not rolled out."""
    rest = "the function keeps running as it is" if state.deployment else "no function was made"
    return Reply(
        status=REFUSED,
        message=f"the image is not rolled out ({build.message}); {rest}",
        fields={"job_name": build.job_name, "build_id": build.build_id, "reason": build.reason},
    )


def cancelled(state: FunctionState, build: Build) -> Reply:
    """A build was given up."""
    rest = "the function keeps running as it is" if state.deployment else "no function was made"
    return Reply(
        status="cancelled",
        message=f"build {build.build_id} was cancelled; {rest}",
        fields={"job_name": build.job_name, "build_id": build.build_id},
    )


def nothing_to_cancel(function: FunctionId) -> Reply:
    """The build is over, another one, or yet to be asked for."""
    message = f"there is no such build of {function} under way; one that was asked for before will not begin"
    return Reply(status="skipped", message=message)


def cancelled_before(state: FunctionState, meta: EventMeta) -> Decision:
    """A build.start whose build was cancelled before it arrived."""
    message = f"this build of {state.function} was cancelled before it was asked for; nothing was changed"
    return state, (give(meta, Reply(status="skipped", message=message)),)


def rolled_back(function: FunctionId, deployment: Deployment, target: Deployment) -> Reply:
    """An earlier deployment runs again."""
    fields = _deployment_fields(function, deployment)
    message = (
        f"{fields['service_name']} runs what revision {target.number} was, as revision {deployment.number}"
    )
    return Reply(status="rolled_back", message=message, fields={**fields, "restored": target.number})


def already_deployed(function: FunctionId, deployment: Deployment) -> Reply:
    """The deployment to go back to is the present one."""
    fields = _deployment_fields(function, deployment)
    message = f"{fields['service_name']} runs revision {deployment.number} already"
    return Reply(status="skipped", message=message, fields=fields)


def updated(function: FunctionId, deployment: Deployment) -> Reply:
    """What runs is run in another way."""
    fields = _deployment_fields(function, deployment)
    message = f"{fields['service_name']} is rolled out with its new configuration; nothing had to be built"
    return Reply(status="updated", message=message, fields=fields)


def configured(function: FunctionId, build: Build) -> Reply:
    """A configuration is recorded for what is being built."""
    message = f"build {build.build_id} is under way and will be rolled out with this configuration"
    return Reply(status="updated", message=message, fields={"build_id": build.build_id})


def promoted(function: FunctionId, deployment: Deployment, percent: int) -> Reply:
    """The newest deployment has another share of the traffic."""
    fields = _deployment_fields(function, deployment)
    message = f"revision {deployment.number} of {fields['service_name']} has {percent} % of the traffic"
    return Reply(status="promoted", message=message, fields={**fields, "percent": percent})


def nothing_to_promote(state: FunctionState, meta: EventMeta) -> Decision:
    """There is no split."""
    message = f"no revision of {state.function} shares its traffic with another one; nothing was changed"
    return state, (give(meta, Reply(status="skipped", message=message)),)


def deleted(function: FunctionId, present: bool) -> Reply:
    """The function is gone."""
    message = "the function was taken away" if present else "there was no such function"
    return Reply(status="deleted", message=message, fields={"service_name": _name(function)})


def told_by_ourselves(meta: EventMeta) -> Reply:
    """An event that this platform emitted has come back to it: what it tells is recorded already."""
    message = "this platform told that itself; nothing was changed"
    return Reply(status="skipped", message=message, fields={"event_id": meta.id})


def acknowledged(kind: str) -> Reply:
    """A notice was seen."""
    return Reply(status="acknowledged", message=f"{kind} was seen")


def planned(
    meta: EventMeta, before: FunctionState, after: FunctionState, plan: Plan, plan_id: str, reply: Reply
) -> Reply:
    """What a dry run found: the plan, and what the event would be answered."""
    contents = plan.as_json()
    counted = ", ".join(f"{count} to {op}" for op, count in plan.counts.items()) or "nothing to change"
    return Reply(
        status="planned",
        message=f"{meta.type} would be answered {reply.status}: {counted}; approve it with planid {plan_id}",
        fields={
            "event_id": meta.id,
            "plan_id": plan_id,
            "phase_before": before.phase.value,
            "phase_after": after.phase.value,
            "reply": {"status": reply.status, "message": reply.message, **reply.fields},
            **contents,
        },
        kind=PLAN,
    )


def planned_notice(event: Notice) -> Reply:
    """A dry run of an event that changes nothing anyway."""
    message = f"{event.kind} would be answered acknowledged: it changes nothing"
    return Reply(status="planned", message=message, fields={"changes": {}, "steps": []}, kind=PLAN)


def _deployment_fields(function: FunctionId, deployment: Deployment) -> dict[str, object]:
    fields = {
        "service_name": _name(function),
        "image_uri": deployment.image,
        "content_hash": deployment.content_hash,
        "build_id": deployment.build_id,
        "revision": deployment.number,
    }
    return {key: value for key, value in fields.items() if value}


def _name(function: FunctionId) -> str:
    return naming.function_name(function.third_party_id, function.parser_id)
