"""Checkpoints that Pulumi itself wrote: loaded, decrypted, written again with the same meaning."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine import CheckpointRefused, Engine, FileBackend, IncorrectPassphrase, StackRef, checkpoint
from engine.codec import Codec
from engine.crypto import Secrets
from engine.state import Snapshot
from engine.values import Secret
from tests.engine import states

GOLDEN = Path(__file__).parents[1] / "golden" / "states"
FILES = sorted(path.stem for path in GOLDEN.glob("*.json"))
STACK = StackRef("golden", "dev")


def load(name: str, passphrase: str = "golden") -> tuple[Codec, Snapshot, dict[str, Any]]:
    """Return the codec, the decoded snapshot, and the file's JSON."""
    data = (GOLDEN / f"{name}.json").read_bytes()
    document = checkpoint.parse(data)
    codec = Codec(Secrets(passphrase, document.salt, lambda: pytest.fail("a new salt was asked for")))
    return codec, codec.decode(document), json.loads(data)


def install(root: Path, name: str) -> Engine:
    """Put a golden checkpoint into a backend and return an engine for it."""
    target = states.checkpoint_file(root, STACK)
    target.parent.mkdir(parents=True)
    target.write_bytes((GOLDEN / f"{name}.json").read_bytes())
    (root / ".pulumi/meta.yaml").write_text("version: 1\n")
    return Engine(FileBackend(root), {}, passphrase="golden")


@pytest.mark.parametrize("name", FILES)
def test_a_rewritten_checkpoint_differs_in_its_manifest_only(name: str) -> None:
    codec, snapshot, original = load(name)

    written = json.loads(codec.encode("organization/golden/dev", snapshot))

    for document in (original, written):
        document["checkpoint"]["latest"].pop("manifest")
    assert written == original


@pytest.mark.parametrize("name", ["created", "killed"])
def test_secrets_are_decrypted(name: str) -> None:
    _, snapshot, _ = load(name)

    [stack] = [state for state in snapshot.resources if state.type == "pulumi:pulumi:Stack"]
    assert isinstance(stack.outputs["password"], Secret)
    assert stack.outputs["password"].value == {"password": "aHVudGVyMg=="}
    [marked] = [state for state in snapshot.resources if state.urn.endswith("::secret-marked")]
    assert marked.inputs["data"] == Secret({"k": "dG9w"})


def test_outputs_of_a_stack_that_pulumi_made_can_be_read(tmp_path: Path) -> None:
    found = install(tmp_path, "created").outputs(STACK)

    assert found.values["configmap"] == "cm"
    assert found.secret_names == {"password"}


def test_pending_operations_of_a_killed_run_are_understood() -> None:
    _, snapshot, original = load("killed")

    raw = original["checkpoint"]["latest"]["pending_operations"]
    assert [(op.resource.urn, op.kind) for op in snapshot.pending] == [
        (item["resource"]["urn"], item["type"]) for item in raw
    ]


def test_unfinished_initialisation_is_understood() -> None:
    _, snapshot, _ = load("not-ready")

    [unready] = [state for state in snapshot.resources if state.init_errors]
    assert unready.urn.endswith("::deployment")


def test_a_destroyed_stack_counts_as_absent_and_is_removed(tmp_path: Path) -> None:
    engine = install(tmp_path, "destroyed")

    assert engine.outputs(STACK).version == ""
    engine.remove(STACK)
    assert engine.stacks("golden") == []


def test_the_wrong_passphrase_is_told_from_a_damaged_state() -> None:
    with pytest.raises(IncorrectPassphrase):
        load("created", "silver")


def test_an_exported_state_can_be_imported_again(tmp_path: Path) -> None:
    engine = install(tmp_path, "killed")
    exported = engine.export(STACK)

    engine.import_deployment(STACK, exported)

    again = engine.export(STACK)
    assert again["deployment"]["resources"] == exported["deployment"]["resources"]
    assert "pending_operations" not in again["deployment"]


def test_a_deployment_of_another_stack_is_not_imported(tmp_path: Path) -> None:
    engine = install(tmp_path, "created")
    exported = engine.export(STACK)

    with pytest.raises(CheckpointRefused, match="belongs to golden/dev, not to golden/prd"):
        engine.import_deployment(StackRef("golden", "prd"), exported)

    assert engine.stacks("golden") == ["dev"]
