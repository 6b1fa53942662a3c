"""Builds that wait: recorded, released in turn by any replica, given up, refused; nothing is left behind."""

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automation.app import Automation
from automation.build_turns import Turns
from automation.errors import InvalidEvent, Saturated, StackBusy
from automation.events import FunctionId
from automation.model import BuildStatus, BuildTurn
from automation.usher import Usher
from tests.automation.conftest import World, with_function


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path, build_limit=2, third_party_build_limit=1, waiting_build_limit=4)
    world.put()
    yield world
    await world.automation.close(5)


def of(world, third_party, parser="p1", **fields):
    """Return a build.start of another function."""
    world.put(parser=parser)
    return with_function(world.build_start(**fields), third_party, parser)


def build(world, third_party="tp1", parser="p1"):
    return world.runner.latest_build(FunctionId(third_party, parser))


async def turns(usher):
    """Have a round as the automation has it, in a thread."""
    return await asyncio.to_thread(usher.round)


def active(world):
    """Return the names of Jobs that are there and may run."""
    return {job["metadata"]["name"] for job in world.observer.jobs() if not job["spec"]["suspend"]}


def jobs(world):
    return {job["metadata"]["name"] for job in world.observer.jobs()}


async def test_a_build_waits_suspended_until_its_turn_and_its_deadline_counts_from_there(world):
    await world.send(world.build_start())
    before = build(world)
    assert (before.status, before.lost_at, before.started_at) == (BuildStatus.QUEUED, None, None)
    assert active(world) == set()

    world.clock.forward(hours=5)
    assert await turns(world.usher) == 1

    after = build(world)
    assert (after.status, after.started_at) == (BuildStatus.RUNNING, world.clock.now)
    assert (after.lost_at - after.started_at).total_seconds() == world.settings.build_deadline_seconds + 300
    assert active(world) == {after.job_name}
    assert await turns(world.usher) == 0


async def test_the_answer_says_whether_a_build_has_to_wait(world):
    first = await world.send(world.build_start())
    await turns(world.usher)
    second = await world.send(of(world, "tp1", "p2"))

    assert (first.status, second.status) == ("started", "queued")
    assert second.fields["job_name"] == build(world, "tp1", "p2").job_name


async def test_waiting_builds_are_visible_with_their_place(world):
    for number in range(3):
        await world.send(of(world, "tp1", f"p{number}"))
        await turns(world.usher)
        world.clock.forward(seconds=10)
    automation = Automation(world.runner, None, world.settings, checks={}, usher=world.usher)

    told = await automation.describe(FunctionId("tp1", "p2"))

    assert told["build"]["status"] == "queued"
    assert told["build"]["queue"] == {
        "position": 2,
        "waiting": 2,
        "running": 1,
        "limit": 2,
    }


async def test_beyond_the_places_to_wait_an_event_is_refused_and_taken_again_later(world):
    for number in range(2):
        await world.send(of(world, "tp1", f"p{number}"))
        world.clock.forward(seconds=10)

    with pytest.raises(Saturated) as refused:
        await world.send(of(world, "tp1", "p9", id="again"))
    assert "2 are allowed" in refused.value.message
    assert refused.value.retry_after
    assert not world.runner.describe(FunctionId("tp1", "p9"))

    await turns(world.usher)
    world.clock.forward(seconds=10)
    assert (await world.send(of(world, "tp1", "p9", id="again"))).status == "queued"


async def test_newer_code_of_a_waiting_function_takes_its_place_even_where_all_places_are_taken(world):
    await world.send(world.build_start())
    since = build(world).queued_at
    await world.send(of(world, "tp1", "p2"))
    world.clock.forward(seconds=60)
    world.put(b"def handler(event):\n    return 2\n")

    await world.send(world.build_start())

    assert build(world).queued_at == since
    assert len(jobs(world)) == 2
    assert len(world.contexts()) == 2


async def test_a_cancelled_waiting_build_leaves_no_job_and_no_context_and_gives_its_place_free(world):
    await world.send(world.build_start())
    await world.send(world.cancel())

    assert (jobs(world), world.contexts()) == (set(), [])
    assert build(world).status is BuildStatus.CANCELLED
    assert await turns(world.usher) == 0


async def test_a_function_that_is_deleted_while_it_waits_leaves_nothing(world):
    await world.send(world.build_start())
    await world.send(world.delete())

    assert (jobs(world), world.contexts(), await turns(world.usher)) == (set(), [], 0)


async def test_the_end_of_a_build_lets_the_next_one_begin(world):
    first = await world.send(world.build_start())
    await world.send(of(world, "tp1", "p2"))
    assert await turns(world.usher) == 1

    await world.send(world.build_failed(first))

    assert await turns(world.usher) == 1
    assert active(world) == {build(world, "tp1", "p2").job_name}


async def test_turns_that_a_killed_replica_gave_are_carried_out_by_another_and_count_meanwhile(world):
    started = [await world.send(of(world, f"tp{n}")) for n in range(3)]
    given_name = started[0].fields["job_name"]
    world.observer.give_turns(Turns(frozenset({given_name})))

    assert await turns(world.usher) == 2
    assert len(active(world)) == 2
    assert given_name in active(world)


async def test_replicas_side_by_side_never_begin_more_builds_than_are_allowed(world):
    """Another replica gives turns between this one's look and its own decision."""
    for number in range(4):
        world.clock.forward(seconds=10)
        await world.send(of(world, f"tp{number}"))
    other = Usher(world.observer, world._begin, world.settings.build_limits, world.clock)
    look, looks = world.observer.jobs, []

    def interrupted():
        seen = look()
        if not looks:
            looks.append(1)
            other.round()
        return seen

    world.observer.jobs = interrupted
    await turns(world.usher)

    assert len(active(world)) == 2


