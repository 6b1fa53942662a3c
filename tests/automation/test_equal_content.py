"""Equal content is built once: by one replica, by two at once, under other names; and what is empty never."""

import asyncio
import itertools
import threading

import pytest

from automation.errors import InvalidEvent
from tests.automation.conftest import CODE, World


async def test_an_empty_parser_is_refused_before_anything_is_made(world):
    world.put(b"")

    with pytest.raises(InvalidEvent, match=r"parser.py .* is empty"):
        await world.send(world.build_start())

    assert world.contexts() == []
    assert world.cluster.kinds() == []


class Replica(World):
    """Another process over the same state, storage and cluster."""

    def __init__(self, folder, first):
        super().__init__(folder)
        self.cluster, self.store, self.clock, self._ids = first.cluster, first.store, first.clock, first._ids
        self.restart()


async def test_two_replicas_that_are_asked_at_once_make_one_job(tmp_path, monkeypatch):
    first = World(tmp_path)
    first.put(CODE)
    replicas = [first, Replica(tmp_path, first)]
    both_have_read, reads = threading.Barrier(2), itertools.count()
    read = first.store.read

    def reading(source):
        code = read(source)
        if next(reads) < 2:
            both_have_read.wait(10)
        return code

    monkeypatch.setattr(first.store, "read", reading)

    replies = await asyncio.gather(*(replica.send(replica.build_start()) for replica in replicas))

    jobs = [call for call in first.cluster.calls if call[:2] == ("create", "Job")]
    assert len(jobs) == 1, first.cluster.calls
    assert {reply.status for reply in replies} == {"started"}
    assert len({reply.fields["job_name"] for reply in replies}) == 1
    assert len(first.contexts()) == 1
    for replica in replicas:
        await replica.automation.close(5)


async def test_content_that_runs_is_not_built_again_by_another_replica(tmp_path):
    first = World(tmp_path)
    first.put(CODE)
    await first.deploy()
    second = Replica(tmp_path, first)

    reply = await second.send(second.build_start())

    assert reply.status != "started"
    assert [call[0] for call in first.cluster.calls if call[1] == "Job"].count("create") == 1
    for replica in (first, second):
        await replica.automation.close(5)


async def test_one_content_has_one_context_however_it_was_uploaded(world):
    started = await world.send(world.build_start())
    del world.store.objects[world.settings.source_bucket, "global/parser/p1/parser.py"]
    world.store.objects[world.settings.source_bucket, "global/parser/p1"] = CODE

    again = await world.send(world.build_start())

    assert again.fields["content_hash"] == started.fields["content_hash"]
    assert again.fields["job_name"] == started.fields["job_name"]
