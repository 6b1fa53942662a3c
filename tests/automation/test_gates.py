"""Gates: which plans trip which rules, and what becomes of events whose plans wait for approval."""

import asyncio
import dataclasses

import pytest

from automation import gates, record
from automation.errors import PlanOutdated
from automation.gates import tripped
from automation.outbox.derivation import Change, Telling, emissions
from automation.outbox.emission import Kind
from automation.plans import Plan, Step
from components.gate_rules import InvalidRules, parse
from tests.automation import worlds
from tests.automation.conftest import CODE, World

DELETING = '[{"name": "no-deleting", "when": {"steps": ["replace", "delete"], "kinds": ["Service"]}}]'
HOUR = 3600
BOUND = {
    "kind": "ServiceAccount",
    "metadata": {"name": "a", "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/r"}},
}


@pytest.fixture
async def gated(tmp_path):
    world = World(tmp_path, gate_rules=parse(DELETING), gate_expiry_seconds=HOUR)
    world.put()
    yield world
    await world.automation.close(5)


def approving(event, parked):
    return dataclasses.replace(event, meta=dataclasses.replace(event.meta, plan_id=parked.fields["plan_id"]))


def dry(event):
    return dataclasses.replace(event, meta=dataclasses.replace(event.meta, dry_run=True))


async def parked_deletion(world, id="d1"):
    """Roll a function out, and have its deletion parked."""
    await world.deploy()
    return await world.send(world.delete(id))


def step(op="replace", kind="Service", before=None, after=None):
    return Step(op=op, type=f"kubernetes:v1:{kind}", name="n", id="i", before=before or {}, after=after or {})


@pytest.mark.parametrize(
    ("when", "steps", "trips"),
    [
        ('{"steps": ["replace"]}', [step()], True),
        ('{"steps": ["replace"]}', [step("update")], False),
        ('{"steps": ["replace"], "kinds": ["Service"]}', [step(kind="Job"), step("update")], False),
        ('{"kinds": ["Service"]}', [step("create")], True),
        ('{"kinds": ["Service"]}', [], False),
        ('{"more_than": 1}', [step()], False),
        ('{"more_than": 1}', [step(), step("create", "Job")], True),
        ('{"more_than": 1, "kinds": ["Job"]}', [step(), step("create", "Job")], False),
        ('{"rights": "widened"}', [step(after=BOUND)], True),
        ('{"rights": "widened"}', [step(before=BOUND)], False),
        ('{"rights": "widened"}', [step(before=BOUND, after=BOUND)], False),
        ('{"rights": "widened", "steps": ["delete"]}', [step(after=BOUND)], False),
    ],
)
def test_a_plan_trips_a_rule_when_all_that_the_rule_says_is_true_of_it(when, steps, trips):
    rules = parse(f'[{{"name": "r", "when": {when}}}]')

    assert tripped(rules, Plan(version="1", steps=tuple(steps))) == (("r",) if trips else ())


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("{", ["it is no JSON"]),
        ("[]", ["1 to 32 rules"]),
        ("[1]", ["rule 1: give an object"]),
        ('[{"name": "A b", "when": {}}]', ["name is 'A b'", "when is {}"]),
        (
            '[{"name": "a", "when": {"steps": ["remove"], "kind": "Job", "more_than": true}}, {"x": 1}]',
            [
                "'kind' means nothing",
                "steps is ['remove']",
                "more_than is True",
                "rule 2: 'x'",
                "rule 2: name",
            ],
        ),
        ('[{"name": "a", "when": {"rights": "lost", "kinds": []}}]', ["kinds is []", "rights is 'lost'"]),
        (
            '[{"name": "a", "when": {"more_than": 1}}, {"name": "a", "when": {"more_than": 2}}]',
            ["'a' names several rules"],
        ),
    ],
)
def test_all_mistakes_in_rules_are_told_at_once(text, problems):
    with pytest.raises(InvalidRules) as refused:
        parse(text)

    found = "\n".join(refused.value.problems)
    assert [problem for problem in problems if problem not in found] == []


async def test_an_event_whose_plan_trips_a_gate_is_parked_with_its_plan_and_changes_no_object(gated):
    await gated.deploy()
    before = dict(gated.cluster.objects)

    parked = await gated.send(gated.delete("d1"))

    assert (parked.status, parked.kind, parked.fields["gates"]) == ("parked", "plan", ["no-deleting"])
    assert parked.fields["changes"] == {"delete": 5}
    assert parked.fields["plan_id"] in parked.message
    assert gated.cluster.objects == before
    shown = gated.runner.describe(gated.function)
    assert (shown["phase"], shown["parked"]["event_id"]) == ("ready", "d1")
    assert shown["parked"]["plan_id"] == parked.fields["plan_id"]
    assert gated.runner.gatekeeper.counts == {"parked": 1, "approved": 0, "expired": 0}


@pytest.mark.parametrize("id", ["d1", "d2"])
async def test_a_parked_event_is_carried_out_once_it_is_approved_even_by_a_replica_that_began_since(
    gated, id
):
    parked = await parked_deletion(gated)
    await gated.automation.close(5)
    gated.restart()

    reply = await gated.send(approving(gated.delete(id), parked))

    assert reply.status == "deleted"
    assert gated.cluster.objects == {}
    assert gated.runner.describe(gated.function)["parked"] is None
    assert gated.runner.gatekeeper.counts["approved"] == 1


