"""Deleting before creating, while the program goes on registering the dependents that would go along."""

import asyncio
import threading
from typing import Any

import pulumi
import pytest

from engine import Engine, StackRef
from tests.engine.fake import Thing, World


def recorded(engine: Engine, stack: StackRef) -> set[str]:
    """Return the ids of the recorded things."""
    return {record.id for record in engine.resources(stack) if record.type == "fake:index:Thing"}


@pytest.mark.parametrize("new_name", ["b", "renamed"])
def test_a_dependent_that_registers_while_others_are_asked_is_not_deleted_from_under_it(
    engine: Engine, stack: StackRef, world: World, new_name: str
) -> None:
    def before() -> None:
        a = Thing("a", first=1, computed=True)
        Thing("b", forced=a.answer)
        Thing("c", forced=a.answer)

    opts = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="b")])

    def after() -> None:
        a = Thing("a", first=2, computed=True)
        Thing("c", forced=a.answer)

        async def register_b() -> Any:
            while not asked.is_set():
                await asyncio.sleep(0.01)
            b = Thing(new_name, opts, forced="42")  # it needs `a` no more, and is what it was
            b.urn.apply(lambda _: go_on.set())
            return True

        pulumi.export("done", pulumi.Output.from_input(register_b()))

    engine.up(stack, before)
    asked, go_on = world.hang("diff", "c")

    engine.up(stack, after)

    assert recorded(engine, stack) == set(world.resources)
    assert "b" not in world.names("delete")


def test_a_dependent_that_registers_while_it_is_deleted_is_created_anew(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def before() -> None:
        a = Thing("a", first=1, computed=True)
        Thing("b", forced=a.answer)

    def after() -> None:
        Thing("a", first=2, computed=True)

        async def register_b() -> Any:
            while not deleting.is_set():
                await asyncio.sleep(0.01)
            Thing("b", forced="42")
            asyncio.get_running_loop().call_later(0.2, go_on.set)
            return True

        pulumi.export("done", pulumi.Output.from_input(register_b()))

    engine.up(stack, before)
    deleting, go_on = world.hang("delete", "b")

    engine.up(stack, after)

    assert recorded(engine, stack) == set(world.resources)
    assert world.names("create").count("b") == 2


def test_a_dependent_of_two_replaced_resources_is_deleted_once_and_before_both(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program(version: int) -> Any:
        def run() -> None:
            a = Thing("a", first=version, computed=True)
            b = Thing("b", first=version, computed=True)
            Thing("c", forced=pulumi.Output.all(a.answer, b.answer))

        return run

    engine.up(stack, program(1))
    deleting, go_on = world.hang("delete", "c")
    timer = threading.Timer(0.3, go_on.set)
    timer.start()

    engine.up(stack, program(2))

    timer.join()
    assert deleting.is_set()
    assert world.names("delete")[0] == "c"
    assert sorted(world.names("delete")) == ["a", "b", "c"]
    assert recorded(engine, stack) == set(world.resources)
