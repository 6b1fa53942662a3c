"""The program's own functions, called by the engine: transforms of resources and invokes, hooks."""

import pulumi
import pytest
from pulumi import ResourceHook, ResourceHookBinding, ResourceOptions, ResourceTransformResult

from engine import StackRef, UpdateFailed
from engine.protocol import StackEngine
from tests.contract.engines import state
from tests.contract.resources import Group, Thing
from tests.contract.world import World


def hooked(world: World, *kinds: str, fail: str = "", **props):
    """A program of one resource `a`, whose hooks of these kinds note that they were called."""

    def program():
        def hook(kind):
            def note(args: pulumi.ResourceHookArgs):
                outputs = args.new_outputs or {}
                world.begin("hook", kind, id=str(args.id or ""), new=(outputs or {}).get("name", ""))
                if kind == fail:
                    raise ValueError(f"{kind} will not do")

            return ResourceHook(kind.replace("_", "-"), note)

        binding = ResourceHookBinding(**{kind: [hook(kind)] for kind in kinds})
        Thing("a", opts=ResourceOptions(hooks=binding), **props)

    return program


def test_a_resources_own_transforms_change_its_inputs_and_options(
    engine: StackEngine, world: World, stack: StackRef
):
    def program():
        def tag(args: pulumi.ResourceTransformArgs):
            options = args.opts
            options.retain_on_delete = True
            return ResourceTransformResult({**args.props, "tag": f"of-{args.name}"}, options)

        Thing("a", value=1, opts=ResourceOptions(transforms=[tag]))

    engine.up(stack, program)

    assert state(engine, stack, "a")["inputs"] == {"value": 1, "tag": "of-a"}
    assert state(engine, stack, "a")["retainOnDelete"] is True
    assert engine.up(stack, program).changes == {"same": 2}


def test_transforms_go_from_the_resource_upwards_to_the_stack(
    engine: StackEngine, world: World, stack: StackRef
):
    def program():
        def appending(text):
            def transform(args: pulumi.ResourceTransformArgs):
                if args.name != "a":
                    return None
                return ResourceTransformResult({**args.props, "trail": args.props["trail"] + text}, args.opts)

            return transform

        pulumi.runtime.register_resource_transform(appending("-stack"))
        group = Group("g", opts=ResourceOptions(transforms=[appending("-parent")]))
        Thing("a", trail="", opts=ResourceOptions(parent=group, transforms=[appending("-own")]))

    engine.up(stack, program)

    assert state(engine, stack, "a")["inputs"] == {"trail": "-own-parent-stack"}


def test_invokes_can_be_transformed(engine: StackEngine, world: World, stack: StackRef):
    def program():
        def more(args: pulumi.InvokeTransformArgs):
            return pulumi.InvokeTransformResult({**args.args, "numbers": [40, 2]}, args.opts)

        pulumi.runtime.register_invoke_transform(more)
        found = pulumi.Output.from_input(pulumi.runtime.invoke_async("testbed:index:sum", {"numbers": [1]}))
        pulumi.export("sum", found.apply(lambda value: value["sum"]))

    assert engine.up(stack, program).outputs == {"sum": 42}


def test_a_transform_that_raises_fails_the_update(engine: StackEngine, world: World, stack: StackRef):
    def program():
        def refuse(_: pulumi.ResourceTransformArgs):
            raise ValueError("not with me")

        Thing("a", opts=ResourceOptions(transforms=[refuse]))

    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, program)

    assert any("not with me" in text for text in caught.value.diagnostics)
    assert world.names == []


def test_hooks_are_called_around_the_steps_that_they_are_bound_to(
    engine: StackEngine, world: World, stack: StackRef
):
    kinds = ("before_create", "after_create", "before_update", "after_update")
    engine.up(stack, hooked(world, *kinds, value=1))
    engine.up(stack, hooked(world, *kinds, value=1))
    engine.up(stack, hooked(world, *kinds, value=2))

    made = [
        call["name"] if call["call"] == "hook" else call["call"]
        for call in world.calls("hook", "create", "update")
    ]
    assert made == ["before_create", "create", "after_create", "before_update", "update", "after_update"]
    after_create = world.calls("hook")[1]
    assert after_create["new"] == "a"
    assert after_create["id"] == state(engine, stack, "a")["id"]
    assert engine.export(stack)["version"] == 4
    assert engine.export(stack)["features"] == ["hooks"]


def test_a_failing_hook_before_a_step_prevents_it(engine: StackEngine, world: World, stack: StackRef):
    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, hooked(world, "before_create", fail="before_create"))

    assert any("will not do" in text for text in caught.value.diagnostics)
    assert world.names == []


def test_hooks_do_not_run_in_previews_unless_they_ask_for_it(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.preview(stack, hooked(world, "before_create"))

    assert world.called("hook") == []


def test_delete_hooks_run_where_the_program_does(engine: StackEngine, world: World, stack: StackRef):
    program = hooked(world, "before_delete", "after_delete")
    engine.up(stack, program)
    with pytest.raises(UpdateFailed):
        engine.destroy(stack)
    assert world.names == ["a"]
    world.forget_calls()

    engine.destroy(stack, program=program)

    made = [
        call["name"] if call["call"] == "hook" else call["call"] for call in world.calls("hook", "delete")
    ]
    assert made == ["before_delete", "delete", "after_delete"]
    assert world.names == []
