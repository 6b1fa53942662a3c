"""The languages of parsers: which there are, in which versions, and how a folder's files tell them.

Pure. What is decided here, and what happens to versions that are too old, is argued in
docs/decisions/0050-languages.md. How each is built is in `dockerfiles.py`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Language:
    """One language that parsers are written in."""

    name: str
    """As events say it; with a version behind it the name of a runtime, such as `python3.11`."""
    versions: tuple[str, ...]
    """What is built, oldest first."""
    outdated: tuple[str, ...]
    """Versions that are still accepted in events; built as the oldest of `versions`."""
    entries: tuple[str, ...]
    """Files that hold the handler, in the order in which they are looked for."""
    suffixes: tuple[str, ...]
    """Of source files."""
    manifest: str
    """File that lists dependencies."""
    lock: str = ""
    """File that pins them."""

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Every runtime that an event may name."""
        return tuple(f"{self.name}{version}" for version in (*self.outdated, *self.versions))

    def version_of(self, runtime: str | None) -> str | None:
        """Return the version that is built for a runtime that an event names; None where it names none."""
        version = (runtime or "").removeprefix(self.name)
        return (version if version in self.versions else self.versions[0]) if version else None


PYTHON: Final = Language(
    name="python",
    versions=("3.11", "3.12", "3.13"),
    outdated=("3.9", "3.10"),
    entries=("parser.py", "main.py", "handler.py", "index.py"),
    suffixes=(".py",),
    manifest="requirements.txt",
)
NODEJS: Final = Language(
    name="nodejs",
    versions=("20", "22"),
    outdated=("18",),
    entries=tuple(
        f"{stem}.{end}" for stem in ("parser", "index", "main", "handler") for end in ("js", "mjs", "cjs")
    ),
    suffixes=(".js", ".mjs", ".cjs"),
    manifest="package.json",
    lock="package-lock.json",
)
GO: Final = Language(
    name="go",
    versions=("1.24", "1.25", "1.26"),
    outdated=("1.20", "1.21", "1.22", "1.23"),
    entries=("parser.go", "main.go", "handler.go", "index.go"),
    suffixes=(".go",),
    manifest="go.mod",
    lock="go.sum",
)
LANGUAGES: Final[Mapping[str, Language]] = MappingProxyType(
    {each.name: each for each in (PYTHON, NODEJS, GO)}
)
"""All languages by name."""

RUNTIMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {name: language.runtimes for name, language in LANGUAGES.items()}
)
"""Accepted languages, and the runtimes of each."""

UNNAMED: Final = "parser"
"""Path of a single object's code whose key does not tell the language."""

_SUFFIXES: Final = tuple(suffix for language in LANGUAGES.values() for suffix in language.suffixes)
_TAG_VERSION: Final = re.compile(r"(?<=:)\d+(?:\.\d+)*(?=[^/:]*$)")


@dataclass(frozen=True, kw_only=True)
class Detected:
    """What a parser is written in, and the file that holds its handler."""

    language: Language
    entry: str


class UnknownLanguage(Exception):
    """The files do not say which language they are in; the text says what to do."""


def detect(paths: Collection[str], language: str | None = None) -> Detected:
    """Return the language and the entry file of these files; `language` is the one that an event names.

    An entry file decides, then the only source file at the top. Of several languages the one whose entry file
    is named `parser` wins. Raises UnknownLanguage.
    """
    if language is not None and language not in LANGUAGES:
        raise UnknownLanguage(f"language {language!r} cannot be built; allowed: {', '.join(LANGUAGES)}")
    candidates = [LANGUAGES[language]] if language else list(LANGUAGES.values())
    found = [Detected(language=each, entry=entry) for each in candidates if (entry := _entry(paths, each))]
    if len(found) > 1:
        found = [each for each in found if _stem(each.entry) == "parser"] or found
    if len(found) == 1:
        return found[0]
    raise UnknownLanguage(_ambiguous(found) if found else _nothing(paths, candidates))


def object_name(key: str) -> str:
    """Return the path of a single object's code: the end of its key where that tells the language."""
    name = key.rstrip("/").rpartition("/")[2]
    return name if name.endswith(_SUFFIXES) else UNNAMED


def unnamed_entry(language: str | None) -> str:
    """Return what an unnamed single object is called: the entry of the event's language, else Python's."""
    return LANGUAGES.get(language or PYTHON.name, PYTHON).entries[0]


def with_version(image: str, version: str | None) -> str | None:
    """Return the image with the version in its tag's place; None if its tag shows none that could give way.

    What a digest names cannot be another version either.
    """
    if version is None:
        return image
    match = None if "@" in image else _TAG_VERSION.search(image)
    return None if match is None else image[: match.start()] + version + image[match.end() :]


def _entry(paths: Collection[str], language: Language) -> str:
    named = next((name for name in language.entries if name in paths), None)
    top = [
        path for path in paths if path.endswith(language.suffixes) and "/" not in path and not _is_test(path)
    ]
    return named or (top[0] if len(top) == 1 else "")


def _is_test(path: str) -> bool:
    """Go's test files are of the same package and hold no handler."""
    return path.endswith("_test.go")


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _ambiguous(found: list[Detected]) -> str:
    entries = ", ".join(each.entry for each in found)
    names = ", ".join(each.language.name for each in found)
    return f"{entries} are of different languages; set `language` to one of {names}"


def _nothing(paths: Collection[str], candidates: list[Language]) -> str:
    if not paths:
        return "there are no files; put parser.py, parser.js or parser.go there"
    usual = ", ".join(name for each in candidates for name in each.entries)
    for each in candidates:
        if each.manifest in paths:
            return (
                f"{each.manifest} says {each.name}, but none of {', '.join(each.entries)} is there; "
                f"name the file with the handler {each.entries[0]}"
            )
    first = " or ".join(each.entries[0] for each in candidates)
    return f"none of {usual} is there; name the file with the handler {first}"
