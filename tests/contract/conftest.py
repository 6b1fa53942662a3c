"""What the contract's tests start from: an engine, a world, a stack.

Every test that asks for `engine` is run once for each engine. Pulumi's own is there where `pulumi` is on the
PATH; elsewhere its half of the suite is skipped.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automation.adapters.automation_api import cli
from automation.adapters.automation_api.workers import Workers
from components.engines import AUTOMATION_API, EMBEDDED
from engine import StackRef
from engine.protocol import StackEngine
from tests.contract.engines import PASSPHRASE, make_engine
from tests.contract.plugin import WORLD
from tests.contract.provider import PACKAGE
from tests.contract.world import World

ROOT = Path(__file__).parents[2]

needs_cli = pytest.mark.skipif(
    shutil.which("pulumi") is None, reason="needs Pulumi's CLI: there is no `pulumi` on the PATH"
)


@pytest.fixture(params=[EMBEDDED, pytest.param(AUTOMATION_API, marks=needs_cli)])
def kind(request: pytest.FixtureRequest) -> str:
    """Which engine a test is about."""
    return request.param


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "world"
    monkeypatch.setenv(WORLD, str(root))
    return World(root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The backend's folder."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def stack() -> StackRef:
    return StackRef("proj", "dev")


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the provider as a program that the CLI finds."""
    folder = tmp_path_factory.mktemp("plugin")
    script = folder / f"pulumi-resource-{PACKAGE}"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.contract.plugin "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers | None]:
    """Worker processes for all tests: starting one takes longer than an update."""
    if shutil.which("pulumi") is None:
        yield None
        return
    made = Workers(cli.find())
    yield made
    made.close()


@pytest.fixture
def plugin_path(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is on the PATH, and the CLI is to load no other."""
    monkeypatch.setenv("PATH", f"{plugin}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")


@pytest.fixture
def make(
    world: World, root: Path, plugin_path: None, workers: Workers | None
) -> Iterator[Callable[..., StackEngine]]:
    """Makes an engine of a kind on the test's backend."""
    made: list[StackEngine] = []

    def make_one(kind: str, passphrase: str = PASSPHRASE) -> StackEngine:
        made.append(make_engine(kind, f"file://{root}", world, passphrase, workers))
        return made[-1]

    yield make_one
    for engine in made:
        close = getattr(engine, "close", lambda: None)
        close()


@pytest.fixture
def engine(kind: str, make: Callable[..., StackEngine]) -> StackEngine:
    return make(kind)
