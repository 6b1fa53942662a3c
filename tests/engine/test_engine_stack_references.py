"""The package `pulumi`: references to other stacks, stashes, and functions that look into states."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Engine, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import Group, Thing, World

BASE = StackRef("infra", "prod")


def exporting(**outputs: Any) -> Callable[[], None]:
    def program() -> None:
        for name, value in outputs.items():
            pulumi.export(name, pulumi.Output.secret(value[1]) if isinstance(value, tuple) else value)

    return program


def reading(name: str = "organization/infra/prod") -> Callable[[], None]:
    """A program that exports what it finds in the other stack."""

    async def program() -> None:
        other = pulumi.StackReference("other", name)
        pulumi.export("region", other.require_output("region"))
        pulumi.export("password", other.get_output("password"))
        pulumi.export("missing", other.get_output("missing"))
        details = await other.get_output_details("password")
        pulumi.export("shown", details.value)

    return program  # type: ignore[return-value]


def test_another_stack_s_outputs_are_read(engine: Engine, stack: StackRef) -> None:
    engine.up(BASE, exporting(region="north", password=("secret", "pa55")))

    result = engine.up(stack, reading())

    assert result.outputs == {"region": "north", "password": "pa55"}
    assert result.secret_names == {"password"}
    assert result.changes == {"create": 1, "read": 1}


def test_a_reference_is_recorded_as_pulumi_does(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(BASE, exporting(region="north", password=("secret", "pa55")))
    engine.up(stack, reading())

    state = states.named(root, stack, "other")
    assert state["type"] == "pulumi:pulumi:StackReference"
    assert state["id"] == "organization/infra/prod"
    assert state["external"] is True
    assert state["inputs"] == {"name": "organization/infra/prod"}
    assert state["outputs"]["name"] == "organization/infra/prod"
    assert state["outputs"]["outputs"]["region"] == "north"
    assert state["outputs"]["secretOutputNames"] == ["password"]
    assert state["provider"].startswith("urn:pulumi:dev::proj::pulumi:providers:pulumi::default::")
    states.assert_sound(root, stack)


def test_secrets_of_another_stack_are_encrypted_with_the_reader_s_salt(
    make_engine: Callable[..., Engine], stack: StackRef, root: Path
) -> None:
    make_engine().up(BASE, exporting(password=("secret", "pa55")))
    make_engine().up(stack, exporting(own=("secret", "x")))  # has a salt of its own now

    def program() -> None:
        pulumi.export("password", pulumi.StackReference("other", BASE.full_name).outputs["password"])

    make_engine().up(stack, program)

    def salt(ref: StackRef) -> str:
        return str(states.latest(root, ref)["secrets_providers"]["state"]["salt"])

    assert salt(stack) != salt(BASE)
    assert "pa55" not in states.checkpoint_file(root, stack).read_text()
    assert make_engine().outputs(stack).values == {"password": "pa55"}


def test_an_unchanged_reference_writes_nothing(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(BASE, exporting(region="north", password=("secret", "pa55")))
    engine.up(stack, reading())
    before = states.checkpoint_file(root, stack).read_bytes()

    assert engine.up(stack, reading()).changes == {"same": 1}
    assert states.named(root, stack, "other") in json.loads(before)["checkpoint"]["latest"]["resources"]


def test_changed_outputs_are_seen_in_the_next_run(engine: Engine, stack: StackRef) -> None:
    engine.up(BASE, exporting(region="north"))
    engine.up(stack, reading())
    engine.up(BASE, exporting(region="south"))

    result = engine.up(stack, reading())

    assert result.outputs["region"] == "south"
    assert result.changes == {"same": 1, "read": 1}


@pytest.mark.parametrize("name", ["base", "organization/base", "organization/proj/base"])
def test_a_stack_of_the_same_project_may_be_named_in_short(
    engine: Engine, stack: StackRef, name: str
) -> None:
    engine.up(StackRef("proj", "base"), exporting(region="north"))

    assert engine.up(stack, reading(name)).outputs["region"] == "north"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("organization/infra/gone", "no stack named 'gone' found in project 'infra'"),
        ("acme/infra/prod", "the organization is 'organization'"),
        ("a/b/c/d", "names no stack"),
    ],
)
def test_a_stack_that_cannot_be_found_is_named(engine: Engine, stack: StackRef, name: str, text: str) -> None:
    with pytest.raises(UpdateFailed, match=text):
        engine.up(stack, lambda: pulumi.StackReference("other", name))


def test_a_preview_reads_references_too(engine: Engine, stack: StackRef) -> None:
    engine.up(BASE, exporting(region="north"))

    assert engine.preview(stack, reading()).changes == {"create": 1, "read": 1}


def test_a_preview_does_not_read_a_stack_whose_name_is_not_known(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        other = pulumi.StackReference("other", Thing("a").answer)  # type: ignore[arg-type]
        Thing("b", region=other.get_output("region"))

    assert engine.preview(stack, program).changes["create"] == 3


def test_a_reference_is_not_deleted_but_forgotten(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(BASE, exporting(region="north"))
    engine.up(stack, reading())

    engine.destroy(stack)

    assert states.resources(root, stack) == []
    assert engine.outputs(BASE).values == {"region": "north"}


def test_a_stash_keeps_its_first_value(engine: Engine, stack: StackRef, root: Path) -> None:
    def program(value: str) -> Callable[[], None]:
        def run() -> None:
            stash = pulumi.Stash("kept", input=pulumi.Output.secret(value))
            pulumi.export("kept", stash.output)
            pulumi.export("given", stash.input)

        return run

    assert engine.up(stack, program("one")).outputs == {"kept": "one", "given": "one"}
    result = engine.up(stack, program("two"))
    assert result.outputs == {"kept": "one", "given": "two"}
    assert result.changes == {"same": 1, "update": 1}
    assert engine.up(stack, program("two")).changes == {"same": 2}
    assert engine.refresh(stack).changes == {"same": 2}
    assert engine.outputs(stack).secret_names == {"kept", "given"}


def test_a_stash_without_a_value_is_refused(engine: Engine, stack: StackRef) -> None:
    with pytest.raises(UpdateFailed, match="missing required property 'input'"):
        engine.up(stack, lambda: pulumi.Stash("kept"))


def test_a_resource_of_the_run_is_found_by_its_urn(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        thing = Thing("a", computed=True)
        found = pulumi.runtime.invoke_output("pulumi:pulumi:getResource", {"urn": thing.urn})
        pulumi.export("id", found.apply(lambda it: it["id"]))
        pulumi.export("answer", found.apply(lambda it: it["state"]["answer"]))

    assert engine.up(stack, program).outputs == {"id": "a-1", "answer": "42"}


def test_a_resource_object_can_be_made_of_a_urn(engine: Engine, stack: StackRef) -> None:
    class Seen(pulumi.CustomResource):
        answer: pulumi.Output[str]

        def __init__(self, urn: str) -> None:
            super().__init__("fake:index:Thing", "a", {"answer": None}, pulumi.ResourceOptions(urn=urn))

    async def program() -> None:
        urn = await Thing("a", computed=True).urn.future()
        pulumi.export("answer", Seen(str(urn)).answer)

    assert engine.up(stack, program).outputs == {"answer": "42"}


def test_a_urn_that_is_not_registered_is_an_error_of_the_function(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        pulumi.runtime.invoke("pulumi:pulumi:getResource", {"urn": "urn:pulumi:dev::proj::x:y:Z::gone"})

    with pytest.raises(UpdateFailed, match="unknown resource urn:pulumi:dev::proj::x:y:Z::gone"):
        engine.up(stack, program)


def test_functions_read_other_stacks(engine: Engine, stack: StackRef, world: World) -> None:
    engine.up(BASE, lambda: Group("g", outputs={"size": 1}) and pulumi.export("region", "north"))

    def program() -> None:
        outputs = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": BASE.full_name})
        resources = pulumi.runtime.invoke(
            "pulumi:pulumi:readStackResourceOutputs", {"stackName": BASE.full_name}
        )
        pulumi.export("outputs", outputs.value["outputs"])
        pulumi.export("group", resources.value["outputs"]["urn:pulumi:prod::infra::fake:index:Group::g"])

    assert engine.up(stack, program).outputs == {
        "outputs": {"region": "north"},
        "group": {"type": "fake:index:Group", "outputs": {"size": 1}},
    }
