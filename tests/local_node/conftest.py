"""The worlds of these tests: real stores, a real node, real processes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.node import JobController
from tests.local_node.world import FAST, World, running_node


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A running node; at the end it must leave nothing behind."""
    monkeypatch.setenv("PLATFORM_SECRET", "must not be seen")
    async with running_node(tmp_path, FAST) as world:
        yield world


@pytest.fixture
async def jobs(world: World) -> AsyncIterator[JobController]:
    """A Job controller beside the node."""
    controller = JobController(world.store, backoff_seconds=(0.05, 0.2))
    await controller.start()
    yield controller
    await controller.stop()
