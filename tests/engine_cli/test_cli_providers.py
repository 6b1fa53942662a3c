"""The providers of a run are imported when a program needs them, and named when they are not there."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine import Unsupported
from engine.cli import registry


def test_nothing_is_imported_before_a_program_needs_it() -> None:
    text = (
        "import sys; from engine.cli import main, registry; registry.factories(); "
        "print([m for m in sys.modules if m.startswith(('engine.kubernetes', 'engine.aws', 'boto'))])"
    )

    ended = subprocess.run(
        [sys.executable, "-c", text],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout == "[]\n"


def test_every_known_provider_can_be_made() -> None:
    for package, factory in registry.factories().items():
        provider = factory()

        assert hasattr(provider, "check_config"), package
        assert isinstance(factory, registry.LazyFactory)
        factory.close()


def test_a_provider_that_is_not_installed_is_refused_by_name() -> None:
    factory = registry.LazyFactory("random", "engine.nowhere:RandomProviders")

    with pytest.raises(Unsupported, match="provider for package 'random' is not installed"):
        factory()
    factory.close()
