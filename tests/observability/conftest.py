"""An environment's scope, what the running service and a running function expose, and promtool."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from automation.drift.checker import OUTCOMES
from automation.errors import DependencyUnavailable, DeployFailed, InvalidEvent, Saturated
from automation.event_parser import FAILURE_REASONS, SERVED
from automation.events import Reply
from automation.outbox.outbox import Numbers
from automation.runner import utc_now
from components.manifests.observability.scope import Scope
from service.app import AppSettings, create_app
from service.drift_metrics import DriftMetrics
from service.gate_metrics import GateMetrics
from service.outbox_metrics import OutboxMetrics
from service.rate_limits import Rate
from tests.observability.exposed import Series, series
from tests.runtime_python.wrapper_process import Function
from tests.service.conftest import Recorder

SCOPE = Scope(
    environment="dev",
    namespace="knative-lambda-dev",
    rabbitmq_namespace="rabbitmq-dev",
    rabbitmq_cluster="rabbitmq-cluster-dev",
    builds=5,
)


RunPromtool = Callable[[list[dict[str, Any]], dict[str, Any]], str]
"""From rules and a unit test to promtool's complaints; `interval` is how often rules are evaluated."""


@pytest.fixture(scope="session")
def promtool() -> str:
    """Where promtool is; without it the test is skipped."""
    found = shutil.which("promtool")
    if not found:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return found


@pytest.fixture
def run_promtool(promtool: str, tmp_path: Path) -> RunPromtool:
    """Run one of promtool's unit tests over rules; return what it has against it."""

    def run(rules: list[dict[str, Any]], test: dict[str, Any]) -> str:
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
        whole = {"rule_files": ["rules.yaml"], "evaluation_interval": test["interval"], "tests": [test]}
        (tmp_path / "test.yaml").write_text(yaml.safe_dump(whole))
        done = subprocess.run(
            [promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def service_series() -> Series:
    """What the service exposes after events of all kinds, good and bad."""
    return asyncio.run(_served())


async def _served() -> Series:
    automation = Recorder()
    settings = AppSettings(
        source="test",
        max_body_bytes=4096,
        body_timeout_seconds=5,
        request_timeout_seconds=5,
        shutdown_grace_seconds=5,
        api_tokens_file=None,
        build_rate=Rate(0, 1),
        third_party_build_rate=Rate(0, 1),
        read_rate=Rate(0, 1),
    )
    app = create_app(automation, settings)
    app.state.metrics.registry.register(OutboxMetrics(lambda: Numbers({}, 0, None), utc_now))
    app.state.metrics.registry.register(
        GateMetrics(lambda: dict.fromkeys(("parked", "approved", "expired"), 0))
    )
    app.state.metrics.registry.register(DriftMetrics(lambda: dict.fromkeys(OUTCOMES, 0)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        for event_type in SERVED:
            await _post(client, event_type)
        for reason in (*FAILURE_REASONS, "sunspots"):
            await _post(client, "network.notifi.lambda.build.failed", status="failed", reason=reason)
        await _post(client, "made.up")
        errors = Saturated("x"), DeployFailed("x"), DependencyUnavailable("x"), InvalidEvent("x")
        for automation.reply in (*errors, Reply(status="skipped", message="seen")):
            await _post(client, "network.notifi.lambda.build.start")
        await client.get("/ready")
        return series((await client.get("/metrics")).text)


async def _post(client: httpx.AsyncClient, event_type: str, **data: str) -> None:
    done = {"status": "success", "image_uri": "registry.test/i:1", "duration_ms": 1000}
    body = {"third_party_id": "a", "parser_id": "b", "name": "lambda-a-b", **done, **data}
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "network.notifi.a",
        "ce-type": event_type,
        "content-type": "application/json",
    }
    await client.post("/", headers=headers, content=json.dumps(body))


@pytest.fixture(scope="session")
def function_series(tmp_path_factory: pytest.TempPathFactory) -> Series:
    """What a function exposes after a call that went well and one that did not."""
    parser = "def handler(event):\n    return 1 / event.data['by']\n"
    function = Function(tmp_path_factory.mktemp("function"), {"parser.py": parser}).started()
    try:
        for number in (1, 0):
            function.send({"by": number})
        return series(function.request("GET", "/metrics").body.decode())
    finally:
        function.close()
