"""Stopping an operation from outside: gracefully, and at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from components.engines import AUTOMATION_API
from engine import StackRef
from engine.cancellation import Cancellation
from engine.errors import UpdateCanceled
from engine.options import Options
from engine.protocol import StackEngine
from tests.contract import programs
from tests.contract.engines import pending, recorded
from tests.contract.world import World


def test_a_cancelled_update_finishes_what_runs_and_begins_nothing_new(
    kind: str, engine: StackEngine, world: World, stack: StackRef
):
    cancellation = Cancellation()
    world.hang("create", "a")
    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(engine.up, stack, programs.two, options=Options(cancellation=cancellation))
        world.wait_for("create", "a")
        cancellation.cancel()
        if kind == AUTOMATION_API:
            world.wait_for("cancel", "plugin")
        world.release("create", "a")
        with pytest.raises(UpdateCanceled) as caught:
            update.result()

    assert caught.value.terminated is False
    assert recorded(engine, stack) == world.names == ["a"]
    assert pending(engine, stack) == []
    assert engine.cancel(stack) == 0
    assert engine.history(stack)[0]["result"] == "failed"
    world.heal()
    assert engine.up(stack, programs.two).changes == {"same": 2, "create": 1}


def test_a_terminated_update_leaves_the_call_pending_and_no_lock(
    engine: StackEngine, world: World, stack: StackRef
):
    cancellation = Cancellation()
    world.hang("create", "a")
    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(engine.up, stack, programs.two, options=Options(cancellation=cancellation))
        world.wait_for("create", "a")
        cancellation.terminate()
        with pytest.raises(UpdateCanceled) as caught:
            update.result()

    assert caught.value.terminated is True
    assert recorded(engine, stack) == []
    assert pending(engine, stack) == [("creating", "a")]
    assert engine.cancel(stack) == 0
    world.release("create", "a")


def test_an_operation_that_is_cancelled_before_it_begins_does_nothing(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, programs.two)
    world.forget_calls()
    cancellation = Cancellation()
    cancellation.cancel()

    with pytest.raises(UpdateCanceled):
        engine.up(stack, programs.nothing, options=Options(cancellation=cancellation))
    with pytest.raises(UpdateCanceled):
        engine.destroy(stack, options=Options(cancellation=cancellation))

    assert not world.called("create", "update", "delete")
    assert recorded(engine, stack) == ["a", "b"]


def test_a_cancelled_destroy_keeps_what_it_did_not_get_to(
    kind: str, engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, programs.two)
    cancellation = Cancellation()
    world.hang("delete", "b")
    with ThreadPoolExecutor(1) as pool:
        destroy = pool.submit(engine.destroy, stack, options=Options(cancellation=cancellation))
        world.wait_for("delete", "b")
        cancellation.cancel()
        if kind == AUTOMATION_API:
            world.wait_for("cancel", "plugin")
        world.release("delete", "b")
        with pytest.raises(UpdateCanceled):
            destroy.result()

    assert recorded(engine, stack) == world.names == ["a"]
