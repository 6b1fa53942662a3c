"""Cancellations that overtake, retries of what was, and reasons: in the decision core and all around it."""

import dataclasses

import pytest

from automation.errors import InvalidEvent
from automation.event_parser import parse
from automation.model import BuildStatus, Phase
from tests.automation import worlds
from tests.automation.conftest import CODE
from tests.automation.worlds import at

RETRY = "io.knative.lambda.command.build.retry"


def test_a_cancellation_that_overtakes_its_build_keeps_it_from_beginning():
    platform = worlds.Platform()
    platform.deliver(worlds.cancel(time=at(-10)))

    late = platform.deliver(worlds.start("e1", at(-20)))
    newer = platform.deliver(worlds.start("e2", at(-5)))

    assert (late.status, newer.status) == ("skipped", "started")


def test_a_cancellation_of_one_build_that_is_yet_to_come_leaves_others_alone():
    platform = worlds.Platform()
    platform.deliver(worlds.cancel(time=at(-10), build_id="build-7"))

    other = platform.deliver(worlds.start("e1", at(-20), build_id="build-6"))
    meant = platform.deliver(worlds.start("e2", at(-15), build_id="build-7"))
    again = platform.deliver(worlds.start("e3", at(-5), build_id="build-7", force=True))

    assert (other.status, meant.status, again.status) == ("started", "skipped", "started")


async def test_a_function_of_which_only_a_cancellation_is_known_is_forgotten_after_a_day(world):
    await world.send(world.cancel())
    assert world.engine.stacks()

    world.clock.forward(hours=25)

    assert (world.sweeper.round(), world.engine.stacks()) == (1, [])


async def test_a_retry_reads_the_code_where_the_failed_build_had_it(world):
    world.store.objects["elsewhere", "code/parser.py"] = b"def handler(event):\n    return 7\n"
    started = await world.send(
        world.build_start(source_bucket="elsewhere", source_prefix="code/", priority="high")
    )
    await world.send(world.build_failed(started))

    retried = await world.send(world.build_start(retry=True, reason="the mirror is back"))

    assert retried.status == "started"
    assert retried.fields["content_hash"] == started.fields["content_hash"]
    assert retried.fields["job_name"] != started.fields["job_name"]
    assert world.runner.describe(world.function)["events"][0]["reason"] == "the mirror is back"


async def test_a_retry_of_what_runs_changes_nothing_unless_it_is_forced(world):
    await world.deploy()

    assert (await world.send(world.build_start(retry=True))).status == "skipped"
    assert (await world.send(world.build_start(retry=True, force=True))).status == "started"


async def test_a_retry_of_a_build_under_way_joins_it(world):
    started = await world.send(world.build_start())

    retried = await world.send(world.build_start(retry=True))

    assert retried.fields["job_name"] == started.fields["job_name"]


@pytest.mark.parametrize("state", [worlds.absent, worlds.deleted], ids=["absent", "deleted"])
def test_a_retry_of_nothing_is_refused_and_brings_nothing_back(state):
    with pytest.raises(InvalidEvent, match=r"no build that could be tried again; send build.start"):
        worlds.Platform(state()).deliver(worlds.start(retry=True))


def test_a_retry_of_a_build_that_is_not_the_latest_is_refused_with_the_one_that_is():
    with pytest.raises(InvalidEvent, match="'build-1'; only that one"):
        worlds.Platform(worlds.broken()).deliver(worlds.start(retry=True, build_id="build-0"))


def test_the_event_type_of_a_retry_is_read_as_one():
    attributes = {"id": "1", "source": "s", "type": RETRY}
    data = {"name": "greeter", "namespace": "acme", "forceRebuild": True, "reason": "again"}

    event = parse(attributes, data, correlation_id="c", traceparent=None)

    assert (event.retry, event.force, event.reason) == (True, True, "again")


async def test_reasons_are_told_with_events_revisions_and_the_build(world):
    await world.deploy()
    world.put(b"def handler(event):\n    return 2\n")
    await world.deploy("sha256:" + "e" * 64)
    await world.send(dataclasses.replace(world.rollback(), reason="it\nis slow"))
    world.put(b"def handler(event):\n    return 3\n")
    await world.send(world.build_start())
    await world.send(dataclasses.replace(world.cancel(), reason="a typing error"))

    told = world.runner.describe(world.function)

    assert told["revisions"][0]["reason"] == "it is slow"
    assert told["build"]["message"] == "a typing error"
    assert [one["reason"] for one in told["events"]][:3] == ["a typing error", None, "it is slow"]
    messages = [one["message"] for one in world.engine.history("fn-tp1-p1")]
    assert any(text.endswith("cancelled (a typing error)") for text in messages)


def test_a_rollback_gives_up_a_waiting_build_too():
    grown = worlds.grown()
    waiting = worlds.build("v9", BuildStatus.QUEUED)
    platform = worlds.Platform(dataclasses.replace(grown, build=waiting))

    platform.deliver(worlds.rollback())

    assert (platform.state.phase, platform.state.build.status) == (Phase.READY, BuildStatus.SUPERSEDED)


async def test_a_rollback_goes_to_what_the_event_led_to_that_people_know(world):
    """The event that made the revision is the monitor's; who wants it back knows the build.start."""

    async def deploy(id):
        started = await world.send(world.build_start(id))
        world.clock.forward(seconds=10)
        return await world.send(world.build_complete(started))

    await deploy("wanted")
    world.put(CODE + b"# newer")
    await deploy("newer")
    skipped = await world.send(world.build_start("again"))
    world.put(CODE + b"# newest")
    await deploy("newest")
    assert skipped.status == "skipped"

    by_build = await world.send(world.rollback("wanted"))
    by_time = await world.send(world.rollback("again"))

    assert (by_build.fields["restored"], by_time.fields["restored"]) == (1, 2)
