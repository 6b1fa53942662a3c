"""Which events a decision emits, from two states and the event between them."""

import dataclasses
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation.machine import decide
from automation.model import BuildStatus, BuildTurn, PrepareContext, Requested
from automation.outbox.derivation import Change, Telling, emissions
from automation.outbox.emission import Kind
from tests.automation import worlds

ALL = Telling(kinds=frozenset(Kind), environment="dev", url_of=lambda name: f"http://{name}.test")
ECHOED = {"build.started", "build.completed", "build.failed", "build.timeout", "build.cancelled"}


def decided(state, event, content="v1"):
    after, commands = decide(state, Requested(event=event), worlds.NOW)
    if isinstance(commands[-1], PrepareContext):
        after, _ = decide(state, worlds.ready(event, content), worlds.NOW)
    return after


def told(state, event, content="v1", telling=ALL):
    after = decided(state, event, content)
    change = Change(before=state, after=after, event=event, now=worlds.NOW)
    return emissions(change, telling)


def types(emitted, kind=Kind.LIFECYCLE):
    prefixes = "io.knative.lambda.lifecycle.", "io.knative.lambda.notification."
    found = [one.type for one in emitted if one.kind is kind]
    for prefix in prefixes:
        found = [type.removeprefix(prefix) for type in found]
    return found


RUNNING = worlds.building().build
CASES = [
    pytest.param(worlds.absent(), worlds.start(), ["build.started", "function.created"], id="first-build"),
    pytest.param(
        worlds.building(),
        worlds.start("e2", force=True),
        ["build.cancelled", "build.started"],
        id="a-build-in-anothers-place",
    ),
    pytest.param(
        worlds.building(),
        worlds.complete(build=RUNNING),
        ["build.completed", "service.created"],
        id="first-success",
    ),
    pytest.param(
        worlds.updating(),
        worlds.complete(build=RUNNING),
        ["build.completed", "function.updated", "service.updated"],
        id="later-success",
    ),
    pytest.param(worlds.updating(), worlds.failed(build=RUNNING), ["build.failed"], id="failure"),
    pytest.param(
        worlds.updating(), worlds.failed(build=RUNNING, reason="deadline"), ["build.timeout"], id="timeout"
    ),
    pytest.param(worlds.building(), worlds.cancel(), ["build.cancelled"], id="cancellation"),
    pytest.param(
        worlds.updating(),
        worlds.delete(),
        ["build.cancelled", "function.deleted", "service.deleted"],
        id="deletion-while-building",
    ),
    pytest.param(worlds.absent(), worlds.delete(), [], id="deletion-of-nothing"),
    pytest.param(worlds.grown(), worlds.rollback(), ["function.updated", "service.updated"], id="rollback"),
    pytest.param(worlds.deleted(), worlds.start(), ["build.started", "function.created"], id="back-again"),
    pytest.param(worlds.running(), worlds.failed(build=worlds.running().build), [], id="late-failure"),
]


@pytest.mark.parametrize(("state", "event", "expected"), CASES)
def test_a_decision_tells_what_it_changes(state, event, expected):
    assert types(told(state, event)) == expected


def test_a_repetition_tells_nothing():
    event = worlds.start()
    once = decided(worlds.absent(), event)

    assert told(once, event) == ()


def test_every_command_is_audited_with_who_sent_it_and_results_are_not():
    change = told(worlds.building(), worlds.cancel("x1", reason="wrong branch"))
    result = told(worlds.building(), worlds.failed(build=RUNNING))

    audit = next(one for one in change if one.kind is Kind.AUDIT)
    assert audit.type == "io.knative.lambda.notification.audit.change"
    assert audit.data["action"] == "build.cancel"
    assert audit.data["user"] == "network.notifi.tp1"
    assert audit.data["reason"] == "wrong branch"
    assert audit.data["details"]["status"] == "cancelled"
    assert types(result, Kind.AUDIT) == []


def test_a_build_that_waited_has_started_when_its_turn_comes():
    waits = replace(RUNNING, status=BuildStatus.QUEUED, started_at=None, lost_at=None)
    before = replace(worlds.building(), build=waits)
    turn = BuildTurn(job_name=waits.job_name, deadline_seconds=60)
    after, _ = decide(before, turn, worlds.NOW)
    change = Change(before=before, after=after, event=None, now=worlds.NOW)

    emitted = emissions(change, ALL)

    assert types(emitted) == ["build.started"]
    assert emitted[0].data["startedAt"] == "2026-01-31T12:00:00.000Z"
    assert emitted[0].correlation_id == RUNNING.correlation_id
    assert types(told(before, worlds.cancel())) == ["build.cancelled"]
    assert types(told(before, worlds.start("e2", force=True))) == ["build.cancelled", "build.started"]


