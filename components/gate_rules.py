"""Rules of gates, as data: which plans wait for somebody's approval. Pure.

JSON text such as `[{"name": "replacing", "when": {"steps": ["replace"], "kinds": ["Service"]}}]`. The stack's
configuration and the service read it alike.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

STEPS: Final = ("create", "update", "replace", "delete")
"""What a plan can do to a resource."""

WIDENED: Final = "widened"
"""What `rights` may say: the plan gives somebody a right that the function's objects did not give before."""

MAX_RULES: Final = 32
_MAX_RESOURCES: Final = 1000
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")


class InvalidRules(ValueError):
    """The text holds no rules; `problems` lists everything that has to change."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A plan trips it when all of this is true of the plan."""

    name: str
    steps: frozenset[str] = frozenset(STEPS)
    """Steps that count, of STEPS."""
    kinds: frozenset[str] = frozenset()
    """Kinds of objects that count, such as `Service`; empty: all."""
    more_than: int = 0
    """More steps than this have to count."""
    rights_widened: bool = False
    """Somebody has to gain a right."""


def parse(text: str) -> tuple[Rule, ...]:
    """Return the rules of a JSON text. Raises InvalidRules with every mistake."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidRules([f"it is no JSON ({error}); give a list of rules"]) from None
    if not isinstance(found, list) or not 0 < len(found) <= MAX_RULES:
        raise InvalidRules([f"give a JSON list of 1 to {MAX_RULES} rules, or leave it out"])
    problems: list[str] = []
    rules = [_rule(f"rule {number}", item, problems) for number, item in enumerate(found, 1)]
    names = [rule.name for rule in rules if rule.name]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [f"{name!r} names several rules; give each a name of its own" for name in twice]
    if problems:
        raise InvalidRules(problems)
    return tuple(rules)


def _rule(place: str, item: Any, problems: list[str]) -> Rule:
    if not isinstance(item, dict):
        problems.append(f'{place}: give an object such as {{"name": "...", "when": {{...}}}}')
        return Rule(name="")
    _refuse_others(place, item, ("name", "when"), problems)
    name, when = item.get("name"), item.get("when")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problems.append(f"{place}: name is {name!r}: give 1 to 63 lower-case letters, digits, inner hyphens")
        name = ""
    if not isinstance(when, dict) or not when:
        problems.append(f"{place}: when is {when!r}: give one or several of {', '.join(_CONDITIONS)}")
        return Rule(name=name)
    return Rule(name=name, **_conditions(place, when, problems))


def _conditions(place: str, when: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    _refuse_others(place, when, tuple(_CONDITIONS), problems)
    values: dict[str, Any] = {}
    for key, condition in _CONDITIONS.items():
        if key not in when:
            continue
        if condition.accepts(when[key]):
            values[condition.field] = condition.value(when[key])
        else:
            problems.append(f"{place}: {key} is {when[key]!r}: give {condition.allowed}")
    return values


def _refuse_others(
    place: str, item: Mapping[str, Any], allowed: tuple[str, ...], problems: list[str]
) -> None:
    problems += [
        f"{place}: {key!r} means nothing; allowed: {', '.join(allowed)}" for key in item if key not in allowed
    ]


@dataclass(frozen=True)
class _Condition:
    """One key of `when`."""

    field: str
    accepts: Callable[[Any], bool]
    value: Callable[[Any], Any]
    allowed: str


def _words(accepts: Callable[[str], object]) -> Callable[[Any], bool]:
    return lambda given: (
        isinstance(given, list)
        and bool(given)
        and all(isinstance(word, str) and accepts(word) for word in given)
    )


_CONDITIONS: Final[Mapping[str, _Condition]] = {
    "steps": _Condition("steps", _words(STEPS.__contains__), frozenset, f"a list of {', '.join(STEPS)}"),
    "kinds": _Condition("kinds", _words(_KIND.fullmatch), frozenset, 'a list of kinds such as "Service"'),
    "more_than": _Condition(
        "more_than",
        lambda given: type(given) is int and 0 <= given <= _MAX_RESOURCES,
        int,
        f"a whole number from 0 to {_MAX_RESOURCES}",
    ),
    "rights": _Condition(
        "rights_widened", lambda given: given == WIDENED, lambda given: True, f'"{WIDENED}"'
    ),
}
