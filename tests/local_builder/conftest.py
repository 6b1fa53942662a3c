"""Builds are real: the executor is a process, pip is one, packages come from a folder of wheels made here."""

import base64
import hashlib
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.builder import register_builder_images
from local.images import ImageStore

REPO = Path(__file__).parents[2]
BASE = "python:3.11-slim"
DESTINATION = "registry.local:5000/knative-lambdas:acme-p1-12345678"
FUNCTION = f"""\
FROM {BASE}
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8080 HANDLER="parser.handler"
WORKDIR /app
COPY requirements.txt ./requirements.txt
RUN python -m pip install --no-cache-dir --disable-pip-version-check --target=packages -r requirements.txt
COPY wrapper ./wrapper
COPY code ./code
USER 1000:1000
EXPOSE 8080
ENTRYPOINT ["python", "-m", "wrapper"]
"""
FUNCTION_FILES = {
    "Dockerfile": FUNCTION,
    "requirements.txt": "greeting==1.0\n",
    "wrapper/__init__.py": "",
    "wrapper/__main__.py": "print('wrapped')\n",
    "code/parser.py": "def handler(event):\n    return 1\n",
}


@dataclass
class Result:
    """How a build went."""

    status: int
    log: str

    @property
    def last_line(self) -> str:
        return self.log.strip().splitlines()[-1]


class Builder:
    """A data folder with its image store, cache and package folder, and builds in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = ImageStore(root / "images")
        self.cache = root / "cache"
        self.wheels = root / "wheels"
        self.wheels.mkdir()
        register_builder_images(
            self.images,
            kaniko_image="kaniko/executor:local",
            repo_root=REPO,
            cache_dir=self.cache,
            base_images=[BASE],
        )

    @property
    def environ(self) -> dict[str, str]:
        """What the node gives to the executor's container, and a wheel folder instead of an index."""
        image = self.images.resolve("kaniko/executor:local").config.env
        return {**image, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}

    def context(self, files: Mapping[str, str], name: str = "context") -> Path:
        folder = self.root / name
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        return folder

    def command(self, context: Path | str, *flags: str) -> list[str]:
        image = self.images.resolve("kaniko/executor:local").config
        location = context if isinstance(context, str) else f"dir://{context}"
        return [*image.entrypoint, f"--context={location}", *flags]

    def run(
        self,
        context: Path | str,
        *flags: str,
        destination: str = DESTINATION,
        environ: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout: float = 60,
    ) -> Result:
        command = self.command(context, *([f"--destination={destination}"] if destination else []), *flags)
        done = subprocess.run(
            command,
            env={**self.environ, **(environ or {})},
            capture_output=True,
            input=stdin,
            timeout=timeout,
            cwd=self.root,
        )
        return Result(done.returncode, (done.stdout + done.stderr).decode())

    def build(self, files: Mapping[str, str], *flags: str, name: str = "context", **options) -> Result:
        return self.run(self.context(files, name), *flags, **options)

    def image(self, reference: str = DESTINATION):
        return self.images.resolve(reference)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    made = Builder(tmp_path)
    make_wheel(made.wheels, "greeting", "1.0", "WORD = 'hello'\n")
    return made


def make_wheel(folder: Path, name: str, version: str, source: str) -> None:
    """Write a pure wheel, as small as pip takes it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for path, text in files.items()
    )
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(path, text)


def archive(files: Mapping[str, str | tarfile.TarInfo]) -> bytes:
    """Pack a context as the service does."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    return buffer.getvalue()


def spawn(command: Sequence[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(command, env=environ, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
