"""The engines that the contract holds for, and what tests ask of their states."""

from typing import Any

from automation.adapters.automation_api import AutomationApiEngine
from automation.adapters.automation_api.workers import Workers
from components.engines import EMBEDDED
from engine import Engine, StackRef, open_backend
from engine.protocol import StackEngine
from tests.contract.provider import PACKAGE, TestbedProvider
from tests.contract.world import World

PASSPHRASE = "correct horse"


def make_engine(
    kind: str, backend: str, world: World, passphrase: str = PASSPHRASE, workers: Workers | None = None
) -> StackEngine:
    """Return an engine of a kind, on a backend given by its address, for the cloud of a test."""
    if kind == EMBEDDED:
        providers = {PACKAGE: lambda: TestbedProvider(world)}
        return Engine(open_backend(backend), providers, passphrase=passphrase)
    return AutomationApiEngine(backend, passphrase=passphrase, workers=workers)


def states(engine: StackEngine, stack: StackRef) -> list[dict[str, Any]]:
    """Return the recorded resources as they are in the checkpoint, in its order."""
    return engine.export(stack)["deployment"].get("resources", [])


def state(engine: StackEngine, stack: StackRef, name: str) -> dict[str, Any]:
    """Return the one live resource of a name."""
    [found] = [item for item in states(engine, stack) if name_of(item) == name and not item.get("delete")]
    return found


def recorded(engine: StackEngine, stack: StackRef) -> list[str]:
    """Return the names of the recorded resources of the package `testbed`, sorted."""
    found = states(engine, stack)
    return sorted(name_of(item) for item in found if item["type"].startswith(f"{PACKAGE}:"))


def pending(engine: StackEngine, stack: StackRef) -> list[tuple[str, str]]:
    """Return the pending operations: (type, name)."""
    operations = engine.export(stack)["deployment"].get("pending_operations", [])
    return [(operation["type"], name_of(operation["resource"])) for operation in operations]


def name_of(item: dict[str, Any]) -> str:
    """Return a resource's name, the last part of its URN."""
    return item["urn"].rsplit("::", 1)[-1]


def urn(stack: StackRef, name: str, kind: str = f"{PACKAGE}:index:Thing") -> str:
    """Return the URN of a resource without a parent of its own."""
    return f"urn:pulumi:{stack.name}::{stack.project}::{kind}::{name}"
