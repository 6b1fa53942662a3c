"""The three runtimes as the suite sees them: a parser's folder in, a function that runs out."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from automation import manifests
from automation.languages import detect
from tests.runtimes.process import FunctionProcess

ROOT = Path(__file__).resolve().parents[2]
PARSERS = Path(__file__).resolve().parent / "parsers"


@dataclass
class Interpreted:
    """Python or Node.js: wrapper and code lie side by side."""

    language: str
    command: tuple[str, ...]
    work: Path
    _folders: dict[str, Path] = field(default_factory=dict)

    def missing(self) -> str:
        """Return why functions cannot run here, empty if they can."""
        return "" if shutil.which(self.command[0]) else f"{self.command[0]} is not on the PATH"

    def start(self, parser: str, env: Mapping[str, str]) -> FunctionProcess:
        """Start the parser of that name."""
        return self.start_folder(PARSERS / self.language / parser, env)

    def start_folder(self, source: Path, env: Mapping[str, str]) -> FunctionProcess:
        """Start the parser of a folder."""
        folder = self.work / f"{self.language}-{source.parent.name}-{source.name}"
        if not folder.exists():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / "code", ignore=ignored)
            shutil.copytree(ROOT / "runtimes" / self.language / "wrapper", folder / "wrapper", ignore=ignored)
        return FunctionProcess(self.command, folder, env)


@dataclass
class Compiled:
    """Go: wrapper and code become one program, as in the image's first stage."""

    work: Path
    language: str = "go"
    _built: Path | None = None

    def missing(self) -> str:
        """Return why functions cannot run here, empty if they can."""
        return "" if shutil.which("go") else "go is not on the PATH"

    def start(self, parser: str, env: Mapping[str, str]) -> FunctionProcess:
        """Start the parser of that name; all are built at once, with the first."""
        if self._built is None:
            self._built = self._build(PARSERS / "go")
        return FunctionProcess([str(self._built / parser)], self._built, env)

    def start_folder(self, source: Path, env: Mapping[str, str]) -> FunctionProcess:
        """Start the parser of a folder that is a module."""
        folder = self.work / f"go-{source.name}"
        if not folder.exists():
            shutil.copytree(source, folder / "code")
            self._lay_out(folder, folder / "code", "function")
            self._go(folder, "work", "init", "./wrapper", "./code")
            self._go(folder, "build", "-o", "bin/", "./wrapper/function")
        return FunctionProcess([str(folder / "bin/function")], folder, env)

    def _build(self, source: Path) -> Path:
        folder = self.work / "go"
        shutil.copytree(source, folder / "code")
        packages = [
            self._lay_out(folder, each, each.name)
            for each in sorted((folder / "code").iterdir())
            if each.is_dir()
        ]
        self._go(folder, "work", "init", "./wrapper", "./code")
        self._go(folder, "build", "-o", "bin/", *packages)
        return folder / "bin"

    @staticmethod
    def _lay_out(folder: Path, package: Path, name: str) -> str:
        """Put `func main` where the image's build puts it; return the package to build."""
        if not (folder / "wrapper").exists():
            shutil.copytree(ROOT / "runtimes/go/wrapper", folder / "wrapper")
        code = {path.name: path.read_bytes() for path in package.iterdir()}
        path = package.relative_to(folder / "code")
        module = (folder / "code/go.mod").read_text().split()[1]
        code["go.mod"] = f"module {(Path(module) / path).as_posix()}\n".encode()
        program = manifests.go_program(code, detect(code).entry)
        target = package if program.in_code else folder / "wrapper" / name
        target.mkdir(exist_ok=True)
        (target / manifests.GO_MAIN).write_text(program.main)
        return f"./{target.relative_to(folder)}"

    @staticmethod
    def _go(folder: Path, *arguments: str) -> None:
        own = {
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-buildvcs=false -trimpath",
            # Kept between runs: compiling the standard library takes half a minute.
            "GOCACHE": str(Path(tempfile.gettempdir()) / "knative-lambda-go-cache"),
        }
        done = subprocess.run(
            ["go", *arguments],
            cwd=folder,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def toolchains(work: Path) -> dict[str, Interpreted | Compiled]:
    """Return all runtimes by language; `work` is where their folders are made."""
    return {
        "python": Interpreted("python", (sys.executable, "-m", "wrapper"), work),
        "nodejs": Interpreted("nodejs", ("node", "wrapper/main.js"), work),
        "go": Compiled(work),
    }
