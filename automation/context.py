"""A parser's files in, a build context out: a gzip tar with a generated Dockerfile. Pure and deterministic.

Equal files give equal bytes on any machine, so the hash of the content names the image and spares a second
build. The user's files lie under `code/` byte for byte, manifests included; what is ours lies beside it.
"""

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from automation import dockerfiles, languages, manifests
from automation.dockerfiles import Toolchain
from automation.errors import InvalidEvent
from automation.languages import GO, NODEJS, Detected

MAX_FILES: Final = 500
MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 50 * 1024 * 1024
MAX_PATH_CHARACTERS: Final = 200
"""Limits of what a parser may consist of; they bound memory and time of one event."""

COMPRESSION: Final = 1
"""Of gzip's levels: 6 makes a usual context 13 % smaller for more than twice the time."""

_GO_MOD: Final = f"module parser\n\ngo {GO.versions[0]}\n".encode()
"""For a folder without one, which then needs nothing but the standard library."""
_MODULE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,80}")
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
    language: str


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What the platform adds to a parser's files of one language."""

    wrapper: Mapping[str, bytes]
    """The runtime's files by path."""
    tools: Toolchain


def assemble(code: Mapping[str, bytes], runtime: Runtime, detected: Detected) -> BuildContext:
    """Return the context of a parser of this language. Raises InvalidEvent with every problem found."""
    problems = check(code)
    if problems:
        raise _refusal(problems)
    try:
        handler, own = _own_files(code, runtime.tools, detected)
    except manifests.InvalidManifest as error:
        raise _refusal([str(error)]) from error
    files = {
        **own,
        **{f"wrapper/{path}": data for path, data in runtime.wrapper.items()},
        **{f"code/{path}": data for path, data in code.items()},
    }
    return BuildContext(
        content_hash=content_hash(files),
        archive=pack(files),
        handler=handler,
        language=detected.language.name,
    )


def detect(code: Mapping[str, bytes], language: str | None = None) -> Detected:
    """Return the language of a parser's files and where its handler is. Raises InvalidEvent."""
    try:
        return languages.detect(code, language)
    except languages.UnknownLanguage as error:
        raise _refusal([*check(code), str(error)]) from error


def check(code: Mapping[str, bytes]) -> list[str]:
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
    return problems


def _own_files(
    code: Mapping[str, bytes], tools: Toolchain, detected: Detected
) -> tuple[str, Mapping[str, bytes]]:
    """Return the handler's name, and the files that are generated: a Dockerfile, and Go's `func main`."""
    module = PurePosixPath(detected.entry).stem
    if not _MODULE_NAME.fullmatch(module):
        raise manifests.InvalidManifest(
            f"{detected.entry} holds the handler, and its name is not of letters, digits, - and _; "
            f"name it {detected.language.entries[0]}"
        )
    if detected.language is GO:
        return _go_files(code, tools, detected.entry)
    handler = f"{module}.handler"
    if detected.language is NODEJS:
        text = dockerfiles.nodejs(tools, handler, manifests.nodejs(code))
    else:
        text = dockerfiles.python(tools, handler, manifests.python(code))
    return handler, {"Dockerfile": text.encode()}


def _go_files(code: Mapping[str, bytes], tools: Toolchain, entry: str) -> tuple[str, Mapping[str, bytes]]:
    added = {} if GO.manifest in code else {f"code/{GO.manifest}": _GO_MOD}
    whole = {**code, **{path.removeprefix("code/"): data for path, data in added.items()}}
    program = manifests.go_program(whole, entry)
    handler = f"{PurePosixPath(entry).stem}.{program.handler}"
    text = dockerfiles.go(tools, handler, manifests.go(whole), in_code=program.in_code)
    generated = {f"generated/{manifests.GO_MAIN}": program.main.encode()}
    return handler, {"Dockerfile": text.encode(), **generated, **added}


def _refusal(problems: list[str]) -> InvalidEvent:
    return InvalidEvent(f"the parser's files cannot be built: {problems[0]}", details=tuple(problems))


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
