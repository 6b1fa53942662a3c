"""Reading checkpoints in tests, as files: independent of the engine's own reader."""

import json
from pathlib import Path
from typing import Any

from engine import StackRef


def checkpoint_file(root: Path, stack: StackRef) -> Path:
    """Return where the stack's checkpoint is."""
    return root / ".pulumi" / "stacks" / stack.project / f"{stack.name}.json"


def latest(root: Path, stack: StackRef) -> dict[str, Any]:
    """Return the deployment in the checkpoint file."""
    return json.loads(checkpoint_file(root, stack).read_text())["checkpoint"]["latest"]


def resources(root: Path, stack: StackRef) -> list[dict[str, Any]]:
    """Return the recorded resources in file order."""
    return latest(root, stack).get("resources", [])


def named(root: Path, stack: StackRef, name: str) -> dict[str, Any]:
    """Return the one live resource of a name."""
    [found] = [
        item
        for item in resources(root, stack)
        if item["urn"].endswith(f"::{name}") and not item.get("delete")
    ]
    return found


def names(root: Path, stack: StackRef) -> list[str]:
    """Return the names of all recorded resources in file order."""
    return [item["urn"].rsplit("::", 1)[-1] for item in resources(root, stack)]


def assert_sound(root: Path, stack: StackRef) -> None:
    """Check the invariants that Pulumi checks, written anew here.

    Order of references, one live entry per URN.
    """
    assert_in_order(resources(root, stack))


def assert_in_order(recorded: list[dict[str, Any]]) -> None:
    """Check these invariants of recorded resources in file order."""
    seen: set[str] = set()
    alive: set[str] = set()
    ids: set[str] = set()
    for item in recorded:
        needed = {item.get("parent"), item.get("deletedWith"), *item.get("dependencies", [])}
        for urns in item.get("propertyDependencies", {}).values():
            needed.update(urns)
        missing = {urn for urn in needed if urn} - seen
        assert not missing, f"{item['urn']} needs {missing}"
        if item.get("provider") and not item.get("pendingReplacement"):
            assert item["provider"] in ids, item["urn"]
        if not item.get("delete"):
            assert item["urn"] not in alive
            alive.add(item["urn"])
        if item["type"].startswith("pulumi:providers:"):
            ids.add(f"{item['urn']}::{item['id']}")
        seen.add(item["urn"])
