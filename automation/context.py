"""A parser's files in, a build context out: a gzip tar with a generated Dockerfile. Deterministic.

Equal files give equal bytes on any machine, so the hash of the content names the image and spares a second
build. The user's files lie under `code/` byte for byte, manifests included; what is ours lies beside it. They
are streamed once, into the hash and into the archive, which goes to the disk when it is not small.
"""

import hashlib
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final, cast

from automation import code as sources
from automation import dockerfiles, languages, manifests
from automation.code import Code, Limits
from automation.dockerfiles import Toolchain
from automation.errors import DependencyUnavailable
from automation.languages import GO, NODEJS, Detected

SPOOL_BYTES: Final = 1024 * 1024
"""Archives up to this size stay in memory."""

COMPRESSION: Final = 1
"""Of gzip's levels: 6 makes a usual context 13 % smaller for more than twice the time."""

_GZIP: Final = 16 + zlib.MAX_WBITS
"""Says to zlib: with gzip's header, in which it puts neither a time nor a name."""
_END: Final = bytes(2 * tarfile.BLOCKSIZE)
_GO_MOD: Final = f"module parser\n\ngo {GO.versions[0]}\n".encode()
"""For a folder without one, which then needs nothing but the standard library."""
_MODULE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,80}")

File = tuple[str, int, Iterable[bytes]]
"""Path, size in bytes, and content in pieces."""


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """A build context ready to be stored."""

    content_hash: str
    """SHA-256 of all its files with their paths, 64 hex digits."""
    archive: IO[bytes]
    """Gzip tar, at its beginning; gone when it is closed."""
    handler: str
    """`module.function` that the wrapper is to call."""
    language: str


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What the platform adds to a parser's files of one language."""

    wrapper: Mapping[str, bytes]
    """The runtime's files by path."""
    tools: Toolchain


def assemble(code: Code, runtime: Runtime, detected: Detected, limits: Limits = Limits()) -> BuildContext:  # noqa: B008 - frozen
    """Return the context of a parser of this language.

    Raises InvalidEvent with every problem found before anything is read but manifests, DependencyUnavailable.
    """
    if problems := sources.problems(code.sizes, limits):
        raise sources.refusal(problems)
    if detected.language is GO and GO.manifest not in code:
        code = code.with_file(GO.manifest, _GO_MOD)
    try:
        handler, own = _own_files(code, runtime.tools, detected)
    except manifests.InvalidManifest as error:
        raise sources.refusal([str(error)]) from error
    own = {**own, **{f"wrapper/{path}": data for path, data in runtime.wrapper.items()}}
    digest, archive = pack(_all_files(own, code))
    return BuildContext(
        content_hash=digest, archive=archive, handler=handler, language=detected.language.name
    )


def detect(code: Code, language: str | None = None, limits: Limits = Limits()) -> Detected:  # noqa: B008 - frozen
    """Return the language of a parser's files and where its handler is. Raises InvalidEvent."""
    try:
        return languages.detect(code, language)
    except languages.UnknownLanguage as error:
        raise sources.refusal([*sources.problems(code.sizes, limits), str(error)]) from error


def _own_files(code: Code, tools: Toolchain, detected: Detected) -> tuple[str, Mapping[str, bytes]]:
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


def _go_files(code: Code, tools: Toolchain, entry: str) -> tuple[str, Mapping[str, bytes]]:
    program = manifests.go_program(code, entry)
    handler = f"{PurePosixPath(entry).stem}.{program.handler}"
    text = dockerfiles.go(tools, handler, manifests.go(code), in_code=program.in_code)
    return handler, {"Dockerfile": text.encode(), f"generated/{manifests.GO_MAIN}": program.main.encode()}


def _all_files(own: Mapping[str, bytes], code: Code) -> Iterator[File]:
    """Return ours and the parser's in the order of paths."""
    sizes = {path: len(data) for path, data in own.items()}
    sizes |= {f"code/{path}": size for path, size in code.sizes.items()}
    contents = code.stream()
    for path in sorted(sizes):
        yield path, sizes[path], (own[path],) if path in own else next(contents)


def pack(files: Iterable[File]) -> tuple[str, IO[bytes]]:
    """Return the SHA-256 of all paths and contents, their borders included, and the files as a gzip tar.

    The tar holds no times, owners or anything else that differs between machines. The files come in the order
    of their paths. Raises DependencyUnavailable where a content has not the size that was said, or the disk
    is full.
    """
    # Closed by whoever is given it.
    spool = cast("IO[bytes]", tempfile.SpooledTemporaryFile(SPOOL_BYTES))  # noqa: SIM115
    try:
        digest = _packed(files, spool)
        spool.seek(0)
    except OSError as error:
        spool.close()
        raise DependencyUnavailable(f"the build context cannot be kept: {error.strerror}") from error
    except BaseException:
        spool.close()
        raise
    return digest, spool


def _packed(files: Iterable[File], spool: IO[bytes]) -> str:
    """Write the archive; return the hash of what is in it."""
    total, packer = hashlib.sha256(), zlib.compressobj(COMPRESSION, wbits=_GZIP)
    written = 0
    for path, size, pieces in files:
        total.update(f"{len(path)}:{path}:{size}:".encode())
        header = _header(path, size)
        spool.write(packer.compress(header))
        for piece in _whole(path, size, pieces):
            total.update(piece)
            spool.write(packer.compress(piece))
        padding = bytes(-size % tarfile.BLOCKSIZE)
        spool.write(packer.compress(padding))
        written += len(header) + size + len(padding)
    spool.write(packer.compress(_END + bytes(-(written + len(_END)) % tarfile.RECORDSIZE)))
    spool.write(packer.flush())
    return total.hexdigest()


def _header(path: str, size: int) -> bytes:
    member = tarfile.TarInfo(path)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.GNU_FORMAT)


def _whole(path: str, size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Return the pieces, and refuse a content that is not as long as it was listed."""
    found = 0
    for piece in pieces:
        found += len(piece)
        yield piece
    if found != size:
        raise DependencyUnavailable(f"{path} had {size} bytes when listed and {found} when read; send again")
