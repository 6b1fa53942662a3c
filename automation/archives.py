"""Code that comes as one archive: what is in a tar, gzip tar or zip, as if it had been a folder.

An archive is written by others: nothing in it is believed. It is put on the disk, where its members are
listed and checked before any of them is read; what it unpacks to is bounded, and nothing is ever extracted to
a path.
"""

import contextlib
import gzip
import posixpath
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Final, cast

from automation.code import PIECE_BYTES, Code, Limits, Member, refusal
from automation.errors import DependencyUnavailable, InvalidEvent

_GZIP: Final = b"\x1f\x8b\x08"
_ZIP: Final = b"PK\x03\x04"
_TAR: Final = (257, b"ustar")
_ZIP_END: Final = b"PK\x05\x06"
_ZIP64_END: Final = b"PK\x06\x07"
_ZIP_TAIL_BYTES: Final = 22 + 65_535 + 20
_HEADER_BYTES: Final = 3 * tarfile.BLOCKSIZE
"""Of a tar for each member, a long name's included."""
_ENTRY_BYTES: Final = 1024
"""Of a zip's directory for each member."""
_MOST_HOPS: Final = 16
_ZIP_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    ValueError,
    OverflowError,
    struct.error,
)
"""What the standard library says of archives that are damaged or made to be."""


@contextlib.contextmanager
def opened(code: Code, limits: Limits) -> Iterator[Code]:
    """Give what an archive holds if the source is one; other code as it is.

    Raises InvalidEvent with every problem of the members, DependencyUnavailable, and what reading raises.
    """
    with contextlib.ExitStack() as files:
        if len(code) == 1:
            with _readable():
                code = _unpacked(code, limits, files)
        yield code


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise InvalidEvent(f"the archive cannot be read: {error}; pack and upload it again") from error


def _unpacked(code: Code, limits: Limits, files: contextlib.ExitStack) -> Code:
    (path,) = code
    head = code.head(path)
    offset, mark = _TAR
    if head.startswith(_ZIP):
        return _zip(_spooled(next(iter(code.stream())), files), limits, files)
    if head.startswith(_GZIP):
        packed = _spooled(next(iter(code.stream())), files)
        plain = _spooled(_decompressed(packed, limits), files)
        return _tar(plain, limits, files)
    if head[offset:].startswith(mark):
        return _tar(_spooled(next(iter(code.stream())), files), limits, files)
    return code


def _spooled(pieces: Iterable[bytes], files: contextlib.ExitStack) -> IO[bytes]:
    """Return a file on the disk that holds the pieces, for as long as the stack is open."""
    spool = cast("IO[bytes]", files.enter_context(tempfile.SpooledTemporaryFile(PIECE_BYTES)))  # noqa: SIM115
    try:
        for piece in pieces:
            spool.write(piece)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise
        raise DependencyUnavailable(f"the archive cannot be kept: {error.strerror}") from error
    spool.seek(0)
    return spool


def _decompressed(packed: IO[bytes], limits: Limits) -> Iterator[bytes]:
    most = limits.total_bytes + _HEADER_BYTES * limits.files + tarfile.RECORDSIZE
    with gzip.GzipFile(fileobj=packed, mode="rb") as plain:
        found = 0
        while piece := plain.read(PIECE_BYTES):
            found += len(piece)
            if found > most:
                raise InvalidEvent(f"the archive unpacks to more than {most} bytes, which is the limit")
            yield piece


def _tar(plain: IO[bytes], limits: Limits, files: contextlib.ExitStack) -> Code:
    archive = files.enter_context(tarfile.open(fileobj=plain, mode="r:"))  # noqa: SIM115
    found: dict[str, tarfile.TarInfo] = {}
    for number, member in enumerate(archive):
        if number >= 2 * limits.files:
            raise InvalidEvent(f"the archive has more than {2 * limits.files} members, which is the limit")
        if not member.isdir():
            found[_relative(member.name)] = member
    problems: list[str] = []
    targets = {path: _followed(path, found, problems) for path in found}
    _refuse(problems)

    def read(member: Member) -> IO[bytes]:
        content = archive.extractfile(targets[member.place])
        assert content is not None, "only regular files are members"
        return content

    return _code({path: target.size for path, target in targets.items()}, read, limits)


