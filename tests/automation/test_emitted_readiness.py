"""What rounds see of a function's Service is told: ready, degraded, and nothing twice."""

from dataclasses import replace

import jsonschema
import pytest

from automation import schemas
from automation.event_types import TYPES
from automation.machine import decide
from automation.model import RolloutObserved
from automation.outbox.derivation import Change, emissions
from automation.outbox.emission import Kind
from tests.automation import test_rollouts, worlds
from tests.automation.test_emissions import ALL, types

SINCE = worlds.at(-60)


def seen(state, **fields):
    """Return the state after a look at the Service, and what that tells."""
    fields = {"number": state.deployment.number, "ready": True, "revision": "fn-00004", **fields}
    after, _ = decide(state, RolloutObserved(**fields), worlds.NOW)
    emitted = emissions(Change(before=state, after=after, event=None, now=worlds.NOW), ALL)
    for one in emitted:
        if one.kind in (Kind.LIFECYCLE, Kind.ALERTS):
            schema = schemas.document(one.type, TYPES[one.type].latest)
            jsonschema.Draft202012Validator(schema).validate(one.data)
    return after, emitted


def pending(policy=None):
    """A function whose fourth revision is on its way."""
    state, _ = test_rollouts.image(test_rollouts.sound(policy))
    began = replace(state.rollout, began_at=worlds.at(-120))
    return replace(state, rollout=began)


def test_a_revision_that_is_seen_ready_is_told_once():
    state, emitted = seen(pending())
    _, again = seen(state)

    assert types(emitted) == ["function.ready", "service.ready"]
    assert emitted[0].data["conditions"] == [{"type": "Ready", "status": "True"}]
    assert emitted[1].data["latestReadyRevision"] == "fn-00004"
    assert emitted[1].data["traffic"] == [{"revisionName": "fn-00004", "percent": 100}]
    assert types(emitted, Kind.ALERTS) == []
    assert again == ()


def test_a_canary_is_ready_with_its_share():
    _, emitted = seen(pending(test_rollouts.CANARY))

    assert emitted[1].data["traffic"] == [
        {"revisionName": "fn-00004", "percent": 10},
        {"revisionName": "fn-00003", "percent": 90},
    ]


def test_a_revision_that_gives_way_is_degraded_and_the_restored_one_ends_the_warning():
    state, emitted = seen(pending(), ready=False, failed_since=SINCE, message="no image")

    assert types(emitted) == ["function.updated", "service.updated", "function.degraded"]
    condition = emitted[2].data["conditions"][0]
    assert (condition["reason"], condition["message"]) == ("RolledBack", "no image")
    assert emitted[2].data["observedGeneration"] == 4
    assert types(emitted, Kind.ALERTS) == ["alert.warning"]

    _, recovery = seen(state, revision="fn-00005")

    assert types(recovery) == ["function.ready", "service.ready"]
    assert types(recovery, Kind.ALERTS) == ["alert.info"]
    starts = [one.data["startsAt"] for one in (*emitted, *recovery) if one.kind is Kind.ALERTS]
    assert starts[0] == starts[1]
    assert not {one.id for one in emitted} & {one.id for one in recovery}


def test_a_first_revision_that_fails_is_degraded_once_whatever_is_said_of_it():
    first = replace(pending(), previous=())
    first = replace(first, rollout=replace(first.rollout, stable=0, stable_revision=""))

    state, emitted = seen(first, ready=False, failed_since=SINCE, message="no image")
    state, others = seen(state, ready=False, failed_since=SINCE, message="other words")
    _, recovery = seen(state)

    assert types(emitted) == ["function.degraded"]
    assert emitted[0].data["conditions"][0]["reason"] == "RevisionFailed"
    assert others == ()
    assert types(recovery) == ["function.ready", "service.ready"]
    assert types(recovery, Kind.ALERTS) == ["alert.info"]


@pytest.mark.parametrize("kind", [Kind.LIFECYCLE, Kind.CDEVENTS])
def test_a_look_that_changes_the_record_only_is_no_update(kind):
    _, emitted = seen(pending())

    assert [one.type for one in emitted if one.kind is kind and "deployed" in one.type] == []
    assert [one.type for one in emitted if one.kind is kind and "updated" in one.type] == []
