"""Functions' stacks are kept where the settings say: in a folder or in a bucket."""

from pathlib import Path

import pytest

from automation.adapters import engines
from automation.errors import DependencyUnavailable
from automation.settings import AutomationSettings
from tests.engine import s3server


def settings(backend_url: str) -> AutomationSettings:
    return AutomationSettings(
        environment="local",
        backend_url=backend_url,
        registry="registry.local",
        executor_image="executor",
        monitor_image="monitor",
    )


def export(name: str) -> None:
    """Be a program that needs no cluster."""
    import pulumi

    pulumi.export("name", name)


@pytest.fixture(params=["folder", "bucket"])
def backend_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if request.param == "folder":
        yield f"file://{tmp_path}/state"
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with s3server.running() as address:
        yield s3server.fresh(address, "functions")


def test_stacks_are_kept_where_the_settings_say(backend_url: str) -> None:
    engine = engines.create(settings(backend_url))
    engine.check()

    first = engine.up("fn-a", lambda: export("a"), expect="", message="one")

    other = engines.create(settings(backend_url))
    assert other.outputs("fn-a") == first
    assert other.stacks() == ["fn-a"]
    assert [entry["message"] for entry in other.history("fn-a")] == ["one"]
    other.remove("fn-a", expect=first.version)
    assert engine.stacks() == []


def test_a_bucket_that_is_not_there_is_a_dependency_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with s3server.running() as address:
        engine = engines.create(settings(s3server.url(address, "nowhere")))
        with pytest.raises(DependencyUnavailable):
            engine.check()


@pytest.mark.parametrize("url", ["gs://bucket", "s3://", "s3://bucket?nonsense=1"])
def test_an_address_that_makes_no_sense_ends_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="backend_url: "):
        engines.create(settings(url))
