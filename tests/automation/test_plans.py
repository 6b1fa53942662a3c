"""Dry runs: events that change nothing and tell what they would change, and the approval of what was told."""

import dataclasses
import datetime
import os

import pytest

from automation.errors import PlanOutdated, SourceNotFound
from automation.events import Notice
from automation.plans import Plan, Step
from automation.rights import granted
from tests.automation.conftest import CODE

NEWER = CODE + b"# newer\n"


def dry(event):
    return dataclasses.replace(event, meta=dataclasses.replace(event.meta, dry_run=True))


def approving(event, plan):
    return dataclasses.replace(event, meta=dataclasses.replace(event.meta, plan_id=plan.fields["plan_id"]))


def everything(world):
    """Return all that a dry run could have changed: objects, contexts, files of the state."""
    files = {
        os.path.join(folder, name): os.stat(os.path.join(folder, name)).st_mtime_ns
        for folder, _, names in os.walk(world.settings.backend_url)
        for name in names
    }
    return dict(world.cluster.objects), dict(world.store.objects), files


def steps(plan):
    return [(step["op"], step["type"].rpartition(":")[2]) for step in plan.fields["steps"]]


async def test_a_plan_of_a_first_build_names_the_job_and_makes_nothing(world):
    before = everything(world)

    plan = await world.send(dry(world.build_start("e1")))

    assert everything(world) == before
    assert (plan.status, plan.kind) == ("planned", "plan")
    assert plan.fields["changes"] == {"create": 1}
    assert (plan.fields["phase_before"], plan.fields["phase_after"]) == ("absent", "building")
    job = plan.fields["steps"][0]
    assert (job["op"], job["type"]) == ("create", "kubernetes:batch/v1:Job")
    assert job["after"]["spec"]["backoffLimit"] == 0
    assert job["id"] == f"knative-lambda-local/{plan.fields['reply']['job_name']}"
    assert plan.fields["reply"]["status"] == "started"


async def test_an_approved_plan_is_carried_out_as_it_was_told(world):
    plan = await world.send(dry(world.build_start("e1")))

    reply = await world.send(approving(world.build_start("e1"), plan))

    assert reply.status == "started"
    assert reply.fields["job_name"] == plan.fields["reply"]["job_name"]
    assert world.cluster.kinds() == ["Job"]


async def test_an_approved_event_decides_by_the_time_that_its_plan_was_checked_at(world, monkeypatch):
    """A build may count as lost a moment later: then another would be started, which the plan did not say."""
    await world.send(world.build_start("e1"))
    plan = await world.send(dry(world.build_start("e2")))
    jobs = list(world.cluster.objects)
    passing = iter([world.clock.now] * 2)
    late = world.clock.now + datetime.timedelta(days=1)
    monkeypatch.setattr(type(world.clock), "__call__", lambda clock: next(passing, late))

    reply = await world.send(approving(world.build_start("e2"), plan))

    assert reply.status == "started"
    assert list(world.cluster.objects) == jobs


async def test_another_event_that_wants_the_same_makes_the_same_plan_and_may_approve_it(world):
    plan = await world.send(dry(world.build_start("e1")))
    same = await world.send(dry(world.build_start("e2")))

    reply = await world.send(approving(world.build_start("e3"), plan))

    assert same.fields["plan_id"] == plan.fields["plan_id"]
    assert reply.status == "started"


async def test_a_plan_of_a_change_tells_each_property_before_and_after(world):
    _, done = await world.deploy()
    world.put(NEWER)
    rebuilt = await world.send(world.build_start("e9"))

    plan = await world.send(dry(world.build_complete(rebuilt, image_digest="sha256:" + "e" * 64)))

    service = next(step for step in plan.fields["steps"] if step["op"] == "update")
    image = next(each for each in service["differences"] if "template" in each["after"])
    assert steps(plan) == [("update", "Service")]
    assert image["before"]["template"]["spec"]["containers"][0]["image"] == done.fields["image_uri"]
    assert image["after"]["template"]["spec"]["containers"][0]["image"].endswith("e" * 64)


async def test_a_plan_tells_why_something_is_replaced(world):
    await world.deploy()
    world.put(NEWER)

    plan = await world.send(dry(world.build_start()))

    assert steps(plan) == [("replace", "Job")]
    assert plan.fields["steps"][0]["reason"] == "spec, metadata.name cannot be changed in place"


