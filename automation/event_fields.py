"""Reading the fields of an event's data: every value is checked, every problem noted, none ends the reading.

Pure, standard library only. `automation.event_parser` composes these readers into events. A reader that notes
a problem returns a placeholder of the right type; the caller throws the event away when there are problems.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_KEY_BYTES: Final = 1024
"""Longest object key, in UTF-8 bytes: the limit of S3."""

MAX_ATTRIBUTE_CHARACTERS: Final = 1024
"""Longest CloudEvents attribute that is accepted: several times what any sender in the contract needs."""

MAX_SHOWN_CHARACTERS: Final = 80
"""How much of a refused value an error text repeats; the rest could be anything, of any size."""

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_BUILD_ID: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_OBJECT_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_TOKEN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _.-]{0,61}[A-Za-z0-9])?")
_PLAN_ID: Final = re.compile(r"plan-[0-9a-f]{32}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PATH_PART: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE: Final = re.compile(
    r"(?:(?=[^/]*[.:]|localhost/)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"  # registry
    rf"{_PATH_PART}(?:/{_PATH_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


def is_printable(text: str) -> bool:
    """Say whether the text has no control characters, line separators or half surrogates."""
    return _CONTROL.search(text) is None


def is_object_key(key: str) -> bool:
    """Say whether the text is an object key that stays below its bucket, also when a bucket is a folder."""
    return (
        0 < len(key.encode("utf-8", "replace")) <= MAX_KEY_BYTES
        and not key.startswith("/")
        and ".." not in key
        and "\\" not in key
        and is_printable(key)
    )


def is_bucket(name: str) -> bool:
    """Say whether the text is a bucket name by the rules of S3."""
    return bool(_BUCKET.fullmatch(name)) and ".." not in name and not _ADDRESS.fullmatch(name)


@dataclass(frozen=True)
class Syntax:
    """What a text may look like: a test, and the same in words for the error text."""

    allowed: str
    accepts: Callable[[str], bool]


def _pattern(pattern: re.Pattern[str], allowed: str) -> Syntax:
    return Syntax(allowed, lambda text: pattern.fullmatch(text) is not None)


def one_of(*allowed: str) -> Syntax:
    """Return the syntax of a text that is one of a list."""
    return Syntax(", ".join(allowed), allowed.__contains__)


NAME: Final = Syntax(
    "1 to 63 letters, digits, '.', '-' and '_', a letter or digit at both ends, no '..'",
    lambda text: _NAME.fullmatch(text) is not None and ".." not in text,
)
BUILD_ID: Final = _pattern(_BUILD_ID, "1 to 63 letters, digits and '-', a letter or digit at both ends")
BUCKET: Final = Syntax(
    "3 to 63 lower-case letters, digits, '.' and '-', a letter or digit at both ends, no '..', no IP address",
    is_bucket,
)
OBJECT_KEY: Final = Syntax(
    f"1 to {MAX_KEY_BYTES} bytes, relative, without '..', '\\' and control characters", is_object_key
)
IMAGE: Final = Syntax(
    "an image reference of at most 512 characters such as registry/repository:tag or "
    "registry/repository@sha256:<64 hex digits>",
    lambda text: len(text) <= 512 and _IMAGE.fullmatch(text) is not None,
)
DIGEST: Final = _pattern(_DIGEST, "sha256:<64 lower-case hex digits>")
CONTENT_HASH: Final = _pattern(_HASH, "64 lower-case hex digits")
PLAN_ID: Final = _pattern(_PLAN_ID, "the plan_id of a plan: plan-<32 lower-case hex digits>")
OBJECT_NAME: Final = _pattern(_OBJECT_NAME, "a Kubernetes object name of at most 253 characters")
TOKEN: Final = _pattern(_TOKEN, "1 to 63 letters, digits, ' ', '.', '-' and '_'")
ATTRIBUTE: Final = Syntax(
    f"1 to {MAX_ATTRIBUTE_CHARACTERS} characters without control characters",
    lambda text: 0 < len(text) <= MAX_ATTRIBUTE_CHARACTERS and is_printable(text),
)
PRINTABLE: Final = Syntax(
    "1 to 256 characters without control characters", lambda text: 0 < len(text) <= 256 and is_printable(text)
)


def shown(value: Any) -> str:
    """Return a JSON value as an error text may show it: ASCII, short, never a whole document."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = value[:MAX_SHOWN_CHARACTERS] if isinstance(value, str) else value
    cut = "..." if isinstance(value, str) and len(value) > MAX_SHOWN_CHARACTERS else ""
    return json.dumps(text)[: 6 * MAX_SHOWN_CHARACTERS] + cut


