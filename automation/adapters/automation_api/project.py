"""The CLI's surroundings: a PULUMI_HOME, and for each operation a folder with the stack's settings."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from engine.names import StackRef
from engine.stacks import Stacks


class Home:
    """A PULUMI_HOME of this engine's own: logins and selections of other users do not reach it.

    Plugins are shared with the user's PULUMI_HOME, so that none is downloaded twice.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="pulumi-home-", ignore_cleanup_errors=True)
        self.path = Path(self._folder.name)
        users = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser() / "plugins"
        users.mkdir(parents=True, exist_ok=True)
        (self.path / "plugins").symlink_to(users.resolve())

    def close(self) -> None:
        """Remove it."""
        self._folder.cleanup()


class Projects:
    """Makes the folders, for the stacks of a reader."""

    def __init__(self, home: Home, reader: Stacks) -> None:
        self._home = home
        self._reader = reader

    @contextmanager
    def folder(
        self, stack: StackRef, config: Mapping[str, str], secrets: Mapping[str, str], salt: str | None = None
    ) -> Iterator[str]:
        """Make a folder for one operation on the stack; it is removed afterwards.

        `salt` is the record of the passphrase to use, by default the state's: with another one the CLI would
        encrypt all of the state anew.
        """
        key = self._reader.secrets(stack)
        if not salt and not key.state:
            key.check()  # takes the record that new stacks share: deriving a key takes 0.4 s
        secured = {name: {"secure": key.encrypt(value)} for name, value in secrets.items()}
        settings = {"encryptionsalt": salt or key.state, "config": {**config, **secured}}
        project = {"name": stack.project, "runtime": "python", "main": os.getcwd()}
        with TemporaryDirectory(dir=self._home.path, prefix="work-") as folder:
            (Path(folder) / "Pulumi.yaml").write_text(yaml.safe_dump(project))
            (Path(folder) / f"Pulumi.{stack.name}.yaml").write_text(yaml.safe_dump(settings))
            yield folder

    def scratch(self) -> "TemporaryDirectory[str]":
        """Return a folder for a backend that is needed for a moment."""
        return TemporaryDirectory(dir=self._home.path, prefix="scratch-")
