"""Dockerfile text to instructions. Pure.

Stages, and the instructions that functions need. Everything else that Docker knows (ADD, VOLUME, heredocs,
wildcards…) is refused by name and line, never passed over.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from local.builder.errors import DockerfileError
from local.builder.lexer import split_words

KNOWN = frozenset(
    ("FROM", "ENV", "ARG", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "LABEL", "ENTRYPOINT", "CMD")
)
_REFUSED = frozenset(("ADD", "HEALTHCHECK", "MAINTAINER", "ONBUILD", "SHELL", "STOPSIGNAL", "VOLUME"))
_COPY_FLAGS = frozenset(("chmod", "chown", "from"))
_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(.*?)\s*")
_INSTRUCTION = re.compile(r"([A-Za-z]+)(?:\s+(.*))?", re.DOTALL)
_PAIR = re.compile(r"([^=\s\"']+)=(.*)", re.DOTALL)
_ARG = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(=.*)?", re.DOTALL)
_HEREDOC = re.compile(r"(?:^|\s)<<-?[\"']?[A-Za-z_]")
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Words still have their quotes and variables; only RUN, CMD and ENTRYPOINT have `exec`.
    """

    line: int
    """Of its beginning, from 1."""
    name: str
    """In capitals."""
    text: str
    """The arguments as written, continuation lines joined."""
    words: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    """Of ENV, LABEL and ARG."""
    unset: bool = False
    """Of an ARG: it has no default."""
    exec: tuple[str, ...] | None = None
    """The JSON form of RUN, CMD and ENTRYPOINT; None for the shell form."""
    flags: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.text}"


@dataclass(frozen=True)
class Stage:
    """FROM, and the steps up to the next one."""

    base: Instruction
    """Its words are the image, and the stage's name if it has one."""
    steps: tuple[Instruction, ...]


@dataclass(frozen=True)
class Dockerfile:
    """A parsed Dockerfile: ARGs before the first FROM, and the stages; the last one makes the image."""

    global_args: tuple[Instruction, ...]
    stages: tuple[Stage, ...]


