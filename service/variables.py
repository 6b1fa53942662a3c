"""Reading environment variables one by one. Pure.

Every mistake is noted: what, the value (never a secret's), what is allowed, the remedy. A variable that was
refused reads as not set, so that reading goes on and finds the other mistakes.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from automation.event_fields import Syntax, shown
from components import mirrors

MAX_SECONDS: Final = 3600.0
MAX_RATE: Final = 100_000.0

_TRUE: Final = ("true", "1", "yes")
_FALSE: Final = ("false", "0", "no")


def _pattern(pattern: str, allowed: str) -> Syntax:
    compiled = re.compile(pattern)
    return Syntax(allowed, lambda text: compiled.fullmatch(text) is not None)


HOST: Final = _pattern(r"[A-Za-z0-9:.-]{1,253}", "an IP address or a host name")
REGISTRY: Final = _pattern(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::\d{1,5})?", "a host name with an optional port"
)
REPOSITORY: Final = _pattern(
    r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*", "lower-case letters and digits, parted by '/', '-', '_' and '.'"
)
KMS_KEY: Final = _pattern(
    r"arn:aws[a-z-]*:kms:[a-z0-9-]{1,32}:[0-9]{12}:(?:key|alias)/[A-Za-z0-9/_-]{1,256}",
    "the ARN of a KMS key",
)
LABEL: Final = _pattern(
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", "1 to 63 lower-case letters, digits and '-', no '-' at the ends"
)
REGION: Final = _pattern(r"[a-z0-9-]{1,32}", "the name of a region, such as us-west-2")
WEB_URL: Final = _pattern(r"https?://[^\s/?#{}]+[!-~]*", "an absolute http or https URL")
BACKEND_URL: Final = _pattern(r"(?:file|s3)://[ -~]+", "a URL that begins with file:// or s3://")
FUNCTION_URL: Final = _pattern(
    r"https?://(?:[^\s{}]|\{name\}|\{namespace\})+", "an http or https URL with {name} and {namespace} in it"
)
MIRROR: Final = Syntax(mirrors.URL_ALLOWED, mirrors.is_mirror)
GO_PROXY: Final = Syntax(mirrors.PROXY_ALLOWED, mirrors.is_proxy)
AMQP_URL: Final = _pattern(
    r"amqps?://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:/[A-Za-z0-9._%-]*)?",
    "amqp:// or amqps:// with host, port and virtual host, no credentials",
)
QUEUE: Final = _pattern(r"[A-Za-z0-9._:-]{1,255}", "1 to 255 letters, digits and '.', '_', ':', '-'")
EVENT_TYPES: Final = _pattern(
    r"[A-Za-z0-9._-]{1,255}(?:,[A-Za-z0-9._-]{1,255})*", "types of events with commas between them"
)
STEPS: Final = _pattern(
    r"[1-9]\d?(?:,[1-9]\d?)*", "percents from 1 to 99 with commas between them, rising, such as 10,50"
)
IMAGE_SOURCES: Final = _pattern(
    r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}(?:,[A-Za-z0-9][A-Za-z0-9._:/-]{0,255})*",
    "registries, with repositories or without, with commas between them",
)
ANYTHING: Final = Syntax("any text", lambda text: True)
PATH: Final = _pattern(r"[^\x00-\x1f]{1,4096}", "a path")


class Variables:
    """Environment variables, and the problems found in them so far."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def note(self, problem: str) -> None:
        """Note a problem."""
        self.problems.append(problem)

    def text(self, name: str, syntax: Syntax) -> str | None:
        """Return a variable, or None when it is not set."""
        value = self._environ.get(name) or None
        if value is None or syntax.accepts(value):
            return value
        self._refuse(name, value, syntax.allowed)
        return None

    def required(self, name: str, syntax: Syntax) -> str | None:
        """Return a variable that has no sensible default."""
        if not self._environ.get(name):
            self.note(f"{name}: not set; set it to {syntax.allowed}")
        return self.text(name, syntax)

    def secret(self, name: str) -> str | None:
        """Return a variable that no message may show, or None when it is not set."""
        return self._environ.get(name) or None

    def choice(
        self, name: str, allowed: tuple[str, ...], aliases: Mapping[str, str] | None = None
    ) -> str | None:
        """Return one of a list of words, in lower case, or None when it is not set."""
        word = (self._environ.get(name) or "").lower()
        word = (aliases or {}).get(word, word)
        if word and word not in allowed:
            self._refuse(name, word, ", ".join(allowed))
        return word if word in allowed else None

    def words(self, name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """Return words of a list, parted by commas; none when it is not set."""
        words = tuple(word.strip() for word in (self._environ.get(name) or "").split(",") if word.strip())
        for word in words:
            if word not in allowed:
                self._refuse(name, word, f"{', '.join(allowed)}, parted by commas")
        return tuple(word for word in words if word in allowed)

    def flag(self, name: str) -> bool | None:
        """Return a yes or no, or None when it is not set."""
        word = self.choice(name, _TRUE + _FALSE)
        return None if word is None else word in _TRUE

    def count(self, name: str, *, maximum: int) -> int | None:
        """Return an integer from 1 to a maximum, or None when it is not set."""
        if not self._environ.get(name):
            return None
        return self.integer(name, 1, minimum=1, maximum=maximum)

    def integer(self, name: str, default: int, *, minimum: int, maximum: int) -> int:
        """Return an integer within bounds, both included."""
        number = self._number(name, default)
        if number.is_integer() and minimum <= number <= maximum:
            return int(number)
        self._refuse(name, self._environ[name], f"an integer from {minimum} to {maximum}")
        return default

    def seconds(self, name: str, default: float, *, minimum: float = 0.1) -> float:
        """Return a duration in seconds within bounds, both included."""
        number = self._number(name, default)
        if minimum <= number <= MAX_SECONDS:
            return number
        self._refuse(name, self._environ[name], f"seconds from {minimum:g} to {MAX_SECONDS:g}")
        return default

    def rate(self, name: str, default: float) -> float:
        """Return how often in a second; 0 stands for no limit."""
        number = self._number(name, default)
        if 0 <= number <= MAX_RATE:
            return number
        self._refuse(name, self._environ[name], f"a rate in a second from 0 (no limit) to {MAX_RATE:g}")
        return default

    def _number(self, name: str, default: float) -> float:
        try:
            return float(self._environ.get(name) or default)
        except ValueError:
            return math.nan

    def _refuse(self, name: str, value: str, allowed: str) -> None:
        self.note(f"{name}: {shown(value)} is not allowed; allowed: {allowed}; correct or unset it")
