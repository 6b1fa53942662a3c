"""Which languages beside Python this machine can build and run: the local platform uses what is on the PATH.

Node.js and Go are looked for once a process. Their base images are named for the versions that are here, so a
build that asks for another version fails as one whose base image is not in the registry.
"""

import functools
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GO_RUN_IMAGE: Final = "alpine:3.22"
"""What compiled functions run in; empty here, for they need nothing."""

_SECONDS: Final = 10
_VERSION: Final = re.compile(r"(?:v|go)(\d+)\.(\d+)")


@dataclass(frozen=True)
class Toolchain:
    """A language that is here."""

    folder: Path
    """Where its programs are."""
    images: tuple[str, ...]
    """The base images that stand for it, the one for builds first."""


@dataclass(frozen=True)
class _Wanted:
    programs: tuple[str, ...]
    """The first tells the version when it is asked so."""
    question: str
    oldest: tuple[int, int]
    image: str
    """With the version's numbers to be filled in."""


_WANTED: Final[Mapping[str, _Wanted]] = {
    "nodejs": _Wanted(("node", "npm"), "--version", (20, 0), "node:{0}-slim"),
    "go": _Wanted(("go",), "version", (1, 24), "golang:{0}.{1}-alpine"),
}


def found() -> dict[str, Toolchain]:
    """Return what is here by language."""
    looked = {language: _look(language) for language in _WANTED}
    return {language: each for language, each in looked.items() if isinstance(each, Toolchain)}


def missing() -> dict[str, str]:
    """Return by language why one is not here."""
    looked = {language: _look(language) for language in _WANTED}
    return {language: each for language, each in looked.items() if isinstance(each, str)}


def service_environment() -> dict[str, str]:
    """Return the automation service's settings that name the base images of what is here."""
    variables = {"GO_RUN_IMAGE": GO_RUN_IMAGE}
    names = {"nodejs": "NODE_BASE_IMAGE", "go": "GO_BASE_IMAGE"}
    return variables | {names[language]: each.images[0] for language, each in found().items()}


@functools.cache
def _look(language: str) -> Toolchain | str:
    wanted = _WANTED[language]
    paths = [shutil.which(program) for program in wanted.programs]
    for program, path in zip(wanted.programs, paths, strict=True):
        if path is None:
            return f"{program} is not on the PATH"
    try:
        asked = [str(paths[0]), wanted.question]
        text = subprocess.run(asked, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"{wanted.programs[0]} does not tell its version: {error}"
    match = _VERSION.search(text)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < wanted.oldest:
        return f"{text.strip()} is older than {wanted.oldest[0]}.{wanted.oldest[1]}"
    images = (wanted.image.format(*version), *([GO_RUN_IMAGE] if language == "go" else []))
    return Toolchain(Path(str(paths[0])).parent, images)
