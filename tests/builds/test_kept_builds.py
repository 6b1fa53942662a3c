"""What can be asked about builds, in every way that a build goes."""

import asyncio
from dataclasses import replace

import pytest

from automation.builds.catalogue import Query
from automation.errors import DependencyUnavailable
from automation.events import FunctionId
from tests.automation.conftest import DIGEST

FOREVER = Query(limit=100)


def listed(world, **query):
    return [(build.build_id, build.status, build.reason) for build in world.catalogue.builds(Query(**query))]


def the_build(world, reply):
    return world.catalogue.build(reply.fields["build_id"])


async def test_a_build_is_found_from_its_start_to_its_end(world):
    started = await world.send(world.build_start())
    running = the_build(world, started)
    world.clock.forward(seconds=42)
    await world.send(world.build_complete(started))
    done = the_build(world, started)

    assert (running.status, running.ended_at, running.duration) == ("running", None, None)
    assert (done.status, done.duration, done.reason) == ("succeeded", 42, None)
    assert done.image_uri == f"registry.test/knative-lambdas@{DIGEST}"
    assert (done.third_party_id, done.parser_id) == ("tp1", "p1")


async def test_the_duration_that_the_monitor_measured_counts(world):
    started = await world.send(world.build_start())
    world.clock.forward(seconds=42)
    await world.send(world.build_complete(started, duration_seconds=7.5))

    assert the_build(world, started).duration == 7.5


@pytest.mark.parametrize("said", [2, 0, None])
async def test_what_came_from_the_cache_is_kept_as_the_monitor_said_it(world, said):
    started = await world.send(world.build_start())
    await world.send(world.build_complete(started, cache_hits=said))

    assert the_build(world, started).cache_hits == said


async def test_a_failed_build_says_why_and_keeps_its_log_though_its_job_is_gone(world):
    started = await world.send(world.build_start())
    world.logs.logs[started.fields["job_name"]] = b"INFO[0000] one\nERROR two\n"
    await world.send(world.build_failed(started, message="killed", exit_code=137))
    world.logs.logs.clear()
    found = world.catalogue.with_preview(started.fields["build_id"])

    assert (found.status, found.reason, found.message, found.exit_code) == ("failed", "oom", "killed", 137)
    assert world.cluster.kinds() == []
    assert found.logs_preview == "INFO[0000] one\nERROR two\n"
    assert world.archive.open_log(found).read() == b"INFO[0000] one\nERROR two\n"


@pytest.mark.parametrize("how", ["cancelled", "superseded", "deleted"])
async def test_a_build_that_is_given_up_is_failed_and_says_how(world, how):
    started = await world.send(world.build_start())
    world.logs.logs[started.fields["job_name"]] = b"as far as it came\n"
    if how == "superseded":
        world.put(b"def handler(event):\n    return 2\n")
    event = {"cancelled": world.cancel, "superseded": world.build_start, "deleted": world.delete}[how]()
    world.clock.forward(seconds=3)
    await world.send(event)

    found = the_build(world, started)
    assert (found.status, found.reason, found.duration) == ("failed", how, 3)
    assert world.archive.open_log(found).read() == b"as far as it came\n"
    assert ("failed", how) in [entry[1:] for entry in listed(world)]


async def test_lists_are_newest_first_and_filtered(world):
    replies = []
    for parser in ("p1", "p2", "p3"):
        world.put(parser=parser)
        world.clock.forward(seconds=1)
        event = world.build_start(function=FunctionId("tp1" if parser != "p3" else "tp2", parser))
        replies.append(await world.send(event))
    first, second, third = (reply.fields["build_id"] for reply in replies)
    await world.send(world.build_failed(replies[0]))

    assert listed(world) == [(third, "running", None), (second, "running", None), (first, "failed", "oom")]
    assert [entry[0] for entry in listed(world, third_party_id="tp1")] == [second, first]
    assert [entry[0] for entry in listed(world, parser_id="p2")] == [second]
    assert [entry[0] for entry in listed(world, status="failed")] == [first]
    assert [entry[0] for entry in listed(world, status="running")] == [third, second]
    assert listed(world, status="succeeded") == listed(world, status="pending") == []
    assert [entry[0] for entry in listed(world, limit=2)] == [third, second]


async def test_a_list_reads_the_stacks_of_builds_under_way_only(world):
    for _ in range(3):
        await world.deploy()
        world.clock.forward(seconds=1)
        world.put(f"def handler(event):\n    return {world.clock.now.second}\n".encode())
    started = await world.send(world.build_start())
    asked = []
    known = world.runner.latest_build
    world.catalogue._latest_build = lambda function: asked.append(function) or known(function)

    assert len(listed(world)) == 4
    assert len(asked) == 1
    assert listed(world)[0][:2] == (started.fields["build_id"], "running")


async def test_a_build_whose_end_was_not_kept_is_what_its_function_says(world, monkeypatch):
    started = await world.send(world.build_start())

    def broken(key, body, content_type):
        raise DependencyUnavailable("storage is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.objects, "put", broken)
        reply = await world.send(world.build_failed(started))
    assert reply.status == "build_failed"
    assert the_build(world, started).status == "failed"
    assert listed(world)[0][1:] == ("failed", "oom")

    repeated = await world.send(replace(world.build_failed(started), meta=world.meta("build.failed", "e2")))
    assert repeated.status == "skipped"
    assert world.archive.find(started.fields["build_id"]).status == "failed"


async def test_of_two_builds_with_one_id_the_latest_is_meant(world):
    world.put(parser="p2")
    await world.send(world.build_start(build_id="b1"))
    world.clock.forward(seconds=1)
    await world.send(world.build_start(build_id="b1", function=FunctionId("tp1", "p2")))

    assert world.catalogue.build("b1").parser_id == "p2"
    assert len(listed(world)) == 2


async def test_a_build_that_nobody_knows_is_none(world):
    assert await asyncio.to_thread(world.catalogue.with_preview, "nobody") is None


async def test_what_a_dry_run_would_do_is_not_kept(world):
    event = world.build_start()
    await world.send(replace(event, meta=replace(event.meta, dry_run=True)))

    assert world.objects.objects == {}
