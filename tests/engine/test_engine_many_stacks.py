"""Many stacks at once in one process: nothing of one run shows up in another."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pulumi
import pytest

from engine import Engine, StackRef, UpdateFailed
from tests.engine.fake import Group, Thing, World

Options = pulumi.ResourceOptions
STACKS = 16


def program(index: int) -> Callable[[], object]:
    """Return a program that says who it is in many ways."""

    def run() -> None:
        assert pulumi.get_stack() == f"s{index}"
        assert pulumi.Config().require("index") == str(index)
        group = Group("group")
        things = [Thing(f"t{number}", Options(parent=group), index=index) for number in range(4)]
        pulumi.export("index", pulumi.Output.all(*[thing.id for thing in things]).apply(lambda _: index))
        pulumi.export("stack", pulumi.get_stack())

    return run


def test_sixteen_stacks_at_once_do_not_mix(engine: Engine, world: World) -> None:
    # All programs wait for each other, so that all runs are really under way at the same time.
    gate = threading.Barrier(STACKS, timeout=60)

    def together(index: int) -> Callable[[], object]:
        def run() -> None:
            gate.wait()
            program(index)()

        return run

    def up(index: int) -> Any:
        return engine.up(StackRef("proj", f"s{index}"), together(index), config={"proj:index": str(index)})

    with ThreadPoolExecutor(STACKS) as pool:
        results = list(pool.map(up, range(STACKS)))

    for index, result in enumerate(results):
        assert result.changes == {"create": 6}
        assert result.outputs == {"index": index, "stack": f"s{index}"}
        assert engine.outputs(StackRef("proj", f"s{index}")).values == result.outputs
    assert len(world.resources) == 4 * STACKS


def test_a_failing_stack_disturbs_no_other(engine: Engine, world: World) -> None:
    def up(index: int) -> Any:
        def broken() -> None:
            Thing("a")
            raise RuntimeError(f"program {index} is broken")

        chosen = broken if index % 2 else program(index)
        return engine.up(StackRef("proj", f"s{index}"), chosen, config={"proj:index": str(index)})

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(up, index) for index in range(8)]

    for index, future in enumerate(futures):
        if index % 2:
            with pytest.raises(UpdateFailed, match=f"program {index} is broken"):
                future.result()
        else:
            assert future.result().outputs["index"] == index


def test_a_stack_that_hangs_holds_up_no_other(engine: Engine, world: World) -> None:
    started, go_on = world.hang("create", "slow")
    hanging = threading.Thread(target=engine.up, args=(StackRef("proj", "slow"), lambda: Thing("slow")))
    hanging.start()
    assert started.wait(20)

    for index in range(3):
        stack = StackRef("proj", f"s{index}")
        assert engine.up(stack, program(index), config={"proj:index": str(index)}).changes == {"create": 6}

    go_on.set()
    hanging.join(20)
    assert engine.outputs(StackRef("proj", "slow")).version


def test_a_thread_can_run_one_stack_after_another(engine: Engine) -> None:
    for index in range(3):
        engine.up(StackRef("proj", f"s{index}"), program(index), config={"proj:index": str(index)})

    with pytest.raises(Exception, match="Missing required configuration"):
        engine.up(StackRef("proj", "s9"), program(9))


def test_more_resources_than_threads_are_created_without_a_standstill(
    make_engine: Callable[..., Engine], stack: StackRef, world: World
) -> None:
    engine = make_engine(parallel=2)

    def many() -> None:
        first = Thing("first")
        for index in range(60):
            Thing(f"t{index}", of=first.id)

    assert engine.up(stack, many).changes == {"create": 62}
    assert engine.destroy(stack).changes == {"delete": 62}
    assert world.resources == {}


async def test_a_thread_with_an_event_loop_is_told_to_use_another(engine: Engine, stack: StackRef) -> None:
    with pytest.raises(UpdateFailed, match="call the engine from a worker thread"):
        engine.up(stack, program(0))

    result = await asyncio.to_thread(
        engine.up, StackRef("proj", "s0"), program(0), config={"proj:index": "0"}
    )

    assert result.outputs["index"] == 0
