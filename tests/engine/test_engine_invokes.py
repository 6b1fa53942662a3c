"""Functions of providers, resources that are read, and checks whether something exists."""

from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import InvokeOutputOptions
from pulumi import ResourceOptions as Options
from pulumi.runtime import exists_resource, invoke, invoke_output

from engine import Engine, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import FakeCloud, Group, Thing, World

SUM = "fake:index:sum"


def test_a_call_waits_for_what_it_depends_on(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        thing = Thing("a")
        invoke_output(SUM, {}, InvokeOutputOptions(depends_on=[thing]))

    engine.up(stack, program)

    assert [call for call in world.calls if call[0] in ("create", "invoke")] == [
        ("create", "a"),
        ("invoke", SUM),
    ]


@pytest.mark.parametrize("within", [False, True], ids=["resource", "component"])
def test_a_preview_does_not_call_what_depends_on_an_uncreated_resource(
    engine: Engine, stack: StackRef, world: World, within: bool
) -> None:
    seen: list[Any] = []

    def program() -> None:
        group = Group("g")
        thing = Thing("a", Options(parent=group))
        options = InvokeOutputOptions(depends_on=[group if within else thing])
        invoke_output(SUM, {"numbers": [1]}, options).apply(seen.append)

    engine.preview(stack, program)
    assert (world.names("invoke"), seen) == ([], [])

    engine.up(stack, program)
    engine.preview(stack, program)
    assert seen == [{"sum": 1}, {"sum": 1}]


def test_a_refused_argument_is_named(engine: Engine, stack: StackRef) -> None:
    with pytest.raises(
        UpdateFailed, match=r"invoke of fake:index:sum failed: they must be numbers \(numbers\)"
    ):
        engine.up(stack, lambda: invoke(SUM, {"numbers": "many"}))


def test_a_program_may_catch_the_error_of_a_function(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        try:
            invoke(SUM, {"fail": True})
        except Exception as error:  # the SDK raises nothing narrower
            pulumi.export("error", str(error))

    assert "no such thing" in engine.up(stack, program).outputs["error"]


def test_a_call_is_unknown_while_its_provider_s_configuration_is(
    engine: Engine, stack: StackRef, world: World
) -> None:
    seen: list[Any] = []

    def program() -> None:
        cloud = FakeCloud("cloud", region=Thing("a", computed=True).answer)
        invoke_output(SUM, {}, pulumi.InvokeOptions(provider=cloud)).apply(seen.append)

    engine.preview(stack, program)
    assert (world.names("invoke"), seen) == ([], [])

    engine.up(stack, program)
    assert seen == [{"sum": 0, "region": "42"}]


def test_a_call_uses_the_provider_of_its_parent(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        cloud = FakeCloud("cloud", region="north")
        group = Group("g", Options(providers=[cloud]))
        answer = invoke_output(SUM, {}, pulumi.InvokeOptions(parent=group))
        pulumi.export("region", answer.apply(lambda it: it["region"]))

    assert engine.up(stack, program).outputs == {"region": "north"}


class Seen(pulumi.CustomResource):
    """A Thing that is read, not managed."""

    answer: pulumi.Output[str]
    size: pulumi.Output[int]

    def __init__(self, name: str, id: str, opts: Options | None = None) -> None:
        super().__init__(
            "fake:index:Thing", name, {"answer": None, "size": None}, Options.merge(opts, Options(id=id))
        )


def test_a_resource_that_is_read_has_its_options(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.resources["there"] = {"answer": "7", "size": 3}

    def program() -> None:
        cloud = FakeCloud("cloud", region="north")
        group = Group("g", Options(providers=[cloud]))
        seen = Seen("s", "there", Options(parent=group, additional_secret_outputs=["answer"]))
        pulumi.export("answer", seen.answer)
        pulumi.export("size", seen.size)

    result = engine.up(stack, program)

    assert result.outputs == {"answer": "7", "size": 3}
    assert result.secret_names == {"answer"}
    state = states.named(root, stack, "s")
    assert state["external"] is True
    assert state["additionalSecretOutputs"] == ["answer"]
    assert "ciphertext" in state["outputs"]["answer"]
    assert state["parent"] == states.named(root, stack, "g")["urn"]
    assert state["provider"].startswith(states.named(root, stack, "cloud")["urn"])


def test_a_resource_to_be_read_that_is_not_there_is_an_error(engine: Engine, stack: StackRef) -> None:
    with pytest.raises(UpdateFailed, match="there is no fake:index:Thing with the id 'gone'"):
        engine.up(stack, lambda: Seen("s", "gone"))


def test_a_preview_does_not_read_what_has_no_id_yet(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        Thing("b", size=Seen("s", Thing("a").id).size)  # type: ignore[arg-type]

    assert engine.preview(stack, program).changes == {"create": 3, "read": 1}
    assert world.names("read") == []


def test_existence_is_checked_without_a_trace_in_the_state(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.resources["there"] = {"size": 3}

    def program() -> None:
        for id_ in ("there", "gone"):
            pulumi.export(id_, exists_resource(None, "fake:index:Thing", id_, {}, Options()))

    assert engine.up(stack, program).outputs == {"there": True, "gone": False}
    assert states.names(root, stack) == ["proj-dev", "default"]


def test_existence_is_unknown_where_the_id_is(engine: Engine, stack: StackRef, world: World) -> None:
    seen: list[bool] = []

    def program() -> None:
        thing = Thing("a")
        exists_resource(None, "fake:index:Thing", thing.id, {}, Options()).apply(seen.append)

    engine.preview(stack, program)
    assert seen == []
    engine.up(stack, program)
    assert seen == [True]
