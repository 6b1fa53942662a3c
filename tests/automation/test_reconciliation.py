"""Builds that nobody reports: a dead monitor, a lost event, a pod that never starts, a Job that is gone."""

import asyncio
import datetime
import itertools
import json

import pytest

from automation.app import _Rounds
from automation.errors import DependencyUnavailable
from automation.event_parser import parse
from automation.reconciler import Reconciler
from automation.reconciliation import BuildObjects, finding
from components.manifests.scan import ScanArgs
from tests.automation.conftest import DIGEST, World
from tests.automation.test_plans import everything

NOW = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)


def ago(seconds):
    return (NOW - datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod_of(age=600, uid="pod-1", deleted=False, status=None, **state):
    """Return a pod whose executor is in this state, beside a monitor that tells nothing."""
    metadata = {"name": "pod", "uid": uid, "creationTimestamp": ago(age)}
    if deleted:
        metadata["deletionTimestamp"] = ago(1)
    containers = [{"name": "kaniko", "state": state}]
    return {"metadata": metadata, "status": {"containerStatuses": containers, **(status or {})}}


def ended(code, seconds=120, message=""):
    return {
        "terminated": {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "message": message,
            "startedAt": ago(seconds + 30),
            "finishedAt": ago(seconds),
        }
    }


def stuck(reason):
    return {"waiting": {"reason": reason, "message": "no luck"}}


def condition(kind, reason="", seconds=120):
    return {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": ago(seconds)}


class Observer:
    """Shows the Job that a world's cluster holds, with pods and a status that the test says."""

    def __init__(self, world):
        self.world = world
        self.pods = ()
        self.conditions = []
        self.reports = []
        self.broken = False
        self.logs = 0

    def builds(self):
        jobs = [value for (kind, _), value in self.world.cluster.objects.items() if kind == "Job"]
        status = {"startTime": ago(600), "conditions": self.conditions}
        return [BuildObjects({**job, "status": status}, tuple(self.pods)) for job in jobs]

    def log(self, pod):
        self.logs += 1
        return "error building image: parsing dockerfile: unknown instruction: FORM"

    def report(self, event):
        if self.broken:
            raise DependencyUnavailable("the broker is away")
        self.reports.append(event)


@pytest.fixture
def observer(world):
    world.clock.now = NOW
    return Observer(world)


@pytest.fixture
def reconciler(world, observer):
    return Reconciler(observer, world.runner.latest_build, world.clock)


async def delivered(world, message):
    """Have the service's parser and the automation take what was reported, as the broker would."""
    attributes = {name.removeprefix("ce-"): value for name, value in message.headers.items() if "ce-" in name}
    event = parse(attributes, json.loads(message.body), correlation_id="c", traceparent=None)
    return await world.send(event)


async def test_a_build_whose_monitor_died_is_rolled_out_by_its_digest(world, observer, reconciler):
    await world.send(world.build_start())
    observer.pods = [pod_of(**ended(0, message=DIGEST))]
    observer.conditions = [condition("Failed", "BackoffLimitExceeded")]

    assert reconciler.round() == 1
    reply = await delivered(world, observer.reports[0])

    assert reply.status == "service_created"
    assert reply.fields["image_uri"].endswith(DIGEST)
    assert reconciler.round() == 0


async def test_a_failed_build_is_reported_with_its_class_and_log(world, observer, reconciler):
    await world.send(world.build_start())
    observer.pods = [pod_of(**ended(137))]

    reconciler.round()
    reply = await delivered(world, observer.reports[0])

    assert (reply.status, reply.fields["reason"]) == ("build_failed", "oom")
    assert "unknown instruction" in json.loads(observer.reports[0].body)["log_tail"]


@pytest.mark.parametrize(
    ("pods", "conditions", "reason"),
    [
        pytest.param([pod_of(**stuck("ImagePullBackOff"))], [], "image_pull", id="image"),
        pytest.param([pod_of(**stuck("ContainerCreating"))], [], "never_scheduled", id="start"),
        pytest.param([pod_of(status={"phase": "Pending"})], [], "never_scheduled", id="unscheduled"),
        pytest.param([], [condition("Failed", "DeadlineExceeded")], "deadline", id="deadline"),
        pytest.param([], [condition("Failed", "BackoffLimitExceeded")], "error", id="pod-gone"),
        pytest.param([pod_of(status={"reason": "Evicted"})], [], "evicted", id="evicted"),
    ],
)
async def test_a_build_that_cannot_end_well_is_reported_as_failed(
    world, observer, reconciler, pods, conditions, reason
):
    await world.send(world.build_start())
    observer.pods, observer.conditions = pods, conditions

    assert reconciler.round() == 1

    assert (await delivered(world, observer.reports[0])).fields["reason"] == reason
    assert world.cluster.kinds() == []


@pytest.mark.parametrize(
    ("pods", "conditions"),
    [
        pytest.param([pod_of(running={"startedAt": ago(500)})], [], id="running"),
        pytest.param([pod_of(age=100, **stuck("ImagePullBackOff"))], [], id="monitor-still-waits"),
        pytest.param(
            [pod_of(status={"startTime": ago(20)}, **stuck("ErrImagePull"))], [], id="waited-long-for-a-node"
        ),
        pytest.param([pod_of(**ended(1, seconds=5))], [condition("Failed", seconds=5)], id="ended-just-now"),
        pytest.param([pod_of(deleted=True, running={})], [], id="called-off"),
        pytest.param([], [], id="no-pod-yet"),
    ],
)
async def test_what_is_not_over_or_still_the_monitors_to_tell_is_left_alone(
    world, observer, reconciler, pods, conditions
):
    await world.send(world.build_start())
    observer.pods, observer.conditions = pods, conditions

    assert reconciler.round() == 0


async def test_a_reported_build_is_looked_at_once_and_never_reported_again(world, observer, reconciler):
    await world.deploy()
    observer.pods = [pod_of(**ended(0, message=DIGEST))]
    reconciler.round()
    reads = []
    known = world.runner.latest_build
    looked = Reconciler(observer, lambda function: reads.append(function) or known(function), world.clock)

    assert (looked.round(), looked.round(), observer.reports) == (0, 0, [])
    assert len(reads) == 1


async def test_a_job_that_ended_before_it_was_recorded_is_reported_once_it_is(world, observer):
    """A process that stalls between applying and recording leaves such a Job; any replica may look then."""
    await world.send(world.build_start())
    observer.pods = [pod_of(**ended(0, message=DIGEST))]
    recorded = iter([None])
    known = world.runner.latest_build
    reconciler = Reconciler(observer, lambda function: next(recorded, known(function)), world.clock)

    assert (reconciler.round(), reconciler.round()) == (0, 1)


async def test_a_round_begins_nothing_more_once_the_process_ends(world, observer, reconciler):
    await world.send(world.build_start())
    observer.pods = [pod_of(**ended(0, message=DIGEST))]

    assert reconciler.round(lambda: True) == 0
    assert reconciler.round(lambda: False) == 1


async def test_a_sweep_begins_nothing_more_once_the_process_ends(world):
    await world.send(world.build_start())
    world.clock.forward(seconds=world.settings.build_deadline_seconds + 301)

    assert await asyncio.to_thread(world.sweeper.round, lambda: True) == 0
    assert await asyncio.to_thread(world.sweeper.round) == 1


async def test_a_round_that_hits_a_defect_is_not_the_last_one_and_closing_goes_well(world, caplog):
    second = asyncio.Event()
    loop = asyncio.get_running_loop()
    rounds = itertools.count(1)

    def once(ended):
        if next(rounds) == 1:
            raise KeyError("uid")
        loop.call_soon_threadsafe(second.set)
        return 0

    chore = asyncio.create_task(_Rounds("reconciliation", once, 0.001).forever(lambda: False))
    await asyncio.wait_for(second.wait(), 10)
    chore.cancel()

    assert "KeyError" in caplog.text
    with pytest.raises(asyncio.CancelledError):
        await chore


async def test_a_report_that_the_broker_did_not_take_is_made_again(world, observer, reconciler):
    await world.send(world.build_start())
    observer.pods, observer.broken = [pod_of(**ended(0, message=DIGEST))], True
    assert reconciler.round() == 0

    observer.broken = False

    assert reconciler.round() == 1


async def test_monitor_and_reconciler_tell_of_one_end_by_one_id(world, observer, reconciler):
    await world.send(world.build_start())
    observer.pods = [pod_of(**ended(0, message=DIGEST))]
    reconciler.round()
    reconciler.round()

    replies = [await delivered(world, report) for report in observer.reports]

    assert [reply.status for reply in replies] == ["service_created", "skipped"]


async def test_a_lost_build_without_a_job_ends_as_failed_in_the_sweep(world):
    started = await world.send(world.build_start())
    world.cluster.objects.clear()
    world.clock.forward(seconds=world.settings.build_deadline_seconds + 301)

    assert await asyncio.to_thread(world.sweeper.round) == 1
    assert await asyncio.to_thread(world.sweeper.round) == 0

    again = await world.send(world.build_start())
    assert again.status == "started"
    assert again.fields["job_name"] != started.fields["job_name"]


async def test_a_sweep_leaves_builds_alone_whose_result_may_still_come(world):
    await world.send(world.build_start())
    before = everything(world)

    assert await asyncio.to_thread(world.sweeper.round) == 0
    assert everything(world) == before


def test_a_job_of_somebody_else_is_no_build_of_ours():
    job = {
        "metadata": {"name": "j", "uid": "u"},
        "spec": {"template": {"spec": {"containers": [{"name": "x"}]}}},
    }

    assert finding(BuildObjects(job, (pod_of(**ended(1)),)), NOW) is None


@pytest.mark.parametrize(
    ("seconds", "code", "told"),
    [
        pytest.param(120, 0, False, id="a-scan-may-be-under-way"),
        pytest.param(500, 0, True, id="no-scan-takes-so-long"),
        pytest.param(120, 1, True, id="what-failed-is-not-scanned"),
    ],
)
async def test_a_success_that_is_being_scanned_is_its_monitors_to_tell(tmp_path, seconds, code, told):
    world = World(tmp_path, scan=ScanArgs(image="registry.test/trivy:1"))
    world.put()
    await world.send(world.build_start())
    (job,) = world.observer.jobs()
    job["metadata"].setdefault("uid", "job-1")
    seen = BuildObjects(job, (pod_of(**ended(code, seconds=seconds)),))

    assert (finding(seen, NOW) is not None) is told
    await world.automation.close(5)
