"""A parser's files in, a build context out: a gzip tar with a generated Dockerfile. Pure and deterministic.

Equal files give equal bytes on any machine, so the hash of the content names the image and spares a second
build. The user's requirements.txt is taken as it is and handed to pip as a file: no line of it ever meets a
shell.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from automation.errors import InvalidEvent

MAX_FILES: Final = 500
MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 50 * 1024 * 1024
MAX_PATH_CHARACTERS: Final = 200
"""Limits of what a parser may consist of; they bound memory and time of one event."""

REQUIREMENTS: Final = "requirements.txt"
COMPRESSION: Final = 1
"""Of gzip's levels: 6 makes a usual context 13 % smaller for more than twice the time."""

_ENTRY_FILES: Final = ("parser.py", "main.py", "handler.py", "index.py")
_OTHER_LANGUAGES: Final = {"nodejs": ("parser.js", "index.js", "package.json"), "go": ("parser.go", "go.mod")}
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_@+=,()\[\] .-]+")


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """A build context ready to be stored."""

    content_hash: str
    """SHA-256 of all its files with their paths, 64 hex digits."""
    archive: bytes
    """Gzip tar."""
    handler: str
    """`module.function` that the wrapper is to call."""


def assemble(
    code: Mapping[str, bytes], wrapper: Mapping[str, bytes], *, base_image: str, language: str | None = None
) -> BuildContext:
    """Return the context of a Python parser. Raises InvalidEvent with every problem of the files."""
    problems = check(code, language)
    if problems:
        raise InvalidEvent(f"the parser's files cannot be built: {problems[0]}", details=tuple(problems))
    handler = f"{_entry(code).removesuffix('.py')}.handler"
    requirements = code.get(REQUIREMENTS, b"")
    files = {
        "Dockerfile": dockerfile(base_image, handler, install=bool(requirements.strip())).encode(),
        REQUIREMENTS: requirements,
        **{f"wrapper/{path}": data for path, data in wrapper.items()},
        **{f"code/{path}": data for path, data in code.items()},
    }
    return BuildContext(content_hash=content_hash(files), archive=pack(files), handler=handler)


def check(code: Mapping[str, bytes], language: str | None = None) -> list[str]:
    """Return what is wrong with a parser's files; an empty list if nothing is."""
    problems = [problem for path, data in sorted(code.items()) for problem in _file_problems(path, data)]
    folders = {str(folder) for path in code for folder in PurePosixPath(path).parents}
    problems += [
        f"{path[:MAX_PATH_CHARACTERS]} is a file and a folder; keep one"
        for path in sorted(folders & code.keys())
    ]
    if len(code) > MAX_FILES:
        problems.append(f"{len(code)} files; at most {MAX_FILES} are allowed")
    total = sum(map(len, code.values()))
    if total > MAX_TOTAL_BYTES:
        problems.append(f"{total} bytes in all; at most {MAX_TOTAL_BYTES} are allowed")
    return [*problems, *_language_problems(code, language)]


def dockerfile(base_image: str, handler: str, *, install: bool) -> str:
    """Return the Dockerfile of a Python function; dependencies come first, so that their layer is reused."""
    install_step = (
        "RUN python -m pip install --no-cache-dir --disable-pip-version-check --target=packages "
        "-r requirements.txt\n"
    )
    return (
        f"FROM {base_image}\n"
        "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8080\n"
        "WORKDIR /app\n"
        "COPY requirements.txt ./requirements.txt\n"
        f"{install_step if install else ''}"
        "COPY wrapper ./wrapper\n"
        "COPY code ./code\n"
        f"ENV HANDLER={json.dumps(handler)}\n"
        "USER 1000:1000\n"
        "EXPOSE 8080\n"
        'ENTRYPOINT ["python", "-m", "wrapper"]\n'
    )


def content_hash(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of paths and contents, in the order of paths; borders between them count."""
    total = hashlib.sha256()
    for path, data in sorted(files.items()):
        total.update(f"{len(path)}:{path}:{len(data)}:".encode())
        total.update(data)
    return total.hexdigest()


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the files as a gzip tar without times, owners or anything else that differs between machines."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, data in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), COMPRESSION, mtime=0)


def _entry(code: Mapping[str, bytes]) -> str:
    """Return the file that holds the handler: a usual name, else the only Python file at the top."""
    named = next((name for name in _ENTRY_FILES if name in code), None)
    top = [path for path in code if path.endswith(".py") and "/" not in path]
    return named or (top[0] if len(top) == 1 else "")


def _language_problems(code: Mapping[str, bytes], language: str | None) -> list[str]:
    if language not in (None, "python"):
        return [f"language {language!r} cannot be built yet; python can"]
    if not code:
        return ["there are no files; put parser.py (and requirements.txt) there"]
    if _entry(code):
        return []
    other = next(
        (name for name, files in _OTHER_LANGUAGES.items() if any(file in code for file in files)), None
    )
    if other:
        return [f"this looks like {other}, which cannot be built yet; python can"]
    return [f"none of {', '.join(_ENTRY_FILES)} is there; name the file with the handler parser.py"]


def _file_problems(path: str, data: bytes) -> list[str]:
    problems = []
    if len(path) > MAX_PATH_CHARACTERS:
        problems.append(f"path of {len(path)} characters; at most {MAX_PATH_CHARACTERS} are allowed")
    if not all(_SEGMENT.fullmatch(part) and part not in {".", ".."} for part in path.split("/")):
        shown = path[:MAX_PATH_CHARACTERS]
        problems.append(f"path {shown!r} is not allowed: use names of ASCII letters, digits and ._-, no '..'")
    if len(data) > MAX_FILE_BYTES:
        problems.append(
            f"{path[:MAX_PATH_CHARACTERS]} has {len(data)} bytes; at most {MAX_FILE_BYTES} are allowed"
        )
    return problems
