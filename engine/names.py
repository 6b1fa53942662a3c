"""What stacks are called, and where under a backend's root their files are: Pulumi's own layout."""

import re
from dataclasses import dataclass

from engine.errors import EngineError

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
ORGANIZATION = "organization"
"""The one organization of backends of this kind."""


def is_name(text: str) -> bool:
    """Say whether a stack or a project may be called so."""
    return _NAME.fullmatch(text) is not None and text not in (".", "..")


@dataclass(frozen=True, order=True)
class StackRef:
    """A stack: its project and its name, each 1 to 100 of `A-Z a-z 0-9 _ . -`."""

    project: str
    name: str

    def __post_init__(self) -> None:
        for what, value in (("project", self.project), ("stack", self.name)):
            if not is_name(value):
                raise EngineError(
                    f"{value!r} is no {what} name: 1 to 100 letters, digits, '_', '.' and '-' are allowed"
                )

    @property
    def full_name(self) -> str:
        """The fully qualified name, `organization/<project>/<stack>`."""
        return f"{ORGANIZATION}/{self.project}/{self.name}"

    @property
    def checkpoint_key(self) -> str:
        """Where the checkpoint is, uncompressed."""
        return f".pulumi/stacks/{self.project}/{self.name}.json"

    @property
    def tags_key(self) -> str:
        """Where the stack's tags are, if it has any."""
        return f".pulumi/stacks/{self.project}/{self.name}.pulumi-tags"

    @property
    def locks_folder(self) -> str:
        """The folder in which any file is a lock on this stack."""
        return f".pulumi/locks/{ORGANIZATION}/{self.project}/{self.name}"

    @property
    def history_folder(self) -> str:
        """The folder of history entries."""
        return f".pulumi/history/{self.project}/{self.name}"

    @property
    def backups_folder(self) -> str:
        """The folder of checkpoints as they were after each operation."""
        return f".pulumi/backups/{self.project}/{self.name}"

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"