async def test_a_job_that_no_function_waits_for_does_not_hold_up_the_others(world):
    """A process that died between making a Job and recording it leaves such a Job."""
    await world.send(world.build_start())
    (orphan,) = world.observer.jobs()
    stray = {**orphan, "metadata": {**orphan["metadata"], "name": "stray"}}
    stray["metadata"]["annotations"] = {"build.notifi.network/queued-at": "2020-01-01T00:00:00+00:00"}
    world.cluster.objects["Job", "knative-lambda-local/stray"] = stray

    assert await turns(world.usher) == 1
    assert "stray" not in active(world)


async def test_a_build_whose_function_is_busy_keeps_its_turn(world):
    await world.send(world.build_start())
    await world.send(of(world, "tp2"))
    busy = iter([True])

    def begin(function, job_name):
        if next(busy, False):
            raise StackBusy("another process is at it")
        return world._begin(function, job_name)

    usher = Usher(world.observer, begin, world.settings.build_limits, world.clock)

    assert await turns(usher) == 1
    assert len(world.observer.given.jobs) == 2
    assert await turns(usher) == 1


async def test_builds_begin_once_limits_are_taken_away(world):
    for number in range(4):
        await world.send(of(world, f"tp{number}"))
        world.clock.forward(seconds=10)
    unlimited = World(world.settings.backend_url)
    unlimited.cluster = unlimited.observer.world.cluster = world.cluster
    unlimited.restart()

    assert await turns(unlimited.usher) == 4
    await unlimited.automation.close(5)


async def test_waiting_builds_are_neither_lost_nor_reported_however_long_they_wait(world):
    await world.send(world.build_start())
    world.clock.forward(days=3)

    assert await asyncio.to_thread(world.sweeper.round) == 0
    assert build(world).status is BuildStatus.QUEUED


async def test_a_waiting_build_whose_job_is_gone_is_reported_as_lost(world):
    await world.send(world.build_start())
    world.cluster.objects.clear()
    world.clock.forward(minutes=16)

    assert await asyncio.to_thread(world.sweeper.round) == 1

    assert (build(world).status, build(world).reason) == (BuildStatus.FAILED, "lost")
    assert len(world.observer.reports) == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["start", "retry", "force", "cancel", "delete", "complete", "failed", "turn", "round"]
        ),
        st.integers(0, 3),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=14,
)


def event_of(world, number, what, content, started):
    """Return the event of a step; results are of any build that ever was."""
    id, time = f"e{number}", world.clock.now
    if what in ("complete", "failed"):
        if not started:
            return None
        reply = started[content % len(started)]
        return world.build_complete(reply, id=id) if what == "complete" else world.build_failed(reply)
    if what == "cancel":
        return world.cancel(id)
    if what == "delete":
        return world.delete(id, time)
    return world.build_start(id, time, retry=what == "retry", force=what == "force")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, data=st.data())
def test_any_order_repetition_and_loss_leaves_one_live_job_at_most_and_nothing_of_what_was_given_up(
    tmp_path_factory, steps, data
):
    world = World(tmp_path_factory.mktemp("state"), build_limit=2, waiting_build_limit=0)
    sent, started = [], []
    for number, (what, content, late) in enumerate(steps):
        world.clock.forward(seconds=10)
        world.put(f"def handler(event):\n    return {content}\n".encode())
        if what == "round":
            world.usher.round()
        elif what == "turn":  # of a build that may be long gone
            if started:
                name = started[content % len(started)].fields["job_name"]
                world.runner.tell(world.function, BuildTurn(job_name=name, deadline_seconds=60))
        elif event := event_of(world, number, what, content, started):
            sent.append(event)
            over = build(world)
            if late % 4 != 3:  # else it is lost
                deliver(world, event, started, over)
        if sent and late > 20:
            deliver(world, data.draw(st.sampled_from(sent)), started, build(world))
        check(world)
    settled = everything(world)
    world.restart()
    assert everything(world) == settled


def deliver(world, event, started, before):
    """Deliver an event; a result of a build that is not the current one, or given up, changes nothing."""
    kept = everything(world)
    foreign = getattr(event, "job_name", None) and (before is None or event.job_name != before.job_name)
    over = before is not None and before.status in (BuildStatus.CANCELLED, BuildStatus.SUPERSEDED)
    with contextlib.suppress(InvalidEvent, Saturated):
        reply = world.runner.handle(event)
        if reply.status in ("started", "queued") and "job_name" in reply.fields:
            started.append(reply)
        if getattr(event, "job_name", None) and (foreign or over):
            assert everything(world) == kept
        again = everything(world)
        assert world.runner.handle(event).status in (reply.status, "skipped", "started", "queued")
        if reply.status not in ("skipped",):
            assert everything(world) == again, "the same event once more changes nothing"


def everything(world):
    return (world.runner.describe(world.function), sorted(world.cluster.objects), sorted(world.contexts()))


def check(world):
    """What holds at every moment."""
    state = world.runner.describe(world.function)
    found = jobs(world)
    latest = build(world)
    live = latest is not None and latest.is_live
    assert len(found) <= 1
    if latest is None or latest.status in (BuildStatus.CANCELLED, BuildStatus.SUPERSEDED, BuildStatus.FAILED):
        assert found == set()
    if live:
        assert found == {latest.job_name}
        assert latest.context_key in world.contexts()
        assert (latest.job_name in active(world)) is latest.is_running
    if state and state["phase"] == "deleted":
        assert (world.cluster.kinds(), world.contexts()) == ([], [])