def _followed(path: str, found: Mapping[str, tarfile.TarInfo], problems: list[str]) -> tarfile.TarInfo:
    """Return the regular file that a path leads to; note what is none, or out of the folder."""
    member, place = found[path], path
    for _ in range(_MOST_HOPS):
        if member.isreg():
            return member
        if not (member.issym() or member.islnk()):
            problems.append(f"{path} is a device or a pipe; leave it out")
            return member
        base = posixpath.dirname(place) if member.issym() else ""
        place = posixpath.normpath(posixpath.join(base, member.linkname))
        if place.startswith(("/", "../")) or place == "..":
            problems.append(f"{path} is a link out of the folder, to {member.linkname[:200]!r}; leave it out")
            return member
        if place not in found:
            problems.append(f"{path} is a link to {member.linkname[:200]!r}, which is no file of the archive")
            return member
        member = found[place]
    problems.append(f"{path} is a link that leads in circles; leave it out")
    return member


def _zip(packed: IO[bytes], limits: Limits, files: contextlib.ExitStack) -> Code:
    _check_directory(packed, limits)
    archive = files.enter_context(zipfile.ZipFile(packed))
    found = {_relative(entry.filename): entry for entry in archive.infolist() if not entry.is_dir()}
    _refuse([problem for path, entry in found.items() for problem in _entry_problems(path, entry)])
    sizes = {path: entry.file_size for path, entry in found.items()}
    return _code(sizes, lambda member: archive.open(found[member.place]), limits)


def _check_directory(packed: IO[bytes], limits: Limits) -> None:
    """Refuse a directory that would fill the memory when it is read; it is at the end."""
    size = packed.seek(0, 2)
    packed.seek(max(0, size - _ZIP_TAIL_BYTES))
    tail = packed.read()
    packed.seek(0)
    end = tail.rfind(_ZIP_END)
    directory = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if _ZIP64_END in tail or directory > limits.files * _ENTRY_BYTES:
        raise InvalidEvent(f"the zip's directory is too big for {limits.files} files, which is the limit")


def _entry_problems(path: str, entry: zipfile.ZipInfo) -> list[str]:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return [f"{path} is a link or a device, which a zip may not hold; use a tar, or leave it out"]
    if entry.flag_bits & 1 or entry.compress_type not in _ZIP_METHODS:
        return [f"{path} is encrypted or packed in a way that is not known; use zip's usual one"]
    return []


def _code(sizes: Mapping[str, int], read: Callable[[Member], IO[bytes]], limits: Limits) -> Code:
    if not sizes:
        raise InvalidEvent("the archive holds no files; pack the parser's folder again")
    limits.refuse(sizes)
    top = _only_folder(sizes)
    members = {path.removeprefix(top): Member(size=size, place=path) for path, size in sizes.items()}

    def opener(wanted: Sequence[Member]) -> Iterator[Iterable[bytes]]:
        for member in wanted:
            yield _pieces(read, member)

    return Code(members, opener)


def _pieces(read: Callable[[Member], IO[bytes]], member: Member) -> Iterator[bytes]:
    with _readable(), read(member) as content:
        while piece := content.read(PIECE_BYTES):
            yield piece


def _only_folder(paths: Iterable[str]) -> str:
    """Return the folder, with its slash, that everything lies in, as when the folder itself was packed."""
    tops = {path.partition("/")[:2] for path in paths}
    (name, slash) = next(iter(tops))
    return f"{name}/" if len(tops) == 1 and slash and name not in {"", ".."} else ""


def _relative(name: str) -> str:
    """Return a member's path without the `./` that tar puts before it; nothing else is made good."""
    while name.startswith("./"):
        name = name[2:]
    return name


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise refusal(problems)