async def test_a_plan_of_a_deletion_lists_what_would_go_and_leaves_it(world):
    await world.deploy()
    before = everything(world)

    plan = await world.send(dry(world.delete()))

    assert everything(world) == before
    assert plan.fields["changes"] == {"delete": 5}
    assert sorted(kind for _, kind in steps(plan)) == [
        "ConfigMap",
        "Job",
        "Service",
        "ServiceAccount",
        "Trigger",
    ]


@pytest.mark.parametrize("meanwhile", ["code", "another event", "a change by hand is no matter"])
async def test_a_plan_is_refused_when_the_world_has_moved_on_and_nothing_is_changed(world, meanwhile):
    await world.deploy()
    world.put(NEWER)
    plan = await world.send(dry(world.build_start("e5")))
    if meanwhile == "code":
        world.put(CODE + b"# yet another\n")
    elif meanwhile == "another event":
        await world.send(world.build_start("e6"))
    before = everything(world)

    if meanwhile.endswith("no matter"):
        assert (await world.send(approving(world.build_start("e5"), plan))).status == "started"
        return
    with pytest.raises(PlanOutdated, match="send the event with dryrun to see it"):
        await world.send(approving(world.build_start("e5"), plan))

    assert everything(world) == before


async def test_an_approved_event_that_is_delivered_again_is_a_repetition(world):
    plan = await world.send(dry(world.build_start("e1")))
    await world.send(approving(world.build_start("e1"), plan))

    again = await world.send(approving(world.build_start("e1"), plan))

    assert again.status == "skipped"


async def test_a_dry_run_is_not_remembered_so_the_event_itself_still_counts(world):
    await world.send(dry(world.build_start("e1")))

    assert (await world.send(world.build_start("e1"))).status == "started"


async def test_a_dry_run_fails_as_the_event_would(world):
    world.store.objects.clear()

    with pytest.raises(SourceNotFound):
        await world.send(dry(world.build_start()))


async def test_a_dry_run_of_a_notice_has_nothing_to_tell(world):
    plan = await world.send(dry(Notice(meta=world.meta("job.start"), kind="job.start")))

    assert (plan.status, plan.fields["steps"]) == ("planned", [])


def role(*verbs):
    metadata = {"namespace": "ns", "name": "r"}
    rule = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": list(verbs)}
    return {"kind": "Role", "metadata": metadata, "rules": [rule]}


def step(before=None, after=None, **fields):
    given = {"op": "update", "type": "t", "name": "n", "id": "i", **fields}
    return Step(before=before or {}, after=after or {}, **given)


def test_a_wider_role_tells_the_rights_that_it_adds_and_takes():
    told = Plan(version="1", steps=(step(role("get", "list"), role("get", "create")),)).as_json()

    assert told["rights_gained"] == ["Role ns/r: create jobs.batch"]
    assert told["rights_lost"] == ["Role ns/r: list jobs.batch"]


@pytest.mark.parametrize(
    ("manifest", "rights"),
    [
        pytest.param({"kind": "ConfigMap", "metadata": {"name": "c"}}, [], id="no-rights"),
        pytest.param({}, [], id="nothing"),
        pytest.param(
            {
                "kind": "ClusterRole",
                "metadata": {"name": "r"},
                "rules": [
                    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["s"]},
                    {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
                ],
            },
            ["ClusterRole r: get secrets named s", "ClusterRole r: get /metrics"],
            id="names-and-urls",
        ),
        pytest.param(
            {
                "kind": "RoleBinding",
                "metadata": {"namespace": "ns", "name": "b"},
                "roleRef": {"kind": "ClusterRole", "name": "admin"},
                "subjects": [{"kind": "ServiceAccount", "namespace": "ns", "name": "a"}],
            },
            ["ServiceAccount ns/a: has ClusterRole admin by RoleBinding ns/b"],
            id="binding",
        ),
        pytest.param(
            {
                "kind": "ServiceAccount",
                "metadata": {
                    "namespace": "ns",
                    "name": "a",
                    "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/r"},
                },
            },
            ["ServiceAccount ns/a: takes on arn:aws:iam::1:role/r"],
            id="iam",
        ),
    ],
)
def test_every_object_that_grants_rights_is_read(manifest, rights):
    assert [str(right) for right in granted(manifest)] == rights


def test_a_plans_id_changes_with_what_it_changes_and_not_with_what_events_are_called():
    def id_of(after, version="1", names=("e1",)):
        return Plan(version=version, steps=(step({"a": 1}, after),)).id(names)

    created = [
        Plan(version="1", steps=(step(after={"job": name}, id=""),)).id([name]) for name in ("e1", "e2")
    ]

    assert created[0] == created[1]
    assert id_of({"a": 2}) != id_of({"a": 2}, version="2")