def test_a_failed_build_warns_and_the_first_good_one_after_it_ends_the_warning():
    failed = decided(worlds.building(), worlds.failed(build=RUNNING))
    warning = told(worlds.building(), worlds.failed(build=RUNNING))
    again = decided(failed, worlds.start("e2"), "v2")
    recovered = told(again, worlds.complete("c2", build=again.build))
    ordinary = told(worlds.building(), worlds.complete(build=RUNNING))

    assert types(warning, Kind.ALERTS) == ["alert.warning"]
    assert types(recovered, Kind.ALERTS) == ["alert.info"]
    alert = next(one for one in recovered if one.kind is Kind.ALERTS)
    assert alert.data["startsAt"] == next(one for one in warning if one.kind is Kind.ALERTS).data["startsAt"]
    assert "endsAt" in alert.data
    assert types(ordinary, Kind.ALERTS) == []


@pytest.mark.parametrize(
    ("end", "succeeded"),
    [(worlds.complete(build=RUNNING), True), (worlds.failed(build=RUNNING, message="no space"), False)],
    ids=["success", "failure"],
)
def test_the_scheduler_is_told_how_a_build_of_its_own_ended(end, succeeded):
    state = replace(worlds.building(), build=replace(RUNNING, context_id="ctx-7"))

    emitted = told(state, end)
    others = told(worlds.building(), end)

    callback = next(one for one in emitted if one.kind is Kind.CALLBACKS)
    assert callback.data["contextId"] == "ctx-7"
    assert callback.data["succeeded"] is succeeded
    assert callback.data["errorMessage"] == ("" if succeeded else "no space")
    assert types(others, Kind.CALLBACKS) == []


def test_only_what_is_wanted_is_told():
    audit = replace(ALL, kinds=frozenset({Kind.AUDIT}))
    nothing = replace(ALL, kinds=frozenset())

    assert {one.kind for one in told(worlds.absent(), worlds.start(), telling=audit)} == {Kind.AUDIT}
    assert told(worlds.absent(), worlds.start(), telling=nothing) == ()


def test_causes_go_on_and_ids_follow_from_them():
    event = worlds.start("e7")
    event = dataclasses.replace(event, meta=dataclasses.replace(event.meta, traceparent="00-" + "a" * 32))

    emitted, again = told(worlds.absent(), event), told(worlds.absent(), event)

    assert [one.id for one in emitted] == [one.id for one in again]
    assert len({one.id for one in emitted}) == len(emitted)
    assert {(one.causation_id, one.correlation_id, one.traceparent) for one in emitted} == {
        ("e7", "c-e7", "00-" + "a" * 32)
    }


EVENTS = st.sampled_from(
    [
        ("start", "v1"),
        ("start", "v2"),
        ("force", "v1"),
        ("complete", ""),
        ("failed", ""),
        ("cancel", ""),
        ("rollback", ""),
        ("delete", ""),
        ("again", ""),
    ]
)


def _event(kind, number, state):
    made = {
        "start": lambda: worlds.start(f"e{number}"),
        "force": lambda: worlds.start(f"e{number}", force=True),
        "complete": lambda: worlds.complete(f"e{number}", build=state.build),
        "failed": lambda: worlds.failed(f"e{number}", build=state.build),
        "cancel": lambda: worlds.cancel(f"e{number}"),
        "rollback": lambda: worlds.rollback(f"e{number}"),
        "delete": lambda: worlds.delete(f"e{number}"),
    }
    return made[kind]()


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, max_size=25))
def test_whatever_happens_starts_and_ends_of_builds_and_services_alternate(sequence):
    """An observer who counts never sees an end without a beginning, nor two beginnings without an end."""
    state, event, seen, ids = worlds.absent(), worlds.start("e0"), [], []
    for number, (kind, content) in enumerate(sequence, 1):
        if kind == "rollback" and not state.previous:
            continue
        event = event if kind == "again" else _event(kind, number, state)
        after = decided(state, event, content or "v1")
        emitted = emissions(Change(before=state, after=after, event=event, now=worlds.NOW), ALL)
        seen += types(emitted)
        ids += [one.id for one in emitted]
        state = after

    assert len(ids) == len(set(ids))
    _assert_alternates([type for type in seen if type in ECHOED], "build.started", state.build)
    services = [type for type in seen if type in ("service.created", "service.deleted")]
    _assert_alternates(services, "service.created", state.deployment)
    functions = [type for type in seen if type in ("function.created", "function.deleted")]
    _assert_alternates(functions, "function.created", state.build or state.deployment)


def _assert_alternates(seen, begins, present):
    """Assert that beginnings and ends take turns; a build that failed may still succeed."""
    for first, second in itertools.pairwise(seen):
        late = (first, second) == ("build.failed", "build.completed")
        assert late or (first == begins) != (second == begins), seen
    assert not seen or seen[0] == begins, seen
    assert not present or seen, seen
