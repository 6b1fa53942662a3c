"""Creating, leaving alone, updating, replacing in both orders, deleting in waves."""

import pulumi
import pytest

from engine import StackRef, UpdateFailed
from engine.protocol import StackEngine
from tests.contract.engines import name_of, pending, recorded, state, states
from tests.contract.resources import Cloud, Group, Thing
from tests.contract.world import World


def test_a_stack_is_created_and_then_left_alone(engine: StackEngine, world: World, stack: StackRef):
    def program():
        first = Thing("a", value=1, computed=True)
        Thing("b", of=first.answer)
        pulumi.export("answer", first.answer)

    created = engine.up(stack, program)
    world.forget_calls()
    again = engine.up(stack, program)

    assert created.changes == {"create": 3}
    assert created.outputs == again.outputs == {"answer": "42"}
    assert again.changes == {"same": 3}
    assert world.names == ["a", "b"]
    assert not world.called("create", "update", "delete", "read")


def test_values_of_all_kinds_survive(engine: StackEngine, world: World, stack: StackRef):
    values = {
        "text": "ü",
        "none": None,
        "yes": True,
        "number": 1.5,
        "whole": 3,
        "list": [1, [2]],
        "map": {"a": {}},
    }

    def program():
        thing = Thing("a", values=values)
        pulumi.export("values", thing.name.apply(lambda _: values))

    result = engine.up(stack, program)

    kept = {name: value for name, value in values.items() if name != "none"}
    [outputs] = world.resources.values()
    assert {**outputs["values"], "none": None} == values
    assert {**result.outputs["values"], "none": None} == {**kept, "none": None}
    assert engine.up(stack, program).changes == {"same": 2}


