"""The project file Pulumi.yaml: found from the working folder upwards, read, and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.cli import yamlfile
from engine.cli.errors import misused

FILE_NAMES: Final = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project: where it is, and what its file says."""

    path: Path
    """The project file."""
    name: str
    main: str = "."
    """The program, a file or a folder with `__main__.py`; relative to the project's folder."""
    stack_config_dir: str = "."
    """Where the stacks' files are, relative to the project's folder."""
    backend_url: str = ""
    """Where the states are; empty if the project does not say."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Configuration that the project declares: by key a value, or a map of type, default, value, secret."""

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self.path.parent

    def stack_file(self, stack: str) -> Path:
        """Return the path of a stack's configuration file."""
        return self.folder / self.stack_config_dir / f"Pulumi.{stack}.yaml"


def find(folder: Path) -> Project:
    """Return the project that a folder is in."""
    for candidate in (folder, *folder.parents):
        for name in FILE_NAMES:
            if (candidate / name).is_file():
                return read(candidate / name)
    raise misused(
        f"no Pulumi.yaml project file found (searching upwards from {folder}). Change into a project's "
        "folder, or name it with --cwd"
    )


def read(path: Path) -> Project:
    """Read a project file; an error if it is none of a Python project."""
    document = yamlfile.load(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(document, dict):
        raise misused(f"{path} is no project file: a map with at least `name` and `runtime` is expected")
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise misused(f"{path} has no `name`: give the project one")
    _check_runtime(path, document.get("runtime"))
    return Project(
        path=path,
        name=name,
        main=_text(path, document, "main") or ".",
        stack_config_dir=_text(path, document, "stackConfigDir") or ".",
        backend_url=_text(path, document.get("backend") or {}, "url"),
        config=document.get("config") or {},
    )


def _check_runtime(path: Path, runtime: Any) -> None:
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    if name != "python":
        raise misused(
            f"{path} has the runtime {name!r}; this engine runs Python programs only (`runtime: python`)"
        )


def _text(path: Path, document: Any, key: str) -> str:
    value = document.get(key) if isinstance(document, dict) else document
    if value is not None and not isinstance(value, str):
        raise misused(f"{path}: `{key}` is {value!r}, a text is expected")
    return value or ""
