"""How the memory of the dead letter sink is given out."""

import asyncio

import pytest

from service.dead_letters.room import Room


@pytest.fixture
async def served():
    return []


async def hold(room, size, served, release):
    async with room.of(size):
        served.append(size)
        await release.wait()


async def started(*holders):
    tasks = []
    for holder in holders:
        tasks.append(asyncio.create_task(holder))
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_letters_are_held_together_as_long_as_there_is_room(served):
    room, release = Room(10), asyncio.Event()

    tasks = await started(*(hold(room, size, served, release) for size in (4, 6, 1)))

    assert served == [4, 6]
    release.set()
    await asyncio.gather(*tasks)
    assert served == [4, 6, 1]


async def test_a_large_letter_is_not_kept_out_by_small_ones_that_come_later(served):
    room, first, others = Room(10), asyncio.Event(), asyncio.Event()
    tasks = await started(
        hold(room, 5, served, first), hold(room, 8, served, others), hold(room, 1, served, others)
    )
    assert served == [5]

    first.set()
    await asyncio.gather(tasks[0])
    await asyncio.sleep(0.01)

    assert served == [5, 8, 1]
    others.set()
    await asyncio.gather(*tasks)


async def test_a_letter_beyond_all_room_gets_all_of_it(served):
    release = asyncio.Event()
    release.set()

    await hold(Room(10), 1000, served, release)

    assert served == [1000]


async def test_whoever_gives_up_waiting_leaves_the_room_to_others(served):
    room, release = Room(10), asyncio.Event()
    tasks = await started(*(hold(room, size, served, release) for size in (10, 7)))

    tasks[1].cancel()
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    await hold(room, 10, served, release)

    assert served == [10, 10]