async def test_a_parked_event_that_comes_again_is_answered_the_same_and_parked_once(gated):
    parked = await parked_deletion(gated)
    gated.clock.forward(minutes=5)

    again = await gated.send(gated.delete("d1"))

    same = {key: value for key, value in parked.fields.items() if key != "steps"}
    assert (again.status, again.message) == (parked.status, parked.message)
    assert {key: value for key, value in again.fields.items() if key != "steps"} == same
    assert sorted(map(str, again.fields["steps"])) == sorted(map(str, parked.fields["steps"]))
    assert gated.runner.gatekeeper.counts["parked"] == 1
    assert (await gated.send(dry(gated.delete("d1")))).fields["plan_id"] == parked.fields["plan_id"]


async def test_an_approval_is_refused_when_the_world_has_moved_on_and_the_event_is_planned_anew(gated):
    parked = await parked_deletion(gated)
    gated.put(CODE + b"# newer\n")
    await gated.send(gated.build_start("e7"))
    before = dict(gated.cluster.objects)

    with pytest.raises(PlanOutdated):
        await gated.send(approving(gated.delete("d1"), parked))

    assert gated.cluster.objects == before
    anew = await gated.send(gated.delete("d1"))
    assert anew.status == "parked"
    assert (await gated.send(approving(gated.delete("d1"), anew))).status == "deleted"


async def test_what_is_wanted_later_supersedes_a_parked_event(gated):
    await parked_deletion(gated)
    gated.clock.forward(minutes=1)
    gated.put(CODE + b"# newer\n")

    await gated.send(gated.build_start("e7"))

    assert gated.runner.describe(gated.function)["parked"] is None


async def test_the_result_of_a_build_outdates_a_parked_plan_and_leaves_it_parked(gated):
    await gated.deploy()
    gated.put(CODE + b"# newer\n")
    started = await gated.send(gated.build_start())
    parked = await gated.send(gated.delete("d1"))

    await gated.send(gated.build_complete(started, image_digest="sha256:" + "e" * 64))

    shown = gated.runner.describe(gated.function)["parked"]
    assert (shown["event_id"], shown["outdated"]) == ("d1", True)
    with pytest.raises(PlanOutdated):
        await gated.send(approving(gated.delete("d1"), parked))


async def test_an_older_event_does_not_take_a_parked_ones_place(gated):
    await gated.deploy()
    early = gated.clock.now
    gated.clock.forward(minutes=5)
    await gated.send(gated.delete("d2", gated.clock.now))

    late = await gated.send(gated.delete("d1", early))

    assert late.status == "skipped"
    assert gated.runner.describe(gated.function)["parked"]["event_id"] == "d2"


@pytest.mark.parametrize("swept", [True, False], ids=["swept", "seen-by-the-next-event"])
async def test_a_parked_event_that_nobody_approves_in_time_is_rejected(gated, swept):
    parked = await parked_deletion(gated)
    gated.clock.forward(seconds=HOUR)
    if swept:
        rounds = [await asyncio.to_thread(gated.sweeper.round) for _ in range(2)]
        assert rounds == [1, 0]
        assert gated.runner.gatekeeper.counts["expired"] == 1

    late = await gated.send(approving(gated.delete("d1"), parked))

    assert late.status == "skipped"
    assert "expired" in late.message
    with pytest.raises(PlanOutdated):
        await gated.send(approving(gated.delete("d2"), parked))
    assert "Service" in gated.cluster.kinds()
    shown = gated.runner.describe(gated.function)
    assert shown["parked"] is None
    assert [event["status"] for event in shown["events"] if event["id"] == "d1"] == ["expired"]


async def test_a_function_that_waits_for_its_first_build_is_remembered_until_that_expired(tmp_path):
    rules = parse('[{"name": "no-building", "when": {"kinds": ["Job"]}}]')
    world = World(tmp_path, gate_rules=rules, gate_expiry_seconds=HOUR)
    world.put()

    parked = await world.send(world.build_start("e1"))

    assert parked.status == "parked"
    assert world.sweeper.round() == 0
    assert (await world.send(approving(world.build_start("e1"), parked))).status == "started"
    await world.automation.close(5)


async def test_an_event_that_would_change_objects_by_being_parked_is_answered_and_not_recorded(gated):
    await gated.deploy()
    await gated.automation.close(5)
    gated.settings = dataclasses.replace(gated.settings, function_log_level="debug")
    gated.restart()
    before = dict(gated.cluster.objects)

    parked = await gated.send(gated.delete("d1"))

    assert gated.cluster.objects == before
    assert (parked.status, parked.fields["expires_at"]) == ("parked", None)
    assert gated.runner.describe(gated.function)["parked"] is None
    assert (await gated.send(approving(gated.delete("d1"), parked))).status == "deleted"


async def test_an_event_is_not_planned_where_there_are_no_gates(world, monkeypatch):
    monkeypatch.setattr(world.engine, "preview", None)

    assert (await world.send(world.build_start())).status == "started"


async def test_an_event_that_trips_no_gate_is_carried_out(gated):
    assert (await gated.send(gated.build_start())).status == "started"


def test_a_parked_plan_is_told_by_an_alert_once_and_by_nothing_else():
    event, before = worlds.delete(), worlds.running()
    parked = gates.park(event.meta, Plan(version="1", steps=(step(),)), "plan-1", ("r",), worlds.NOW, HOUR)
    after = dataclasses.replace(before, parked=parked)
    telling = Telling(kinds=frozenset(Kind) - {Kind.CDEVENTS}, environment="dev", url_of=str)

    def told(before, after):
        change = Change(before=before, after=after, event=event, now=worlds.NOW)
        return [(one.type, one.data["annotations"]["planId"]) for one in emissions(change, telling)]

    assert told(before, after) == [("io.knative.lambda.notification.alert.warning", "plan-1")]
    assert told(after, after) == []
    assert record.loads(record.dumps(after)) == after
