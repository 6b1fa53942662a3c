"""The images that a build needs before there is any: the executor itself, and this machine's languages.

A base image has no files. Python's stands for a virtual environment that has pip and nothing else, so that
neither a build nor a function sees the packages of the project; others stand for the programs on the PATH.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local.builder.build import ENVIRONMENT_FILE
from local.builder.processes import passed_through
from local.images import ImageConfig, ImageStore

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PIP_SCRIPT = '#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n'


def register_builder_images(
    images: ImageStore,
    *,
    kaniko_image: str,
    repo_root: Path,
    cache_dir: Path,
    base_images: Sequence[str],
) -> None:
    """Register the executor under `kaniko_image`, and this machine's Python under each of `base_images`.

    `repo_root` is where the package `local` is; `cache_dir` becomes LOCAL_BUILD_CACHE, with the Python
    environment (made once, well under a second) and the user's pip settings in it. Raises OSError,
    RuntimeError without pip.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    _save_environment(cache_dir / ENVIRONMENT_FILE)
    images.register_builtin(kaniko_image, _executor(images, repo_root, cache_dir))
    python = python_image(ensure_python(cache_dir / "python"))
    for reference in base_images:
        images.register_builtin(reference, python)


def ensure_python(root: Path) -> Path:
    """Return the folder of the clean environment, made if it is not there yet.

    Safe to call by many at once.
    """
    identity = hashlib.sha256(f"{sys.version}{_base_executable()}".encode()).hexdigest()[:8]
    folder = root / f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}-{identity}"
    complete = folder / ".complete"
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make_environment(folder)
            complete.touch()
    return folder


def python_image(environment: Path) -> ImageConfig:
    """Return the configuration of a base image that stands for the environment."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    env = {"PATH": f"{environment / 'bin'}:{_SYSTEM_PATH}", "LANG": "C.UTF-8", "PYTHON_VERSION": version}
    return ImageConfig(cmd=("python3",), env=env)


def programs_image(folder: Path) -> ImageConfig:
    """Return the configuration of a base image that stands for the programs of a folder."""
    return ImageConfig(env={"PATH": f"{folder}:{_SYSTEM_PATH}", "LANG": "C.UTF-8"})


def _executor(images: ImageStore, repo_root: Path, cache_dir: Path) -> ImageConfig:
    return ImageConfig(
        entrypoint=(sys.executable, "-m", "local.builder"),
        env={
            "PATH": _SYSTEM_PATH,
            "PYTHONPATH": str(repo_root),
            "LOCAL_IMAGE_STORE": str(images.root.absolute()),
            "LOCAL_BUILD_CACHE": str(cache_dir.absolute()),
        },
    )


def _save_environment(file: Path) -> None:
    # Not in the image's configuration: an index URL may hold a password, and this file is its owner's alone.
    staging = file.with_name(f"{file.name}.{os.getpid()}")
    staging.unlink(missing_ok=True)
    with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump(passed_through(os.environ), opened)
    staging.replace(file)


def _make_environment(folder: Path) -> None:
    """Make a virtual environment with this interpreter's own pip, copied: ten times as fast as ensurepip."""
    # Made by the base interpreter's venv, so that it does not matter whether we run in an environment
    # ourselves.
    import venv

    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    packages = next((folder / "lib").glob("python*/site-packages"))
    pip = importlib.util.find_spec("pip")
    if pip is None or pip.origin is None:
        subprocess.run(
            [folder / "bin/python", "-m", "ensurepip", "--default-pip"], check=True, stdout=sys.stderr
        )
        return
    shutil.copytree(Path(pip.origin).parent, packages / "pip")
    for name in ("pip", "pip3"):
        (folder / "bin" / name).write_text(_PIP_SCRIPT)
        (folder / "bin" / name).chmod(0o755)


def _base_executable() -> str:
    return str(getattr(sys, "_base_executable", sys.executable))
