"""Secrets: where they come from, where they go, and that no file or event shows them."""

import json
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest
from pulumi import ResourceOptions

from engine import IncorrectPassphrase, StackRef, UpdateFailed
from engine.protocol import StackEngine
from engine.values import Secret
from tests.contract.engines import state
from tests.contract.resources import Thing
from tests.contract.world import World

SECRET = "s3cr3t-and-unmistakable"
CIPHERTEXT = "ciphertext"


def everything_in(root: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in root.rglob("*") if path.is_file())


def program():
    given = pulumi.Config().require_secret("token")
    a = Thing("a", token=given, nested={"deep": [given]}, plain="open")
    b = Thing("b", of=a.name, opts=ResourceOptions(additional_secret_outputs=["made"]), made="later")
    pulumi.export("token", given)
    pulumi.export("derived", given.apply(lambda text: text.upper()))
    pulumi.export("nested", {"inner": given, "open": 1})
    pulumi.export("made", b.name)


def test_secrets_reach_providers_but_no_file_and_no_event(
    engine: StackEngine, world: World, stack: StackRef, root: Path
):
    events: list[dict] = []
    result = engine.up(stack, program, secret_config={"proj:token": SECRET}, on_event=events.append)

    assert world.calls("create")[0]["inputs"]["token"] == SECRET
    assert result.outputs["token"] == SECRET
    assert result.outputs["derived"] == SECRET.upper()
    assert result.outputs["nested"] == {"inner": SECRET, "open": 1}
    assert result.secret_names == {"token", "derived", "nested"}
    assert SECRET not in everything_in(root)
    assert SECRET.upper() not in everything_in(root)
    assert SECRET not in json.dumps(events)


def test_a_secret_input_makes_the_output_of_its_name_secret(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, program, secret_config={"proj:token": SECRET})

    record = next(item for item in engine.resources(stack) if item.urn.endswith("::a"))
    assert record.inputs["token"] == record.outputs["token"] == Secret(SECRET)
    assert CIPHERTEXT in state(engine, stack, "a")["outputs"]["token"]
    assert record.inputs["plain"] == record.outputs["plain"] == "open"


def test_outputs_can_be_declared_secret(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, program, secret_config={"proj:token": SECRET})

    assert CIPHERTEXT in state(engine, stack, "b")["outputs"]["made"]
    assert state(engine, stack, "b")["additionalSecretOutputs"] == ["made"]


def test_an_unchanged_secret_changes_nothing(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, program, secret_config={"proj:token": SECRET})

    assert engine.up(stack, program, secret_config={"proj:token": SECRET}).changes == {"same": 3}
    changed = engine.up(stack, program, secret_config={"proj:token": "another"})
    assert changed.changes == {"same": 2, "update": 1}


def test_history_keeps_the_configuration_with_its_secrets_encrypted(
    engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, program, config={"proj:size": "3"}, secret_config={"proj:token": SECRET}, message="why")

    entry = engine.history(stack)[0]
    assert entry["config"]["proj:size"] == "3"
    assert set(entry["config"]["proj:token"]) == {"secure"}
    assert (entry["kind"], entry["result"], entry["message"]) == ("update", "succeeded", "why")
    assert entry["resourceChanges"] == {"create": 3}


def test_the_wrong_passphrase_opens_nothing_and_changes_nothing(
    kind: str, make: Callable[..., StackEngine], engine: StackEngine, world: World, stack: StackRef
):
    engine.up(stack, program, secret_config={"proj:token": SECRET})
    before = engine.export(stack)
    stranger = make(kind, passphrase="wrong")

    with pytest.raises(IncorrectPassphrase):
        stranger.up(stack, program, secret_config={"proj:token": SECRET})
    with pytest.raises(IncorrectPassphrase):
        stranger.outputs(stack)

    assert engine.export(stack) == before


def test_configuration_reaches_program_and_default_provider(
    engine: StackEngine, world: World, stack: StackRef
):
    def asking():
        config = pulumi.Config()
        answer = pulumi.runtime.invoke("testbed:index:sum", {"numbers": [2, 3]})
        pulumi.export("size", config.require_int("size"))
        pulumi.export("shape", config.require_object("shape"))
        pulumi.export("answer", answer.value)

    result = engine.up(
        stack, asking, config={"proj:size": "3", "proj:shape": '{"round": true}', "testbed:region": "north"}
    )

    assert result.outputs == {"size": 3, "shape": {"round": True}, "answer": {"sum": 5, "region": "north"}}


def test_missing_configuration_is_told_by_its_name(engine: StackEngine, world: World, stack: StackRef):
    with pytest.raises(UpdateFailed) as caught:
        engine.up(stack, program)

    assert any("proj:token" in text for text in caught.value.diagnostics)
    assert world.names == []
