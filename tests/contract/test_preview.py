"""Previews: what they announce, what they do not know, what they leave behind: nothing."""

import pulumi
import pytest

from engine import StackMoved, StackRef, UpdateFailed
from engine.options import Options
from engine.protocol import StackEngine
from tests.contract.resources import Thing
from tests.contract.world import World


def test_a_preview_announces_what_the_update_then_does(engine: StackEngine, world: World, stack: StackRef):
    def first():
        for name in ("same", "gone"):
            Thing(name, value=1)
        Thing("changed", value=1)
        Thing("replaced", forced=1)

    def second():
        Thing("same", value=1)
        Thing("changed", value=2)
        Thing("replaced", forced=2)
        Thing("new")

    engine.up(stack, first)
    before = engine.export(stack)
    world.forget_calls()
    announced = engine.preview(stack, second)

    assert announced.changes == {"same": 2, "update": 1, "replace": 1, "create": 1, "delete": 1}
    ops = {(step.op, step.urn.rsplit("::", 1)[-1]) for step in announced.steps}
    assert {("update", "changed"), ("replace", "replaced"), ("create", "new"), ("delete", "gone")} <= ops
    assert not world.called("create", "update", "delete")
    assert engine.export(stack) == before
    assert engine.up(stack, second).changes == announced.changes


def test_what_is_not_known_yet_stays_unknown(engine: StackEngine, world: World, stack: StackRef):
    def program():
        a = Thing("a", computed=True)
        b = Thing("b", of=a.answer, id_of=a.id)
        b.id.apply(lambda _: Thing("only-in-an-update") and None)
        pulumi.export("answer", a.answer)

    announced = engine.preview(stack, program)

    assert announced.changes == {"create": 3}
    assert engine.up(stack, program).changes == {"create": 4}


def test_a_preview_of_an_absent_stack_leaves_no_trace(engine: StackEngine, world: World, stack: StackRef):
    announced = engine.preview(stack, lambda: Thing("a") and None)

    assert announced.changes == {"create": 2}
    assert engine.stacks(stack.project) == []
    assert engine.outputs(stack).version == ""
    assert world.names == []


def test_a_preview_that_would_fail_fails(engine: StackEngine, world: World, stack: StackRef):
    with pytest.raises(UpdateFailed) as caught:
        engine.preview(stack, lambda: Thing("a", invalid=1) and None)

    assert any("it is not allowed" in text for text in caught.value.diagnostics)


def test_a_preview_can_refresh_first_and_forgets_it(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a", value=1) and None)
    before = engine.export(stack)
    world.forget("a")

    announced = engine.preview(stack, lambda: Thing("a", value=1) and None, options=Options(refresh=True))

    assert announced.changes["create"] == 1
    assert engine.export(stack) == before


def test_a_preview_on_another_version_is_refused(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a") and None)

    with pytest.raises(StackMoved):
        engine.preview(stack, lambda: None, expect="another")
