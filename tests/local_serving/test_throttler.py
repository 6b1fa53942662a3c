"""Requests and backends, without HTTP and without pods."""

import asyncio

import pytest

from local.serving.throttler import Backend, CannotStart, QueueFull, Throttler


def make(limit: int = 1, queued: int = 10) -> tuple[Throttler, list[int]]:
    demands: list[int] = []
    return Throttler(limit, queued, lambda: demands.append(1)), demands


def ready(throttler: Throttler, name: str = "one") -> Backend:
    backend = Backend(name, 80, ready=True)
    throttler.add(backend)
    return backend


async def waiting(throttler: Throttler, count: int) -> list[asyncio.Task[Backend]]:
    tasks = [asyncio.create_task(throttler.acquire()) for _ in range(count)]
    while throttler.concurrency < count:
        await asyncio.sleep(0)
    return tasks


async def test_waiting_requests_are_served_in_order() -> None:
    throttler, demands = make()
    tasks = await waiting(throttler, 3)
    assert len(demands) == 3

    backend = ready(throttler)
    order = []
    for task in tasks:
        assert await task is backend
        order.append(tasks.index(task))
        throttler.release(backend)

    assert order == [0, 1, 2]
    assert throttler.concurrency == 0


async def test_nobody_overtakes_those_who_wait() -> None:
    throttler, _ = make(limit=1)
    backend = ready(throttler)
    await throttler.acquire()
    (first,) = [asyncio.create_task(throttler.acquire())]
    while throttler.concurrency < 2:
        await asyncio.sleep(0)
    second = asyncio.create_task(throttler.acquire())
    while throttler.concurrency < 3:
        await asyncio.sleep(0)

    throttler.release(backend)

    await first
    assert not second.done()
    throttler.release(backend)
    await second


async def test_the_least_loaded_backend_is_next() -> None:
    throttler, _ = make(limit=0)
    one, two = ready(throttler, "one"), ready(throttler, "two")

    got = [await throttler.acquire() for _ in range(4)]

    assert got.count(one) == got.count(two) == 2


async def test_a_backend_that_is_not_ready_gets_nothing() -> None:
    throttler, _ = make()
    backend = ready(throttler)
    throttler.set_ready(backend, False)
    (task,) = await waiting(throttler, 1)

    assert not task.done()
    throttler.set_ready(backend, True)
    assert await task is backend


async def test_a_full_queue_refuses() -> None:
    throttler, _ = make(queued=2)
    tasks = await waiting(throttler, 2)

    with pytest.raises(QueueFull, match="2 requests wait"):
        await throttler.acquire()

    for task in tasks:
        task.cancel()


async def test_who_gives_up_leaves_the_queue_even_in_the_moment_of_success() -> None:
    throttler, _ = make()
    first, second = await waiting(throttler, 2)

    backend = ready(throttler)
    first.cancel()

    assert await second is backend
    assert throttler.concurrency == 1


async def test_waiting_can_be_failed() -> None:
    throttler, _ = make()
    tasks = await waiting(throttler, 2)

    throttler.fail_waiting(CannotStart("broken"))

    for task in tasks:
        with pytest.raises(CannotStart, match="broken"):
            await task
    assert throttler.concurrency == 0


async def test_the_last_release_is_told() -> None:
    throttler, _ = make(limit=2)
    backend = ready(throttler)
    ends: list[int] = []
    backend.on_idle = lambda: ends.append(backend.in_flight)
    await throttler.acquire()
    await throttler.acquire()

    throttler.release(backend)
    assert ends == []
    throttler.release(backend)

    assert ends == [0]


async def test_the_mean_concurrency_weighs_by_time() -> None:
    throttler, _ = make(limit=0)
    ready(throttler)
    throttler.mean_concurrency()
    backend = await throttler.acquire()

    assert throttler.mean_concurrency() <= 1.0
    deadline = asyncio.get_running_loop().time() + 0.02
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0)
    assert throttler.mean_concurrency() == pytest.approx(1.0)
    throttler.release(backend)
