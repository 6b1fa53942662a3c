"""Two states of a function and what led from one to the other in, the events that tell of it out. Pure.

Derived from what is recorded, not from which transition recorded it: one that is new tells of itself. The ids
follow from the cause, so that a decision that is taken twice emits once.
"""

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from automation.events import BuildComplete, BuildFailed, EventMeta, FunctionEvent
from automation.model import Build, BuildStatus, FunctionState, Phase
from automation.outbox import cdevents, drifts, lifecycle, notices, readiness
from automation.outbox.emission import PREFIX, Emission, Kind, identity

_GONE: Final = frozenset({Phase.ABSENT, Phase.DELETED})
_Told = tuple[str, Mapping[str, Any], Kind]
"""The end of a type, the data and the kind of one event."""


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What is told, and what of the environment is told with it."""

    kinds: frozenset[Kind]
    environment: str
    url_of: Callable[[str], str]
    """Returns the URL of a function by the name of its Knative Service."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a decision changes in a function, and the event that it decides on."""

    before: FunctionState
    after: FunctionState
    event: FunctionEvent | None
    """None for what time brings: a build that waited begins."""
    now: datetime.datetime

    @property
    def recorded(self) -> bool:
        """Whether the event is answered by this decision: a repetition or an outdated one changes nothing."""
        if self.event is None:
            return self.before != self.after
        meta = self.event.meta
        return self.parks or (self.before.find(meta) is None and self.after.find(meta) is not None)

    @property
    def parks(self) -> bool:
        """Whether the event waits for approval from now on."""
        parked, known = self.after.parked, self.before.parked
        return parked is not None and (known is None or known.plan_id != parked.plan_id)

    @property
    def cause(self) -> EventMeta:
        """What led to it; for what time brings, the build that it brings forward or what was seen."""
        if self.event is not None:
            return self.event.meta
        build = self.after.build
        if build is None or build == self.before.build:
            return EventMeta(id=self._seen, source="", type="", correlation_id="")
        return EventMeta(
            id=f"{build.job_name}/turn",
            source="",
            type="",
            correlation_id=build.correlation_id,
            traceparent=build.traceparent,
        )

    @property
    def _seen(self) -> str:
        """Names what a look at the function has found: as long as that is the same, so is its name."""
        if drift := drifts.name(self.before, self.after):
            return drift
        number = self.before.deployment.number if self.before.deployment else 0
        rollout = self.before.rollout
        known = rollout.step_at is not None if rollout else True
        return f"revision {number} seen {'after' if known else 'before'} it was ready"


def emissions(change: Change, telling: Telling) -> tuple[Emission, ...]:
    """Return the events that are to be sent once the change is recorded, in the order of what happened."""
    if not telling.kinds or not change.recorded:
        return ()
    told = [
        *_builds(change),
        *_function(change),
        *_service(change, telling),
        *_readiness(change, telling),
        *_alerts(change),
        *_audit(change),
    ]
    made = [_emission(change, *one) for one in told]
    forms = [
        form
        for emission in made
        for form in cdevents.forms(emission, change.after.function, telling.environment)
    ]
    return tuple(one for one in (*made, *forms) if one.kind in telling.kinds)


def _emission(change: Change, type: str, data: Mapping[str, Any], kind: Kind) -> Emission:
    meta = change.cause
    type = type if kind is Kind.CALLBACKS else PREFIX + type
    # A build that takes another's place ends that one: the same cause, and not the same event.
    about = f"{type} {data.get('buildId') or data.get('contextId') or ''}"
    return Emission(
        id=identity(str(change.after.function), meta.source, meta.id, about),
        type=type,
        at=change.now,
        data=data,
        kind=kind,
        correlation_id=meta.correlation_id,
        causation_id=meta.id if change.event else "",
        traceparent=meta.traceparent or "",
    )


def _ends(change: Change) -> Iterator[Build]:
    """Yield the builds that are over by this change, as they ended."""
    old, new = change.before.build, change.after.build
    if old is not None and new is not None and old.job_name == new.job_name:
        if old.status is not new.status and not new.is_live:
            yield new
    elif old is not None and old.is_live:
        yield lifecycle.given_up(old)


