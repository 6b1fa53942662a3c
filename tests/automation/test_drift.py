"""What others do to a function's objects is found, told and put back."""

import asyncio
import copy
import datetime
import itertools
import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation import record, schemas
from automation.adapters.memory import MemoryLedger
from automation.drift.checker import DriftCheck
from automation.drift.found import MASKED, drifted
from automation.drift.schedule import MINUTE, Place, taken
from automation.errors import DependencyUnavailable
from automation.event_types import TYPES
from automation.outbox.emission import Kind
from automation.plans import Difference, Step
from automation.program import RECORD
from tests.automation.telling import TellingWorld

STACK = "fn-tp1-p1"
NOW = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)


@pytest.fixture
def world(tmp_path):
    world = TellingWorld(tmp_path, frozenset({Kind.LIFECYCLE, Kind.ALERTS}))
    world.put()
    started = world.runner.handle(world.build_start())
    world.runner.handle(world.build_complete(started))
    world.told()
    world.broker.got.clear()
    yield world
    world.outbox.close(10)


def check(world, *heals, per_minute=60, ledger=None):
    def tell(function, seen, version):
        return world.runner.tell(function, seen, version)

    heals = frozenset(heals)
    ledger = ledger or MemoryLedger()
    return DriftCheck(world.engine, tell, ledger, world.clock, per_minute=per_minute, heals=heals)


def edit(world, kind, change):
    """Change an object behind the platform's back."""
    key = next(key for key in world.cluster.objects if key[0] == kind)
    changed = copy.deepcopy(world.cluster.objects[key])
    change(changed)
    world.cluster.objects[key] = changed


def remove(world, kind):
    key = next(key for key in world.cluster.objects if key[0] == kind)
    del world.cluster.objects[key]


def subscribe_elsewhere(trigger):
    trigger["spec"]["broker"] = "another"


def events(world):
    """Return what was told of drift, validated; other events of the record may come once more."""
    found = [
        event
        for event in world.broker.events
        if event["type"].endswith(("drifted", "restored"))
        or event["data"].get("alertName") == "FunctionDrifted"
    ]
    for event in found:
        schema = schemas.document(event["type"], TYPES[event["type"]].latest)
        jsonschema.Draft202012Validator(schema).validate(event["data"])
    return found


def told_of_drift(world):
    world.told()
    return [event["type"].removeprefix("io.knative.lambda.") for event in events(world)]


def state(world):
    return record.loads(world.engine.outputs(STACK).outputs[RECORD])


def test_a_function_that_is_as_it_was_deployed_is_clean_and_nothing_is_written(world):
    before = world.engine.outputs(STACK).version
    checking = check(world)

    assert checking.round() == 0

    assert checking.counts == {"clean": 1, "drifted": 0, "healed": 0, "failed": 0}
    assert world.engine.outputs(STACK).version == before


def test_drift_is_recorded_and_told_once_and_stays_until_somebody_ends_it(world):
    edit(world, "Trigger", subscribe_elsewhere)
    remove(world, "ConfigMap")
    checking = check(world)

    checking.check(world.function)
    world.clock.forward(minutes=1)
    checking.check(world.function)

    drift = world.runner.describe(world.function)["drift"]
    assert drift["found_at"] == "2026-01-31T12:00:00+00:00"
    assert [(one["kind"], one["change"]) for one in drift["resources"]] == [
        ("ConfigMap", "gone"),
        ("Trigger", "changed"),
    ]
    assert "ConfigMap" not in world.cluster.kinds()
    assert told_of_drift(world) == ["lifecycle.function.drifted", "notification.alert.warning"]
    told = events(world)[0]["data"]["drift"]["resources"][1]
    assert told["properties"][0]["path"] == "spec"
    assert told["properties"][0]["found"].startswith('{"broker": "another"')


def test_drift_that_somebody_else_ends_is_over(world):
    before = copy.deepcopy(world.cluster.objects)
    remove(world, "Trigger")
    checking = check(world)
    checking.check(world.function)
    world.cluster.objects |= before

    checking.check(world.function)

    assert world.runner.describe(world.function)["drift"] is None
    assert told_of_drift(world)[2:] == ["lifecycle.function.restored", "notification.alert.info"]
    assert events(world)[2]["data"]["healed"] is False
    starts = {event["data"]["startsAt"] for event in events(world) if "alert" in event["type"]}
    assert len(starts) == 1


def test_what_the_policy_names_is_put_back_and_told(world):
    edit(world, "Trigger", subscribe_elsewhere)
    remove(world, "ConfigMap")
    checking = check(world, "Trigger", "ConfigMap")

    assert checking.round() == 1

    assert "ConfigMap" in world.cluster.kinds()
    assert world.cluster.the("Trigger")["spec"]["broker"] == world.settings.broker_name
    assert checking.counts == {"clean": 0, "drifted": 1, "healed": 1, "failed": 0}
    assert state(world).drift is None
    assert state(world).healed_at == world.clock.now
    lifecycle = [type for type in told_of_drift(world) if type.startswith("lifecycle")]
    assert lifecycle == ["lifecycle.function.drifted", "lifecycle.function.restored"]
    assert events(world)[2]["data"]["healed"] is True
    checking.check(world.function)
    assert checking.counts["clean"] == 1


