"""A project's program, run in this process as Pulumi's language host runs it in its own.

The working folder, `sys.path` and `sys.argv` are the program's, and each run imports its modules afresh.
"""

import contextlib
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from pulumi import RunError

import engine
from engine.cli.errors import misused

_ENGINE: Final = Path(engine.__file__).parent


class ProjectProgram:
    """The program at a path: a file, or a folder with `__main__.py`.

    Call it inside `surroundings`, which puts back afterwards what a program may change of the process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._folder = self._path if self._path.is_dir() else self._path.parent
        script = self._path / "__main__.py" if self._path.is_dir() else self._path
        if not script.is_file():
            raise misused(f"there is no program at {script}; write it, or say in Pulumi.yaml where `main` is")

    def __call__(self) -> None:
        """Run the program to the end of its text; what it registered may still be under way then.

        `sys.exit()` is an end like any other; with a code, or a text, it is the program's failure: RunError.
        """
        self._forget_own_modules()
        os.chdir(self._folder)
        sys.path.insert(0, str(self._folder))
        sys.argv = [str(self._path)]
        try:
            runpy.run_path(str(self._path), run_name="__main__")
        except SystemExit as error:
            if error.code not in (None, 0):
                raise RunError(f"the program ended itself by sys.exit({error.code!r})") from error

    @contextlib.contextmanager
    def surroundings(self) -> Iterator[None]:
        """Put the working folder, the path and the arguments back at the end."""
        folder, path, argv = os.getcwd(), list(sys.path), sys.argv
        try:
            yield
        finally:
            os.chdir(folder)
            sys.path[:] = path
            sys.argv = argv

    def owns(self, file: str) -> bool:
        """Say whether a file is one of the project, not installed nor this engine's."""
        path = Path(file)
        inside = path.is_relative_to(self._folder) and not path.is_relative_to(_ENGINE)
        return inside and "site-packages" not in path.parts

    def _forget_own_modules(self) -> None:
        for name, module in list(sys.modules.items()):
            if name != "__main__" and self._is_own(module):
                del sys.modules[name]

    def _is_own(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        return isinstance(file, str) and self.owns(file)
