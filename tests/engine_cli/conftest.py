"""What the command line's tests start from: a project in a folder, a file backend, the package `fake`."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.cli import main
from tests.engine.fake import World

SALT = "v1:4qBcPOcnZrw=:v1:Au7RLoevfjuE0ACr:YoOe1PndTZ/moULbMYI81gSJOG0r5Q=="
"""A salt record that Pulumi's CLI wrote, for the passphrase `pw`: one derivation serves all tests."""

PROGRAM = """
import pulumi
from tests.engine.fake import Group, Thing

config = pulumi.Config()
group = Group("group")
first = Thing("first", size=config.get_int("size") or 1, opts=pulumi.ResourceOptions(parent=group))
second = Thing("second", forced=config.get("forced") or "a", needs=first.name)
pulumi.export("first", first.name)
pulumi.export("password", pulumi.Output.secret("hunter2"))
"""


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Shop:
    """A project on disk, and a way to run commands in it."""

    folder: Path
    env: dict[str, str]
    world: World
    capture: pytest.CaptureFixture[str]

    def run(self, *argv: str, **env: str) -> Ended:
        """Run a command in the project's folder; `env` comes on top of the project's."""
        arguments = [*argv, "--cwd", str(self.folder)]
        code = main(arguments, env={**self.env, **env}, providers={"fake": self.world.provider})
        out, err = self.capture.readouterr()
        return Ended(code, out, err)

    def ok(self, *argv: str, **env: str) -> str:
        """Run a command that has to succeed, and return what it printed."""
        ended = self.run(*argv, **env)
        assert ended.code == 0, ended.err + ended.out
        return ended.out

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def stack_file(self) -> Path:
        return self.folder / "Pulumi.dev.yaml"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    """A project `shop` without stacks, its program PROGRAM."""
    made = Shop(
        tmp_path / "project",
        {
            "PULUMI_HOME": str(tmp_path / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "pw",
            "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        },
        World(),
        capsys,
    )
    made.write("Pulumi.yaml", "name: shop\nruntime: python\n")
    made.write("__main__.py", PROGRAM)
    return made


@pytest.fixture
def dev(shop: Shop) -> Shop:
    """The project with an empty stack `dev`, selected."""
    shop.write("Pulumi.dev.yaml", f"encryptionsalt: {SALT}\n")
    shop.ok("stack", "init", "dev")
    return shop


@pytest.fixture
def deployed(dev: Shop) -> Shop:
    """The stack `dev`, with what the program says."""
    dev.ok("up", "--yes", "--skip-preview")
    return dev
