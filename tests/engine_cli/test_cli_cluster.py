"""A sample project on a real API server: created, changed, previewed with reasons, and destroyed."""

import json
import uuid
from pathlib import Path

import pytest

from engine.cli import main

PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
space = k8s.core.v1.Namespace("space", metadata={"name": config.require("namespace")})
settings = k8s.core.v1.ConfigMap(
    "settings",
    metadata={"namespace": space.metadata.name, "name": "settings-" + config.require("color")},
    data={"size": config.require("size")},
)
k8s.core.v1.Secret(
    "token",
    metadata={"namespace": space.metadata.name},
    string_data={"token": config.require_secret("token")},
)
pulumi.export("settings", settings.metadata.name)
"""

pytestmark = pytest.mark.cluster


def test_a_sample_project_lives_and_dies_on_a_real_api_server(
    tmp_path: Path, real_kubeconfig: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", real_kubeconfig)
    (tmp_path / "Pulumi.yaml").write_text(
        f"name: sample\nruntime: python\nbackend: {{url: 'file://{tmp_path}/state'}}\n"
        f"config: {{namespace: cli-{uuid.uuid4().hex[:10]}, size: '1', color: red}}\n"
    )
    (tmp_path / "__main__.py").write_text(PROGRAM)
    env = {"PULUMI_HOME": str(tmp_path / "home"), "PULUMI_CONFIG_PASSPHRASE": "pw"}

    def ok(*argv: str) -> str:
        code = main([*argv, "-C", str(tmp_path)], env=env)
        out, err = capsys.readouterr()
        assert code == 0, out + err
        return out

    ok("stack", "init", "dev")
    ok("config", "set", "--secret", "token", "s3cr3t")
    try:
        created = ok("up", "--yes")
        preview = ok("preview", "--diff", "-c", "size=2", "-c", "color=blue")
        changed = ok("up", "--yes", "--skip-preview")
        assert ok("preview", "--expect-no-changes")
        outputs = json.loads(ok("outputs", "--json"))
    finally:
        destroyed = ok("destroy", "--yes", "--remove")

    assert "    + 4 created\n" in created
    assert "[replaced because data.size, metadata.name cannot be changed in place]" in preview
    assert '~ metadata.name: "settings-red" => "settings-blue"  (replaces)' in preview
    assert "    +- 1 replaced\n" in changed
    assert outputs == {"settings": "settings-blue"}
    assert "    - 4 deleted\n" in destroyed
    assert "s3cr3t" not in created + preview + changed