def test_a_changed_input_updates_in_place(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a", value=1) and None)
    id_ = state(engine, stack, "a")["id"]

    result = engine.up(stack, lambda: Thing("a", value=2) and None)

    assert result.changes == {"same": 1, "update": 1}
    assert state(engine, stack, "a")["id"] == id_
    assert world.resources[id_]["value"] == 2
    [step] = [step for step in result.steps if step.op == "update"]
    assert (step.diffs, step.old_inputs, step.new_inputs) == (("value",), {"value": 1}, {"value": 2})


def test_the_diff_is_the_engines_own_where_the_provider_cannot_tell(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, lambda: Thing("a", untold=True, value=1) and None)

    assert engine.up(stack, lambda: Thing("a", untold=True, value=1) and None).changes == {"same": 2}
    assert engine.up(stack, lambda: Thing("a", untold=True, value=2) and None).changes == {
        "same": 1,
        "update": 1,
    }


def test_a_replacement_is_created_before_the_old_one_is_deleted(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, lambda: Thing("a", forced=1) and None)
    world.forget_calls()

    result = engine.up(stack, lambda: Thing("a", forced=2) and None)

    assert result.changes == {"same": 1, "replace": 1}
    assert [call["call"] for call in world.calls("create", "delete")] == ["create", "delete"]
    assert [outputs["forced"] for outputs in world.resources.values()] == [2]
    assert {step.op for step in result.steps} == {"same", "create-replacement", "replace", "delete-replaced"}
    [replaced] = [step for step in result.steps if step.op == "replace"]
    assert replaced.keys == ("forced",)


def test_a_replacement_deletes_first_where_the_provider_says_so(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, lambda: Thing("a", first=1) and None)
    world.forget_calls()

    result = engine.up(stack, lambda: Thing("a", first=2) and None)

    assert result.changes == {"same": 1, "replace": 1}
    assert [call["call"] for call in world.calls("create", "delete")] == ["delete", "create"]
    assert recorded(engine, stack) == ["a"]


def test_what_depends_on_something_deleted_first_goes_with_it(
    engine: StackEngine, world: World, stack: StackRef
):
    def program(value):
        def declare():
            a = Thing("a", first=value)
            b = Thing("b", forced=a.id)
            Thing("c", of=b.name)
            Thing("d")

        return declare

    engine.up(stack, program(1))
    world.forget_calls()
    result = engine.up(stack, program(2))

    assert result.changes == {"same": 3, "replace": 2}
    assert [(call["call"], call["name"]) for call in world.calls("create", "delete")] == [
        ("delete", "b"),
        ("delete", "a"),
        ("create", "a"),
        ("create", "b"),
    ]


def test_deletes_go_in_waves_dependents_first(engine: StackEngine, world: World, stack: StackRef):
    def program():
        a = Thing("a")
        b = Thing("b", of=a.id)
        Thing("c", opts=pulumi.ResourceOptions(depends_on=[b]))
        group = Group("g", opts=pulumi.ResourceOptions(depends_on=[b]))
        Thing("d", opts=pulumi.ResourceOptions(parent=group))

    engine.up(stack, program)
    result = engine.up(stack, lambda: None)

    deleted = world.called("delete")
    assert result.changes == {"same": 1, "delete": 5}
    assert set(deleted[:2]) == {"c", "d"}
    assert deleted[2:] == ["b", "a"]
    assert world.names == []


def test_an_old_half_that_could_not_be_deleted_is_deleted_by_a_later_update(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, lambda: Thing("a", forced=1) and None)
    world.fail("delete", "a")
    with pytest.raises(UpdateFailed, match="it broke"):
        engine.up(stack, lambda: Thing("a", forced=2) and None)
    assert [bool(item.get("delete")) for item in states(engine, stack) if name_of(item) == "a"] == [
        False,
        True,
    ]
    assert world.names == ["a", "a"]

    world.heal()
    result = engine.up(stack, lambda: Thing("a", forced=2) and None)

    assert result.changes == {"same": 2}
    assert recorded(engine, stack) == ["a"]
    assert [outputs["forced"] for outputs in world.resources.values()] == [2]


def test_a_replacement_that_deletes_first_and_cannot_create_is_taken_up_again(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, lambda: Thing("a", first=1) and None)
    world.fail("create", "a")
    with pytest.raises(UpdateFailed):
        engine.up(stack, lambda: Thing("a", first=2) and None)
    assert state(engine, stack, "a")["pendingReplacement"]
    assert world.names == []

    world.heal()
    engine.up(stack, lambda: Thing("a", first=2) and None)

    assert "pendingReplacement" not in state(engine, stack, "a")
    assert world.names == ["a"]
    assert pending(engine, stack) == []


def test_made_up_inputs_are_kept_for_the_resources_life(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a", autonamed=True) and None)
    [first] = world.resources.values()

    same = engine.up(stack, lambda: Thing("a", autonamed=True) and None)
    engine.up(stack, lambda: Thing("a", autonamed=True, forced=1) and None)

    [second] = world.resources.values()
    assert same.changes == {"same": 2}
    assert len(first["kept"]) == 8
    assert second["kept"] != first["kept"]


def test_a_refused_input_fails_the_update_and_is_named(engine: StackEngine, world: World, stack: StackRef):
    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, lambda: Thing("a", invalid=1) and None)

    assert any("it is not allowed" in text and "invalid" in text for text in caught.value.diagnostics)
    assert world.names == []


def test_components_hold_children_and_outputs(engine: StackEngine, world: World, stack: StackRef):
    def program(value):
        def declare():
            group = Group("g", size=value)
            Thing("a", opts=pulumi.ResourceOptions(parent=group))

        return declare

    engine.up(stack, program(1))
    engine.up(stack, program(2))

    child = state(engine, stack, "a")
    assert state(engine, stack, "g")["outputs"] == {"size": 2}
    assert child["parent"].endswith("::testbed:index:Group::g")
    assert "::testbed:index:Group$testbed:index:Thing::" in child["urn"]


def test_explicit_providers_are_configured_one_by_one(engine: StackEngine, world: World, stack: StackRef):
    def program():
        for region in ("north", "south"):
            cloud = Cloud(region, region=region)
            answer = pulumi.runtime.invoke(
                "testbed:index:sum", {"numbers": [1, 2]}, pulumi.InvokeOptions(provider=cloud)
            )
            pulumi.export(region, [answer.value["sum"], answer.value["region"]])
            Thing(f"in-{region}", opts=pulumi.ResourceOptions(provider=cloud))

    result = engine.up(stack, program)

    assert result.outputs == {"north": [3, "north"], "south": [3, "south"]}
    assert engine.up(stack, program).changes == {"same": 5}
    assert state(engine, stack, "in-north")["provider"].startswith(state(engine, stack, "north")["urn"])


def test_a_provider_that_moves_replaces_what_it_made(engine: StackEngine, world: World, stack: StackRef):
    def program(region):
        def declare():
            Thing("a", opts=pulumi.ResourceOptions(provider=Cloud("cloud", region=region)))

        return declare

    engine.up(stack, program("north"))
    result = engine.up(stack, program("south"))

    assert result.changes == {"same": 1, "replace": 2}
    assert world.names == ["a"]


def test_a_failed_invoke_fails_the_program(engine: StackEngine, world: World, stack: StackRef):
    def program():
        pulumi.runtime.invoke("testbed:index:sum", {"fail": True})
        Thing("a")

    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, program)

    assert any("no such thing" in text for text in caught.value.diagnostics)
    assert world.names == []


def test_destroy_leaves_an_empty_stack(engine: StackEngine, world: World, stack: StackRef):
    def program():
        Thing("b", of=Thing("a").id)

    engine.up(stack, program)
    result = engine.destroy(stack)
    again = engine.destroy(stack)

    assert result.changes == {"delete": 3}
    assert world.called("delete") == ["b", "a"]
    assert again.changes == {}
    assert states(engine, stack) == []
    assert engine.outputs(stack).values == {}
    assert stack.name in engine.stacks(stack.project)
