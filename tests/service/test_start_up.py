import gc
from types import SimpleNamespace

import pytest

from service import __main__ as start
from service import programs

REQUIRED = {
    "ENVIRONMENT": "dev",
    "ECR_REGISTRY": "registry.test",
    "KANIKO_IMAGE": "registry.test/kaniko:1",
    "MONITOR_IMAGE": "registry.test/monitor:1",
    "PULUMI_BACKEND_URL": "file:///state",
}


@pytest.fixture
def collector():
    """Leaves the garbage collector as it was."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class Served(Exception):
    """The server was reached."""


@pytest.fixture
def environ(monkeypatch):
    class Server:
        def __init__(self, *_):
            raise Served

    monkeypatch.setattr(programs.os, "environ", dict(REQUIRED))
    monkeypatch.setattr(start.logs, "configure", lambda level: None)
    monkeypatch.setattr(start, "Server", Server)
    return programs.os.environ


def test_requests_are_not_held_up_by_collecting_what_start_up_made(environ, collector, monkeypatch):
    monkeypatch.setattr(start, "create", lambda settings, tracer: SimpleNamespace(outbox=None))
    monkeypatch.setattr(start, "create_app", lambda automation, settings, tracer: None)
    gc.unfreeze()

    with pytest.raises(Served):
        start.main()

    assert gc.get_freeze_count() > 10_000


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        pytest.param("PULUMI_ENGINE", "automation-api", "no `pulumi` on the PATH", id="engine"),
        pytest.param("PULUMI_BACKEND_URL", "s3://bucket?regoin=eu", "'regoin'", id="state backend"),
        pytest.param("ENVIRONMENT", "moon", "moon", id="environment"),
    ],
)
def test_what_cannot_be_started_with_ends_with_a_text_and_status_2(environ, capsys, variable, value, text):
    environ[variable] = value
    environ["PATH"] = ""

    assert start.main() == 2
    assert text in capsys.readouterr().err
