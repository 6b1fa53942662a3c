"""A parser's files as they lie in a store: listed, and read when they are asked for.

What tells the language and the dependencies is a few small files; the rest is only ever streamed, so that a
source of any size costs the memory of what is read ahead. Limits hold for the listing, before anything is
read.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from automation.errors import InvalidEvent

PIECE_BYTES: Final = 1024 * 1024
"""Most that is read of a file at once."""

MAX_TEXT_BYTES: Final = 16 * 1024 * 1024
"""Most that is read as a whole of one source: manifests, and sources whose text tells how they are called."""

MAX_PATH_CHARACTERS: Final = 200
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_@+=,()\[\] .-]+")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a parser may consist of; they bound memory, disk and time of one event."""

    files: int = 10_000
    file_bytes: int = 100 * 1024 * 1024
    total_bytes: int = 256 * 1024 * 1024

    def refuse(self, sizes: Mapping[str, int]) -> None:
        """Raise InvalidEvent for more or bigger files than allowed, with every problem."""
        if found := self.problems(sizes):
            raise refusal(found)

    def problems(self, sizes: Mapping[str, int]) -> list[str]:
        """Return what is too much in a listing; an empty list if nothing is."""
        found = [
            f"{path[:MAX_PATH_CHARACTERS]} has {size} bytes; at most {self.file_bytes} are allowed"
            for path, size in sorted(sizes.items())
            if size > self.file_bytes
        ]
        if len(sizes) > self.files:
            found.append(f"{len(sizes)} files; at most {self.files} are allowed")
        total = sum(sizes.values())
        if total > self.total_bytes:
            found.append(f"{total} bytes in all; at most {self.total_bytes} are allowed")
        return found


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of a source, not read yet."""

    size: int
    """In bytes, as listed."""
    place: str
    """What the store calls it."""
    version: str = ""
    """What changes with the content, such as an ETag; empty: nothing tells."""


Opener = Callable[[Sequence[Member]], Iterator[Iterable[bytes]]]
"""Returns the contents of these members in their order, each in pieces; one is read to its end before the
next. Raises what SourceStore.read raises, while it is iterated."""


@dataclass(frozen=True, eq=False)
class Code(Mapping[str, bytes]):
    """The files of one source by path. As a mapping it reads and keeps whole files: small ones only.

    Not for several threads at once.
    """

    members: Mapping[str, Member]
    opener: Opener
    held: dict[str, bytes] = field(default_factory=dict)
    """What was read as a whole already."""

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file by its path."""
        return {path: member.size for path, member in self.members.items()}

    def __getitem__(self, path: str) -> bytes:
        """Return a file as a whole. Raises KeyError, InvalidEvent, and what the store raises."""
        if path not in self.held:
            member = self.members[path]
            if member.size + sum(map(len, self.held.values())) > MAX_TEXT_BYTES:
                raise InvalidEvent(
                    f"{path} and what else tells how the parser is built have over {MAX_TEXT_BYTES} bytes; "
                    "make them smaller"
                )
            self.held[path] = b"".join(next(self.opener([member])))
        return self.held[path]

    def __contains__(self, path: object) -> bool:
        return path in self.members

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def head(self, path: str) -> bytes:
        """Return how a file begins; a small one is kept. Raises as the store."""
        member = self.members[path]
        if path in self.held or member.size <= PIECE_BYTES:
            return self[path]
        return next(iter(next(self.opener([member]))), b"")

    def stream(self) -> Iterator[Iterable[bytes]]:
        """Return all contents in the order of paths, each in pieces to be read to the end before the next."""
        paths = sorted(self.members)
        opened = self.opener([self.members[path] for path in paths if path not in self.held])
        for path in paths:
            yield (self.held[path],) if path in self.held else next(opened)

    def with_file(self, path: str, data: bytes) -> "Code":
        """Return the source with one file more."""
        members = {**self.members, path: Member(size=len(data), place=path)}
        return Code(members, self.opener, {**self.held, path: data})

    def renamed(self, path: str) -> "Code":
        """Return a source of one file with that file at another path."""
        ((old, member),) = self.members.items()
        held = {path: self.held[old]} if old in self.held else {}
        return Code({path: member}, self.opener, held)


def held(files: Mapping[str, bytes]) -> Code:
    """Return code that is in memory already."""
    members = {path: Member(size=len(data), place=path) for path, data in files.items()}
    return Code(members, lambda wanted: iter([(files[member.place],) for member in wanted]), dict(files))


def problems(sizes: Mapping[str, int], limits: Limits) -> list[str]:
    """Return what is wrong with the files of a listing; an empty list if nothing is."""
    folders = {str(folder) for path in sizes for folder in PurePosixPath(path).parents}
    return [
        *(problem for path in sorted(sizes) for problem in _path_problems(path)),
        *(
            f"{path[:MAX_PATH_CHARACTERS]} is a file and a folder; keep one"
            for path in sorted(folders & sizes.keys())
        ),
        *limits.problems(sizes),
    ]


def refusal(found: Sequence[str]) -> InvalidEvent:
    """Return the error that says all of this is wrong with a parser's files."""
    return InvalidEvent(f"the parser's files cannot be built: {found[0]}", details=tuple(found))


def _path_problems(path: str) -> list[str]:
    found = []
    if len(path) > MAX_PATH_CHARACTERS:
        found.append(f"path of {len(path)} characters; at most {MAX_PATH_CHARACTERS} are allowed")
    if not all(_SEGMENT.fullmatch(part) and part not in {".", ".."} for part in path.split("/")):
        shown = path[:MAX_PATH_CHARACTERS]
        found.append(f"path {shown!r} is not allowed: use names of ASCII letters, digits and ._-, no '..'")
    return found
