"""Which letters are meant: filters and ages as they are written in a request. Pure.

    filter   `category=transient,type=network.notifi.lambda.build.start`: all of them have to hold
    maxAge   `24h`, `30m`, `90s`, `7d`: not older than that; minAge likewise

Keys of a filter: category (or class), reason, cause, type, source, third_party, id (the event's), letter
(ours). A value that ends in `*` is what the text begins with.
"""

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from automation.dead_letters.kept import CATEGORIES, Kept
from automation.errors import InvalidEvent

MAX_COUNT: Final = 1000
"""Letters that one request may list, replay or purge."""

_KEYS: Final[Mapping[str, Callable[[Kept], str]]] = {
    "category": lambda kept: kept.category,
    "reason": lambda kept: kept.reason,
    "cause": lambda kept: kept.cause,
    "type": lambda kept: kept.attributes.get("type", ""),
    "source": lambda kept: kept.attributes.get("source", ""),
    "third_party": lambda kept: kept.third_party,
    "id": lambda kept: kept.attributes.get("id", ""),
    "letter": lambda kept: kept.id,
}
_ALIASES: Final = {"class": "category", "third_party_id": "third_party", "thirdParty": "third_party"}
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGE: Final = re.compile(r"(\d{1,7})([smhd])")


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which letters, and how many of them."""

    wanted: Mapping[str, str] = field(default_factory=dict)
    """Values by key; all of them have to hold."""
    max_age_seconds: float | None = None
    min_age_seconds: float = 0.0
    count: int = 10
    """At most."""

    def matches(self, kept: Kept, now: datetime.datetime) -> bool:
        """Say whether a letter is meant."""
        age = kept.age_seconds(now)
        if age < self.min_age_seconds or (self.max_age_seconds is not None and age > self.max_age_seconds):
            return False
        return all(_fits(_KEYS[key](kept), value) for key, value in self.wanted.items())


def read(fields: Mapping[str, Any], *, count: int, also: frozenset[str] = frozenset()) -> Query:
    """Return the query of a request's fields; `also` are further ones that its reader knows.

    `count` is how many are meant where that is not said. Raises InvalidEvent with every problem.
    """
    problems = [
        f"{name}: not known; known are {', '.join(sorted({*_FIELDS, *also}))}"
        for name in fields
        if name not in _FIELDS and name not in also
    ]
    query = Query(
        wanted=_filter(fields.get("filter", ""), problems),
        max_age_seconds=_age("maxAge", fields, problems),
        min_age_seconds=_age("minAge", fields, problems) or 0.0,
        count=_count(fields.get("count", count), problems),
    )
    if problems:
        raise InvalidEvent("not a request for dead letters", details=tuple(problems))
    return query


_FIELDS: Final = ("filter", "maxAge", "minAge", "count")


def _fits(value: str, wanted: str) -> bool:
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def _filter(text: Any, problems: list[str]) -> dict[str, str]:
    if not isinstance(text, str):
        problems.append("filter: not a text; write key=value, several of them with commas")
        return {}
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, sign, value = part.partition("=")
        key = _ALIASES.get(key, key)
        if not sign or key not in _KEYS:
            problems.append(
                f"filter: {part[:80]!a} is not allowed; allowed: key=value, keys {', '.join(_KEYS)}"
            )
        elif key == "category" and value not in CATEGORIES:
            problems.append(
                f"filter: category {value[:80]!a} is not allowed; allowed: {', '.join(CATEGORIES)}"
            )
        else:
            found[key] = value
    return found


def _age(name: str, fields: Mapping[str, Any], problems: list[str]) -> float | None:
    text = fields.get(name)
    if text is None or text == "":
        return None
    match = _AGE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        problems.append(
            f"{name}: {str(text)[:80]!a} is not allowed; allowed: a number with s, m, h or d: 24h"
        )
        return None
    return float(int(match[1]) * _UNITS[match[2]])


def _count(value: Any, problems: list[str]) -> int:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_COUNT:
        problems.append(f"count: {text[:80]!a} is not allowed; allowed: 1 to {MAX_COUNT}")
        return 1
    return int(text)
