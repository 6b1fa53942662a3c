"""What results tell about each step: what changes, and why something is replaced."""

from collections.abc import Mapping
from typing import Any

import pulumi

from engine import Engine, StackRef, StepRecord
from engine.values import Secret
from tests.engine.fake import Thing


def things(**named: Mapping[str, Any]) -> Any:
    """Return a program with independent resources of these names and inputs."""

    def program() -> None:
        for name, props in named.items():
            Thing(name, **props)

    return program


def of(steps: tuple[StepRecord, ...], name: str) -> list[StepRecord]:
    """Return the steps on the resource of that name."""
    return [step for step in steps if step.urn.endswith(f"::{name}")]


def test_a_replacement_names_the_properties_that_force_it(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, things(a={"forced": 1, "size": 1}))

    preview = engine.preview(stack, things(a={"forced": 2, "size": 1}))
    result = engine.up(stack, things(a={"forced": 2, "size": 1}))

    for steps in (preview.steps, result.steps):
        [replace] = [step for step in of(steps, "a") if step.op == "replace"]
        assert (replace.keys, replace.diffs) == (("forced",), ("forced",))
        assert replace.old_inputs["forced"] == 1
        assert replace.new_inputs["forced"] == 2
    assert [step.op for step in of(result.steps, "a")] == ["create-replacement", "replace", "delete-replaced"]


def test_steps_come_in_order_without_default_providers(engine: Engine, stack: StackRef) -> None:
    result = engine.up(stack, things(a={}))

    assert [(step.op, step.urn.rsplit("::", 1)[-1]) for step in result.steps] == [
        ("create", "proj-dev"),
        ("create", "a"),
    ]
    assert of(result.steps, "a")[0].id == "a-1"


def test_secrets_of_a_step_stay_wrapped(engine: Engine, stack: StackRef) -> None:
    result = engine.up(stack, lambda: Thing("a", key=pulumi.Output.secret("s3cr3t")))

    [step] = of(result.steps, "a")
    assert step.new_inputs["key"] == Secret("s3cr3t")
    assert "s3cr3t" not in repr(step)


def test_a_deletion_tells_what_was_there(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, things(a={"size": 1}))

    [step] = of(engine.destroy(stack).steps, "a")

    assert (step.op, step.id, step.old_inputs, step.new_inputs) == ("delete", "a-1", {"size": 1}, {})
