"""The dead letters' program over the folder of the local broker: the same REST as in a cluster."""

import asyncio
import dataclasses
import shlex

import pytest
from aiohttp import web

from local.addresses import BROKER, Addresses
from local.guide import next_steps
from local.session import desk_environment
from tests.rabbitmq.sinks import Sink

ADDRESSES = Addresses(
    api="",
    storage="",
    eventing="",
    gateway="http://127.0.0.1:1",
    service="",
    desk="http://127.0.0.1:0",
    data="",
)


@pytest.fixture
async def desk(world, tmp_path):
    """Starts the program as `make run` does; asks it in a thread, since this loop is the broker's."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "eventing").symlink_to(world.data)
    here = dataclasses.replace(ADDRESSES, eventing=world.eventing.url, data=str(data))
    program = await asyncio.to_thread(
        Sink, {**desk_environment(here), "LOG_LEVEL": "info", "DRAIN_DELAY_SECONDS": "0"}
    )
    token = (data / "api-token").read_text().strip()

    async def ask(method, path, **how):
        headers = {"authorization": f"Bearer {token}"}
        answer = await asyncio.to_thread(program.client.request, method, path, headers=headers, **how)
        assert answer.status_code == 200, answer.text
        return answer.json()

    ask.program = program
    yield ask
    await asyncio.to_thread(program.close)


@pytest.fixture
async def dead(world):
    """A subscriber that takes nothing at first, and its letter."""
    subscriber = await world.subscriber(lambda number: web.Response(status=500 if number < 2 else 202))
    world.broker(BROKER)
    world.trigger("t", subscriber.url, broker=BROKER, delivery={"retry": 0})
    await world.ready("t")
    await world.post(broker=BROKER, body=b'{"n": 7}', id="e-1")
    while not await world.dead_letters():
        await asyncio.sleep(0.02)
    return subscriber


async def test_a_letter_is_listed_shown_and_sent_again(world, dead, desk):
    (letter,) = (await desk("GET", "/api/dlq/letters"))["letters"]
    assert (letter["event_id"], letter["category"], letter["cause"]) == ("e-1", "transient", "system_error")
    assert '"n": 7' in (await desk("GET", f"/api/dlq/letters/{letter['id']}"))["data"]
    assert (await desk("GET", "/api/dlq"))["waiting"] == 1

    assert (await desk("POST", "/api/dlq/replay", json={}))["replayed"] == 1

    while len(dead.received) < 2:
        await asyncio.sleep(0.02)
    again = dead.received[1]
    assert (again.id, again.headers["ce-replaycount"]) == ("e-1", "1")
    assert "ce-knativeerrorcode" not in again.headers
    assert await world.dead_letters() == []


async def test_a_letter_is_thrown_away_when_that_is_meant(world, dead, desk):
    assert (await desk("POST", "/api/dlq/purge", json={"confirm": True}))["purged"] == 1
    assert await world.dead_letters() == []


async def test_a_letter_stays_while_the_broker_refuses_it(world, dead, desk):
    await world.eventing.stop()

    report = await desk("POST", "/api/dlq/replay", json={"force": True})

    assert (report["replayed"], report["failed"]) == (0, 1)
    assert (await desk("GET", "/api/dlq/letters"))["total"] == 1
    await world.eventing.start()


async def test_what_came_back_too_often_is_kept_apart(world, dead, desk):
    poison = {"ce-id": "p", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0", "ce-replaycount": "3"}
    assert (await world.send("/dead-letters", poison, b"x"))[0] == 202

    (one,) = (await desk("GET", "/api/dlq/letters", params={"place": "poison"}))["letters"]
    assert (one["event_id"], one["category"]) == ("p", "poison")
    assert (await desk("GET", "/api/dlq/letters"))["total"] == 1


async def test_a_letter_that_is_posted_is_kept_too(world, dead, desk):
    answer = await asyncio.to_thread(desk.program.post)

    assert answer.status_code == 202
    assert len(await world.dead_letters()) == 2
    assert (await desk("GET", "/api/dlq"))["waiting"] == 2


def test_commands_to_copy_are_whole():
    here = dataclasses.replace(ADDRESSES, data="/data")
    commands = [command for text, command in next_steps(here) if "/api/dlq" in command]

    assert len(commands) == 2
    assert all("Authorization: Bearer" in shlex.split(command)[3] for command in commands)