def _begun(change: Change) -> Build | None:
    """Return the build that runs from now on, if it did not before."""
    old, new = change.before.build, change.after.build
    if new is None or not new.is_running:
        return None
    same = old is not None and old.job_name == new.job_name and old.status is new.status
    return None if same else new


def _builds(change: Change) -> Iterator[_Told]:
    for build in _ends(change):
        word = lifecycle.outcome(build)
        data = lifecycle.of_build(change.after, build, word, change.now)
        yield f"lifecycle.build.{word}", data, Kind.LIFECYCLE
        if build.context_id:
            yield notices.CALLBACK, notices.execution(build, word), Kind.CALLBACKS
    begun = _begun(change)
    if begun is not None:
        data = lifecycle.of_build(change.after, begun, "started", change.now)
        yield "lifecycle.build.started", data, Kind.LIFECYCLE


def _function(change: Change) -> Iterator[_Told]:
    before, after = change.before, change.after
    gone, there = before.phase in _GONE, after.phase not in _GONE
    words = {
        "created": gone and there,
        "updated": before.deployment is not None
        and after.deployment is not None
        and readiness.changed(before, after),
        "deleted": not gone and after.phase is Phase.DELETED,
    }
    for word, happened in words.items():
        if happened:
            yield f"lifecycle.function.{word}", lifecycle.of_function(after), Kind.LIFECYCLE


def _service(change: Change, telling: Telling) -> Iterator[_Told]:
    old, new = change.before.deployment, change.after.deployment
    if not readiness.changed(change.before, change.after):
        return
    word = "deleted" if new is None else "created" if old is None else "updated"
    shown = new or old
    assert shown is not None
    url = telling.url_of(lifecycle.service_name(change.after)) if new else ""
    data = lifecycle.of_service(change.after, shown, url)
    yield f"lifecycle.service.{word}", data, Kind.LIFECYCLE


def _readiness(change: Change, telling: Telling) -> Iterator[_Told]:
    url = telling.url_of(lifecycle.service_name(change.after))
    for word, data in readiness.told(change.before, change.after, url):
        yield f"lifecycle.{word}", data, Kind.LIFECYCLE
    for word, data in drifts.told(change.before, change.after):
        yield f"lifecycle.{word}", data, Kind.LIFECYCLE


def _alerts(change: Change) -> Iterator[_Told]:
    """Builds and revisions that fail, the first that is good after that, a plan that waits for approval."""
    if change.parks:
        yield "notification.alert.warning", notices.gate_alert(change.after), Kind.ALERTS
    for build in _ends(change):
        recovered = build.status is BuildStatus.SUCCEEDED and build.failing_since is not None
        if build.status is BuildStatus.FAILED or recovered:
            data = notices.build_alert(change.after, build, change.now)
            yield f"notification.alert.{data['severity']}", data, Kind.ALERTS
    if bad := readiness.failed(change.before, change.after):
        deployment, reason, message = bad
        data = notices.revision_alert(change.after, deployment.number, reason, message)
        yield "notification.alert.warning", data, Kind.ALERTS
    elif readiness.recovered(change.before, change.after):
        data = notices.revision_recovered(change.after, change.now)
        yield "notification.alert.info", data, Kind.ALERTS
    if said := drifts.alert(change.before, change.after, change.now):
        yield f"notification.alert.{said['severity']}", said, Kind.ALERTS


def _audit(change: Change) -> Iterator[_Told]:
    """Every command that was accepted; what a build reports is nobody's command."""
    if change.event is None or change.parks or isinstance(change.event, BuildComplete | BuildFailed):
        return
    seen = change.after.find(change.event.meta)
    assert seen is not None
    action = _action(change.event.meta.type)
    data = notices.change(change.after, change.event, action, seen.status, change.now)
    yield "notification.audit.change", data, Kind.AUDIT


def _action(type: str) -> str:
    """Return what a command is called without its generation's prefix, such as `build.start`."""
    return type.removeprefix("network.notifi.lambda.").removeprefix(f"{PREFIX}command.")