@functools.cache
def spellings(name: str) -> tuple[str, ...]:
    """Return a snake_case field name and its camelCase form."""
    head, *rest = name.split("_")
    return tuple(dict.fromkeys((name, head + "".join(part.capitalize() for part in rest))))


class Fields:
    """The fields of one JSON object under their snake_case names; camelCase spellings are found as well.

    `null` counts as absent. Problems are appended to the list that the caller handed in.
    """

    def __init__(self, data: Mapping[str, Any], problems: list[str]) -> None:
        self._data = data
        self.problems = problems

    def note(self, name: str, problem: str) -> None:
        """Note a problem with a field."""
        self.problems.append(f"{name}: {problem}")

    @property
    def names(self) -> frozenset[str]:
        """The names of all fields that are there, as they are spelt."""
        return frozenset(name for name, value in self._data.items() if value is not None)

    def has(self, *names: str) -> bool:
        """Say whether any of the fields is there, in any spelling."""
        return any(self._data.get(spelling) is not None for name in names for spelling in spellings(name))

    def value(self, *names: str) -> Any:
        """Return the value under any of several names for one thing, None if absent.

        Different values under two of the names are a problem; `1` and `true` are different.
        """
        found = {
            spelling: self._data[spelling]
            for name in names
            for spelling in spellings(name)
            if self._data.get(spelling) is not None
        }
        if not found:
            return None
        (chosen, value), *others = found.items()
        for other, contrary in others:
            if (type(contrary), contrary) != (type(value), value):
                self.note(other, f"{shown(contrary)} contradicts {chosen} {shown(value)}; send one of them")
        return value

    def text(self, *names: str, syntax: Syntax) -> str | None:
        """Return an optional text of the given syntax."""
        value = self.value(*names)
        if value is None or (isinstance(value, str) and syntax.accepts(value)):
            return value
        self.note(names[0], f"{shown(value)} is not allowed; allowed: {syntax.allowed}")
        return None

    def required(self, *names: str, syntax: Syntax) -> str:
        """Return a text that has to be there; an empty string stands for a noted problem."""
        if not self.has(*names):
            self.note(names[0], f"missing; send {' or '.join(names)}: {syntax.allowed}")
        return self.text(*names, syntax=syntax) or ""

    def choice(self, *names: str, allowed: tuple[str, ...]) -> str | None:
        """Return an optional text that is one of a list."""
        return self.text(*names, syntax=one_of(*allowed))

    def integer(self, *names: str, minimum: int, maximum: int) -> int | None:
        """Return an optional integer within bounds, both included."""
        value = self.value(*names)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum:
            return value
        self.note(names[0], f"{shown(value)} is not allowed; allowed: an integer from {minimum} to {maximum}")
        return None

    def flag(self, *names: str) -> bool:
        """Return a boolean; absent is False."""
        value = self.value(*names)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.note(names[0], f"{shown(value)} is not allowed; allowed: true or false")
        return False

    def prose(self, *names: str, limit: int) -> str:
        """Return free text for people, its last `limit` characters; anything but a text is a problem."""
        value = self.value(*names)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.note(names[0], f"{shown(value)} is not allowed; allowed: text")
            return ""
        return value[-limit:].encode("utf-8", "replace").decode("utf-8")
