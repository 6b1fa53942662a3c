"""Worlds to start from, events to happen in them, and a checker that refuses worlds that cannot be."""

import datetime
import hashlib
from dataclasses import replace

from automation.events import (
    BuildCancel,
    BuildComplete,
    BuildFailed,
    BuildStart,
    EventMeta,
    FunctionId,
    FunctionRollback,
    ServiceDelete,
)
from automation.machine import decide
from automation.model import (
    Answer,
    ApplyStack,
    Build,
    BuildStatus,
    ContextReady,
    Deployment,
    FunctionState,
    PrepareContext,
    Requested,
)

FUNCTION = FunctionId("tp1", "parser1")
NOW = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)
DIGEST = "sha256:" + "d" * 64
REPOSITORY = "registry.test/knative-lambdas"


def at(seconds):
    return NOW + datetime.timedelta(seconds=seconds)


def meta(id="e1", time=None, type="network.notifi.lambda.build.start"):
    return EventMeta(id=id, source="network.notifi.tp1", type=type, time=time, correlation_id=f"c-{id}")


def start(id="e1", time=None, **fields):
    return BuildStart(meta=meta(id, time), function=FUNCTION, **fields)


def complete(id="c1", build=None, **fields):
    named = (
        {"job_name": build.job_name, "build_id": build.build_id, "content_hash": build.content_hash}
        if build
        else {}
    )
    fields = {
        "image_uri": build.image if build else f"{REPOSITORY}:other",
        "image_digest": DIGEST,
        **named,
        **fields,
    }
    event = meta(id, fields.pop("time", None), "network.notifi.lambda.build.complete")
    return BuildComplete(meta=event, function=FUNCTION, **fields)


def failed(id="f1", build=None, **fields):
    named = {"job_name": build.job_name, "build_id": build.build_id} if build else {}
    event = meta(id, None, "network.notifi.lambda.build.failed")
    return BuildFailed(meta=event, function=FUNCTION, **{"reason": "oom", **named, **fields})


def delete(id="d1", time=None):
    return ServiceDelete(meta=meta(id, time, "network.notifi.lambda.service.delete"), function=FUNCTION)


def cancel(id="x1", time=None, **fields):
    event = meta(id, time, "io.knative.lambda.command.build.cancel")
    return BuildCancel(meta=event, function=FUNCTION, **fields)


def rollback(id="r1", revision=None, time=None):
    event = meta(id, time, "io.knative.lambda.command.function.rollback")
    return FunctionRollback(meta=event, function=FUNCTION, revision=revision)


def content_hash(content):
    return hashlib.sha256(content.encode()).hexdigest()


def ready(event, content="v1", superseded=()):
    digest = content_hash(content)
    return ContextReady(
        event=event,
        superseded=superseded,
        content_hash=digest,
        context_key=f"build-context/parser1/{digest}/context.tar.gz",
        image=f"{REPOSITORY}:tp1-parser1-{digest[:8]}",
        handler="parser.handler",
        deadline_seconds=1800,
    )


def build(content="v1", status=BuildStatus.RUNNING, job="kaniko-build-tp1-parser1-00000001"):
    context = ready(start(), content)
    return Build(
        build_id="build-1",
        job_name=job,
        content_hash=context.content_hash,
        context_key=context.context_key,
        image=context.image,
        handler="parser.handler",
        correlation_id="c-1",
        requested_at=at(-100),
        lost_at=at(2000),
        status=status,
        reason="oom" if status is BuildStatus.FAILED else "",
    )


def deployment(content="v0"):
    return Deployment(
        image=f"{REPOSITORY}@{DIGEST}",
        content_hash=content_hash(content),
        build_id="build-0",
        handler="parser.handler",
        deployed_at=at(-200),
    )


def absent():
    return FunctionState(function=FUNCTION)


def building():
    return FunctionState(function=FUNCTION, desired_at=at(-100), build=build())


def running():
    done = build("v0", BuildStatus.SUCCEEDED)
    return FunctionState(function=FUNCTION, desired_at=at(-100), build=done, deployment=deployment())


def updating():
    return replace(building(), deployment=deployment())


def cancelled():
    return replace(building(), build=build(status=BuildStatus.CANCELLED))


def grown():
    """A function that has run three contents."""
    older = [
        replace(deployment(f"v{number}"), number=number, cause=f"e{number}", build_id=f"build-{number}")
        for number in (1, 2, 3)
    ]
    return replace(running(), deployment=older[2], previous=(older[0], older[1]))


def broken():
    return FunctionState(function=FUNCTION, desired_at=at(-100), build=build(status=BuildStatus.FAILED))


def deleted():
    return FunctionState(function=FUNCTION, desired_at=at(-100), deleted_at=at(-100))


def impossible(state):
    """Say what of a state can never have come about; an empty list for a state that can."""
    problems = []
    present = state.build is not None or state.deployment is not None
    if state.deleted_at is not None and present:
        problems.append("a deleted function builds or runs something")
    if (present or state.deleted_at is not None) and state.desired_at is None:
        problems.append("something is there that no event decided")
    if state.build is not None:
        problems += _impossible_build(state)
    numbers = [one.number for one in (*state.previous, *([state.deployment] if state.deployment else []))]
    if numbers != sorted(numbers) or len({*numbers} - {0}) != len([one for one in numbers if one]):
        problems.append("deployments are not counted upwards")
    if state.previous and state.deployment is None:
        problems.append("something ran before nothing")
    if len(state.previous) > 10:
        problems.append("more deployments are remembered than allowed")
    keys = [(seen.source, seen.id) for seen in state.handled]
    if len(keys) != len(set(keys)):
        problems.append("an event was handled twice")
    if len(keys) > 32:
        problems.append("more events are remembered than allowed")
    return problems


def _impossible_build(state):
    build, deployment = state.build, state.deployment
    problems = []
    if build.status is BuildStatus.SUCCEEDED and deployment is None:
        problems.append("a build succeeded and nothing runs")
    if build.status is BuildStatus.SUPERSEDED and deployment is None:
        problems.append("a build was given up for content that does not run")
    if build.status is BuildStatus.FAILED and not build.reason:
        problems.append("a build failed without a reason")
    if build.status is not BuildStatus.FAILED and (build.reason or build.log_tail):
        problems.append("a build that did not fail has a reason")
    return problems


class Platform:
    """One function's stack under the decision core: carries commands out in memory, in order."""

    def __init__(self, state=None, content=None):
        self.state = state or absent()
        self.content = content or {}
        self.now = NOW
        self.builds = {}
        self.commands = ()

    def deliver(self, event, superseded=()):
        """Carry one event out and return the reply."""
        return self._feed(Requested(event=event, superseded=superseded))

    def _feed(self, stimulus):
        before = self.state
        after, self.commands = decide(before, stimulus, self.now)
        assert isinstance(self.commands[-1], Answer | PrepareContext)
        if not any(isinstance(command, ApplyStack) for command in self.commands):
            assert after == before, "a state that is not applied must not change"
        self.state = after
        if self.state.build is not None:
            self.builds[self.state.build.job_name] = self.state.build
        last = self.commands[-1]
        if isinstance(last, PrepareContext):
            content = self.content.get(last.event.meta.id, "v1")
            return self._feed(ready(last.event, content, last.request.superseded))
        return last.reply