def parse(text: str) -> Dockerfile:
    """Parse a Dockerfile; raises DockerfileError with the line."""
    instructions = [_instruction(line, content) for line, content in _logical_lines(text)]
    begins = [index for index, found in enumerate(instructions) if found.name == "FROM"]
    if not begins:
        raise DockerfileError(1, "no FROM: the file has no base image")
    for early in instructions[: begins[0]]:
        if early.name != "ARG":
            raise DockerfileError(early.line, f"{early.name} before FROM; only ARG may stand there")
    stages = [
        Stage(instructions[begin], tuple(instructions[begin + 1 : end]))
        for begin, end in zip(begins, [*begins[1:], None], strict=True)
    ]
    return Dockerfile(tuple(instructions[: begins[0]]), tuple(stages))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each instruction: comments and empty lines gone, continuations joined."""
    begin, parts = 0, list[str]()
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("#"):
            _check_directive(number, stripped)
            continue
        if not stripped:
            continue
        begin = begin or number
        body = line.rstrip()
        if body.endswith("\\"):
            parts.append(body[:-1])
            continue
        yield begin, "".join([*parts, body]).strip()
        begin, parts = 0, []
    if parts and (rest := "".join(parts).strip()):
        yield begin, rest


def _check_directive(number: int, comment: str) -> None:
    match = _DIRECTIVE.fullmatch(comment)
    if match and number == 1 and match[1].lower() == "escape" and match[2] != "\\":
        raise DockerfileError(
            number, f"escape character {match[2]!r}; the local builder knows the backslash only"
        )


def _instruction(line: int, text: str) -> Instruction:
    match = _INSTRUCTION.fullmatch(text)
    if match is None:
        raise DockerfileError(line, f"unknown instruction: {text[:64]!r}")
    name, arguments = match[1].upper(), (match[2] or "").strip()
    if name in _REFUSED:
        raise DockerfileError(line, f"{name} is not supported by the local builder")
    if name not in KNOWN:
        raise DockerfileError(line, f"unknown instruction: {name}")
    if not arguments:
        raise DockerfileError(line, f"{name} requires at least one argument")
    if name in ("RUN", "COPY") and _HEREDOC.search(arguments):
        raise DockerfileError(line, f"a heredoc in {name} is not supported by the local builder")
    try:
        return _PARSERS[name](line, name, arguments)
    except ValueError as error:
        raise DockerfileError(line, f"{name}: {error}") from None


def _from(line: int, name: str, text: str) -> Instruction:
    words = split_words(text)
    if words[0].startswith("--"):
        raise DockerfileError(line, f"FROM {words[0]} is not supported by the local builder")
    if len(words) != 1 and not (len(words) == 3 and words[1].upper() == "AS"):
        raise DockerfileError(line, "FROM requires either one or three arguments")
    return Instruction(line, name, text, words=(words[0], *words[2:]))


def _pairs(line: int, name: str, text: str) -> Instruction:
    words = split_words(text)
    if name == "ENV" and "=" not in words[0]:
        return _legacy_env(line, text)
    pairs = []
    for word in words:
        match = _PAIR.fullmatch(word)
        if match is None and name == "LABEL" and word[:1] in "'\"":
            match = re.fullmatch(r"(\"[^\"]+\"|'[^']+')=(.*)", word, re.DOTALL)
        if match is None:
            raise DockerfileError(line, f"{name}: can't find = in {word!r}; must be of the form name=value")
        pairs.append((match[1].strip("\"'"), match[2]))
    return Instruction(line, name, text, pairs=tuple(pairs))


def _legacy_env(line: int, text: str) -> Instruction:
    key, _, value = text.replace("\t", " ").partition(" ")
    if not value.strip():
        raise DockerfileError(line, "ENV must have two arguments, or key=value pairs")
    return Instruction(line, "ENV", text, pairs=((key, value.strip()),))


def _arg(line: int, name: str, text: str) -> Instruction:
    words = split_words(text)
    match = _ARG.fullmatch(words[0]) if len(words) == 1 else None
    if match is None:
        raise DockerfileError(line, f"ARG {text!r}: expected one name or name=default")
    return Instruction(line, name, text, pairs=((match[1], (match[2] or "=")[1:]),), unset=match[2] is None)


def _copy(line: int, name: str, text: str) -> Instruction:
    flags, rest = _flags(line, text)
    words = _json_words(rest)
    found = list(words) if words is not None else split_words(rest)
    if len(found) < 2:
        raise DockerfileError(line, "COPY requires at least two arguments: a source and a destination")
    for word in found[:-1]:
        if _WILDCARD.search(word):
            raise DockerfileError(
                line, f"the wildcard in COPY {word!r} is not supported by the local builder"
            )
    if len(found) > 2 and not found[-1].endswith(("/", ".")):
        raise DockerfileError(line, "COPY of more than one source needs a destination that ends with a /")
    return Instruction(line, name, text, words=tuple(found), flags=flags)


def _flags(line: int, text: str) -> tuple[dict[str, str], str]:
    flags: dict[str, str] = {}
    while text.startswith("--"):
        word, _, text = text.partition(" ")
        name, _, value = word[2:].partition("=")
        if name not in _COPY_FLAGS:
            raise DockerfileError(line, f"COPY --{name} is not supported by the local builder")
        flags[name], text = value, text.strip()
    if "chmod" in flags and not re.fullmatch("0?[0-7]{3}", flags["chmod"]):
        raise DockerfileError(line, f"COPY --chmod={flags['chmod']}: expected an octal mode such as 755")
    return flags, text


def _run(line: int, name: str, text: str) -> Instruction:
    if text.startswith("--"):
        flag = text.partition(" ")[0]
        raise DockerfileError(line, f"{name} {flag} is not supported by the local builder")
    words = _json_words(text)
    if name == "RUN" and words == ():
        raise DockerfileError(line, "RUN []: there is nothing to run")
    return Instruction(line, name, text, exec=words)


def _words(line: int, name: str, text: str) -> Instruction:
    return Instruction(line, name, text, words=tuple(split_words(text)))


def _one_word(line: int, name: str, text: str) -> Instruction:
    # WORKDIR and USER take the rest of the line, white space included.
    return Instruction(line, name, text, words=(text,))


def _json_words(text: str) -> tuple[str, ...] | None:
    """Return the words of the JSON form; None if it is not one, which makes it shell form as in Docker."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except json.JSONDecodeError:
        return None
    return tuple(words) if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


_PARSERS = {
    "FROM": _from,
    "ENV": _pairs,
    "LABEL": _pairs,
    "ARG": _arg,
    "COPY": _copy,
    "RUN": _run,
    "CMD": _run,
    "ENTRYPOINT": _run,
    "EXPOSE": _words,
    "WORKDIR": _one_word,
    "USER": _one_word,
}
