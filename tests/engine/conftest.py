"""What the engine's tests start from: a folder as backend, an engine with the package `fake`, one stack."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine import Engine, FileBackend, StackRef
from tests.engine.fake import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def stack() -> StackRef:
    return StackRef("proj", "dev")


@pytest.fixture
def make_engine(world: World, root: Path) -> Callable[..., Engine]:
    def make(passphrase: str = "", parallel: int = 8, backend: object | None = None) -> Engine:
        return Engine(
            backend or FileBackend(root), {"fake": world.provider}, passphrase=passphrase, parallel=parallel
        )

    return make


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    return make_engine()
