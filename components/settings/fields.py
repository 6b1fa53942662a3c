"""How the fields of a settings dataclass become keys of the stack configuration, and those become its values.

A group is a frozen dataclass whose fields are made by `setting`. A field's key is the group's
PREFIX and the field's name in camelCase: `RabbitmqSettings.cluster` is `rabbitmqCluster`.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any, ClassVar, Final, Self, TypeVar

import pulumi

Reader = Callable[[str], Any]
"""From a key's text to its value; raises ValueError with the end of "key is 'text':"."""
Derived = Callable[[str, Mapping[str, Any]], Any]
"""From an environment and the group's values that were given, by field, to a field's default."""

SECRET: Final = None
"""How a secret is read: not at all, it stays an Output."""

_SETTING: Final = "setting"


class SettingsError(ValueError):
    """The configuration has mistakes; the text lists all of them, `problems` holds them one by one."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("stack configuration:\n" + "\n".join(f"- {problem}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Setting:
    """What a field says of its key."""

    read: Reader | None
    """How the text becomes the value, or SECRET."""
    derived: Derived | None = None
    """The default, where it follows from other values."""


class Group:
    """Base of the settings' groups."""

    PREFIX: ClassVar[str] = ""
    """What its keys begin with."""

    def problems(self, environment: str) -> list[str]:
        """Return what is wrong with values that are right each by itself; whole sentences with the remedy."""
        return []


def setting(read: Reader | None, default: Any = MISSING, *, derived: Derived | None = None) -> Any:
    """Return a field for a key whose text `read` turns into the value, with one of two kinds of default.

    SECRET in the place of `read` stands for a key that is set with `--secret`.
    """
    return dataclasses.field(default=default, metadata={_SETTING: Setting(read, derived)})


def camel(name: str) -> str:
    """Return snake_case as camelCase."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _joined(text: str) -> str:
    """Return a YAML list of texts or of whole numbers, which Pulumi hands over as JSON, parted by commas."""
    if not text.startswith("["):
        return text
    try:
        items = json.loads(text)
    except ValueError:
        return text
    kinds = {type(item) for item in items}
    return ",".join(map(str, items)) if kinds <= {str} or kinds == {int} else text


S = TypeVar("S", bound=Group)


@dataclass(frozen=True)
class Key:
    """One key of the stack configuration and the field that it sets."""

    group: str
    """Name of the group in PlatformSettings; empty: PlatformSettings itself."""
    field: str
    """Name of the field."""
    setting: Setting
    """How it is read."""

    @property
    def is_secret(self) -> bool:
        """Whether the value is a secret Output."""
        return self.setting.read is SECRET


def keys(group: str, settings: type) -> dict[str, Key]:
    """Return the keys of a dataclass's fields that are settings, in order."""
    prefix = getattr(settings, "PREFIX", "")
    return {
        camel(f"{prefix}_{field.name}" if prefix else field.name): Key(
            group, field.name, field.metadata[_SETTING]
        )
        for field in dataclasses.fields(settings)
        if _SETTING in field.metadata
    }


@dataclass(frozen=True)
class Values:
    """What was given: by group, then by field; and what of it could not be read."""

    given: Mapping[str, Mapping[str, Any]]
    problems: tuple[str, ...]
    broken: frozenset[str]
    """Groups with a value that could not be read."""

    @classmethod
    def read(
        cls, table: Mapping[str, Key], texts: Mapping[str, str], secrets: Mapping[str, pulumi.Output[str]]
    ) -> Self:
        """Read all values of known keys; a key with an empty text keeps its default."""
        given: dict[str, dict[str, Any]] = {}
        problems, broken = [], set()
        for name, text in texts.items():
            key = table.get(name)
            if not key or not text or not key.setting.read:
                continue
            try:
                given.setdefault(key.group, {})[key.field] = key.setting.read(_joined(text))
            except ValueError as error:
                problems.append(f"{name} is {text!r}: {error}")
                broken.add(key.group)
        for name, value in secrets.items():
            given.setdefault(table[name].group, {})[table[name].field] = value
        return cls(given, tuple(problems), frozenset(broken))

    def build(self, group: str, settings: type[S], environment: str) -> S:
        """Return a group with what was given and its defaults; of a broken one with defaults only."""
        return settings(**self.complete(group, settings, environment))

    def complete(self, group: str, settings: type[Group], environment: str) -> dict[str, Any]:
        """Return what was given of a group, and the defaults that follow from it, by field."""
        given = self.given.get(group, {})
        derived = {
            key.field: key.setting.derived(environment, given)
            for key in keys(group, settings).values()
            if key.setting.derived and key.field not in given
        }
        return {**derived, **given}
