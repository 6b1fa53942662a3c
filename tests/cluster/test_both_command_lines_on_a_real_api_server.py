"""The platform program by Pulumi's CLI and by ours: one project, one state, the same objects.

Each takes over what the other deployed and finds nothing to do; a change is foretold alike by both.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.server import Server

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "components" / "golden" / "dev.txt"
NAMESPACE = "/api/v1/namespaces/knative-lambda-dev"
PLUGINS = ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes")

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in PLUGINS),
        reason=f"needs Pulumi's CLI and its plugins on the PATH: {', '.join(PLUGINS)}",
    ),
]

CLI = ("pulumi", "--non-interactive", "--color", "never")
OURS = (sys.executable, "-m", "engine", "--non-interactive", "--color", "never")


@dataclass(frozen=True)
class Checkout:
    """A copy of the project, and commands run in it as a person would."""

    folder: Path
    env: dict[str, str]

    def run(self, program: tuple[str, ...], *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, *argv], cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )

    def ok(self, program: tuple[str, ...], *argv: str) -> str:
        ended = self.run(program, *argv)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture
def checkout(
    tmp_path: Path, real_kubeconfig: str, every_definition: None, server: Server
) -> Iterator[Checkout]:
    """A project with an empty stack `dev` and a secret in its file; destroyed afterwards."""
    if server.exists(NAMESPACE):
        pytest.skip("somebody else's environment `dev` is on this cluster")
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(ROOT / name, folder)
    for name in ("stacks", "components"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(sys.prefix)
    (tmp_path / "state").mkdir()
    made = Checkout(folder, environment(tmp_path, real_kubeconfig))
    made.ok(CLI, "stack", "init", "dev")
    for key, value in ELSEWHERE.items():
        made.ok(CLI, "config", "set", "-s", "dev", key, value)
    made.ok(CLI, "config", "set", "-s", "dev", "--secret", "storageSecretAccessKey", "very-secret")
    try:
        yield made
    finally:
        made.ok(OURS, "destroy", "-s", "dev", "--yes", "--skip-preview", "--refresh")
    assert not server.exists(NAMESPACE)


def environment(folder: Path, kubeconfig: str) -> dict[str, str]:
    """Variables of a shell of its own: this Python, this engine, a state in a folder."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "PYTEST_"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": kubeconfig,
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": f"file://{folder}/state",
        "PULUMI_CONFIG_PASSPHRASE": "pw",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def identities(exported: str) -> list[str]:
    """The stack's resources as the golden lists have them."""
    rows = []
    for resource in json.loads(exported)["deployment"]["resources"]:
        if resource["type"].startswith("pulumi:"):
            continue
        parent = resource["parent"].rpartition("::")[2].replace("knative-lambda-dev", "knative-lambda-test")
        rows.append((resource["urn"].rpartition("::")[2], resource["type"], parent))
    return [f"{name}  {kind}  in {parent}" for name, kind, parent in sorted(rows)]


def golden() -> list[str]:
    """The golden list without what is in AWS, which this environment has elsewhere."""
    parts = ("aws:", "knative-lambda:components:Bucket", "knative-lambda:components:Repository")
    rows = GOLDEN.read_text().splitlines()
    return [row for row in rows if not row.split()[1].startswith(parts)]


STORAGE = "platform-access-storage  kubernetes:core/v1:Secret  in platform-access"


ELSEWHERE = {
    "storageAccessKeyId": "key",
    "storageEndpoint": "http://minio.storage.svc:9000",
    "registryAddress": "registry.test",
    "allowedRegistries": "registry.test,gcr.io/kaniko-project,gcr.io/knative-releases",
    "tlsAuthorityNamespace": "default",
}


@pytest.mark.parametrize(
    ("first", "second"),
    [pytest.param(CLI, OURS, id="cli-then-ours"), pytest.param(OURS, CLI, id="ours-then-cli")],
)
def test_what_one_command_line_deployed_is_the_same_to_the_other(
    checkout: Checkout, server: Server, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    checkout.ok(first, "up", "-s", "dev", "--yes", "--skip-preview")

    exported = checkout.ok(second, "stack", "export", "-s", "dev")
    checkout.ok(second, "preview", "-s", "dev", "--expect-no-changes")
    changed = checkout.run(second, "preview", "-s", "dev", "--expect-no-changes", "-c", "quotaPods=33")
    taken_over = checkout.ok(second, "up", "-s", "dev", "--yes", "--skip-preview")
    back = checkout.ok(first, "preview", "-s", "dev", "--expect-no-changes")

    expected = sorted([*golden(), STORAGE])
    assert identities(exported) == expected
    assert "very-secret" not in exported
    assert changed.returncode != 0
    assert "1 to update" in changed.stdout
    assert "1 updated" in taken_over
    assert f"{len(expected) + 1} unchanged" in back
    assert checkout.ok(first, "config", "get", "-s", "dev", "quotaPods").strip() == "33"
    assert [path.name for path in checkout.folder.glob("Pulumi*")] == ["Pulumi.yaml"]
    checkout.ok(second, "destroy", "-s", "dev", "--yes", "--skip-preview")
    assert not server.exists(NAMESPACE)
