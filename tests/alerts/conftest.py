"""An environment's scope, and a run of promtool."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.manifests.observability.scope import Scope

RunPromtool = Callable[[list[dict[str, Any]], dict[str, Any]], str]
"""From rules and a test to promtool's complaints."""

SCOPE = Scope(
    environment="dev",
    namespace="knative-lambda-dev",
    rabbitmq_namespace="rabbitmq-dev",
    rabbitmq_cluster="rabbitmq-cluster-dev",
    builds=5,
)


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
        (tmp_path / "test.yaml").write_text(
            yaml.safe_dump(
                {"rule_files": ["rules.yaml"], "evaluation_interval": test["interval"], "tests": [test]}
            )
        )
        done = subprocess.run(
            [promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return run