def test_a_function_is_left_alone_if_something_else_has_drifted_too(world):
    remove(world, "Trigger")
    remove(world, "Service")

    check(world, "Trigger").check(world.function)

    assert not {"Trigger", "Service"} & set(world.cluster.kinds())
    check(world, "all").check(world.function)
    assert {"Trigger", "Service"} <= set(world.cluster.kinds())


def test_a_job_that_expired_is_no_drift_and_healing_does_not_build_again(world):
    remove(world, "Job")
    checking = check(world, "all")
    checking.check(world.function)
    assert checking.counts["clean"] == 1

    remove(world, "Trigger")
    checking.check(world.function)

    assert "Trigger" in world.cluster.kinds()
    assert "Job" not in world.cluster.kinds()


def test_a_heal_that_the_cluster_refuses_is_counted_and_tried_at_the_next_turn(world):
    remove(world, "Trigger")
    world.cluster.refuse("create", "Trigger")
    checking = check(world, "all")

    assert checking.round() == 0
    assert checking.counts["failed"] == 1
    assert state(world).drift is not None

    world.cluster.refusals.clear()
    world.clock.forward(minutes=1)
    assert checking.round() == 1
    assert "Trigger" in world.cluster.kinds()
    assert checking.counts["healed"] == 1
    assert state(world).healed_at == world.clock.now


def test_what_changed_while_it_was_looked_at_is_no_drift(world):
    """An update that ends during the look makes what was seen meaningless."""
    checking = check(world)
    drift = world.engine.drift

    def look(stack):
        found = drift(stack)
        world.runner.handle(world.build_start(force=True))
        return found

    remove(world, "Trigger")
    world.engine.drift = look
    checking.check(world.function)

    assert state(world).drift is None


def test_a_deleted_function_is_not_looked_at(world):
    world.runner.handle(world.delete())
    checking = check(world)

    assert checking.round() == 0
    checking.check(world.function)
    assert checking.counts == {"clean": 0, "drifted": 0, "healed": 0, "failed": 0}


def test_a_ledger_that_cannot_be_reached_stops_the_round(world):
    ledger = MemoryLedger()
    ledger.place = lambda: (_ for _ in ()).throw(DependencyUnavailable("down"))

    with pytest.raises(DependencyUnavailable):
        check(world, ledger=ledger).round()


async def test_two_replicas_that_find_the_same_tell_it_once(world):
    remove(world, "Trigger")
    replicas = [check(world, "all"), check(world, "all")]

    await asyncio.gather(*(asyncio.to_thread(one.check, world.function) for one in replicas))

    assert "Trigger" in world.cluster.kinds()
    types = await asyncio.to_thread(told_of_drift, world)
    assert types.count("lifecycle.function.drifted") == 1


def step(path, before, after, kind="Service"):
    difference = Difference(path=path, before=before, after=after)
    return Step(op="update", type=f"kubernetes:v1:{kind}", name="n", id="ns/n", differences=(difference,))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.TOKEN", "hunter2"),
        ("data", {"TOKEN": "hunter2"}),
        ("spec.template.spec.containers[0].env[1].value", "hunter2"),
        ("spec.template.spec.containers", [{"name": "f", "env": [{"name": "T", "value": "hunter2"}]}]),
    ],
)
def test_what_somebody_put_into_an_environment_is_not_told(path, value):
    (found,) = drifted([step(path, None, value)])

    assert "hunter2" not in json.dumps(found.as_json())
    assert MASKED in found.properties[0].found


def test_long_values_are_cut():
    (found,) = drifted([step("spec.x", "a", "b" * 10_000)])

    assert len(found.properties[0].found) <= 200
    assert found.as_json()["properties"][0]["recorded"] == "a"


@given(
    st.integers(1, 40),
    st.integers(1, 90),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 50)), min_size=1, max_size=60),
)
def test_the_rate_holds_for_all_replicas_and_every_stack_comes_in_turn(count, per_minute, happenings):
    """Replicas take turns at any time, each with what it read; who comes second takes nothing."""
    stacks = [f"fn-{number:03}" for number in range(count)]
    place, read, now, order, times = Place(version="0"), {}, NOW, [], []
    for replica, seconds in happenings:
        now += datetime.timedelta(seconds=seconds)
        seen = read.pop(replica, place)
        after, due = taken(seen, stacks, per_minute, now)
        if due and seen.version == place.version:
            place = Place(last=after.last, at=after.at, version=str(int(place.version) + 1))
            order += due
            times += [now] * len(due)
            assert len(set(due)) == len(due)
        elif due:
            read[replica] = place
    elapsed = (now - NOW) / MINUTE
    assert len(order) <= per_minute * (elapsed + 1) + 1
    for one, other in itertools.pairwise(order):
        assert stacks.index(other) == (stacks.index(one) + 1) % count
