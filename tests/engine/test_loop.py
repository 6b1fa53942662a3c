"""Blocking calls of a program's event loop."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.loop import Loop
from engine.threads import Workers


@pytest.fixture
def threads():
    executor = Workers().executor(1)
    yield executor
    executor.shutdown()


@pytest.fixture
def loop(threads):
    loop = Loop(threads)
    yield loop
    loop.close()


def test_a_blocking_call_runs_on_one_of_the_engines_threads(loop):
    thread = loop.run_until_complete(loop.run_in_executor(None, threading.current_thread))

    assert thread.name == "engine-worker"


def test_a_blocking_call_gets_its_arguments(loop):
    assert loop.run_until_complete(loop.run_in_executor(None, divmod, 7, 2)) == (3, 1)


def test_what_a_blocking_call_raises_is_raised_where_it_is_awaited(loop):
    with pytest.raises(ZeroDivisionError):
        loop.run_until_complete(loop.run_in_executor(None, divmod, 7, 0))


def test_a_program_may_use_threads_of_its_own(loop):
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as mine:
        thread = loop.run_until_complete(loop.run_in_executor(mine, threading.current_thread))

    assert thread.name.startswith("mine")


def test_a_call_that_is_cancelled_before_its_turn_is_not_made(loop):
    release = threading.Event()
    made = []

    async def program():
        first = loop.run_in_executor(None, release.wait)
        second = loop.run_in_executor(None, made.append, "second")
        second.cancel()
        release.set()
        await first
        await loop.run_in_executor(None, made.append, "third")

    loop.run_until_complete(program())

    assert made == ["third"]


def test_the_answer_to_a_call_that_was_cancelled_meanwhile_is_dropped(loop):
    errors = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    begun, release = threading.Event(), threading.Event()

    def call():
        begun.set()
        release.wait()

    async def program():
        future = loop.run_in_executor(None, call)
        begun.wait()
        future.cancel()
        release.set()
        await loop.run_in_executor(None, int)
        with pytest.raises(asyncio.CancelledError):
            await future

    loop.run_until_complete(program())

    assert not errors


def test_a_thread_outlives_the_loop_that_it_works_for(threads):
    loop = Loop(threads)
    release = threading.Event()
    loop.run_in_executor(None, release.wait)
    loop.close()
    release.set()

    assert threads.submit(int).result() == 0


def test_no_call_is_made_for_a_program_that_ended(loop, threads):
    threads.shutdown()

    with pytest.raises(RuntimeError, match="shut down"):
        loop.run_in_executor(None, int)
