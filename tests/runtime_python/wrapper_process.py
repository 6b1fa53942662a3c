"""A Python function as in its image: the wrapper, the parser's code and its packages side by side."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.runtimes.process import EVENT, PATIENCE_SECONDS, FunctionProcess

__all__ = ["EVENT", "PATIENCE_SECONDS", "Function", "Start"]

WRAPPER = Path(__file__).resolve().parents[2] / "runtimes" / "python" / "wrapper"


class Function(FunctionProcess):
    """One wrapper process over files of a parser."""

    def __init__(self, folder: Path, files: dict[str, str], env: dict[str, str] | None = None) -> None:
        shutil.copytree(WRAPPER, folder / "wrapper", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "code").mkdir()
        for name, text in files.items():
            path = folder / ("" if name.startswith("packages/") else "code") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        super().__init__([sys.executable, "-m", "wrapper"], folder, env or {})


Start = Callable[..., Function]
