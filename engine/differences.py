"""What a step changes, property by property, and why it replaces a resource. Pure.

Read from the metadata of the engine's events, in which secrets are masked: nothing here can show one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine import paths
from engine.paths import ABSENT, member
from engine.specials import SIGNATURE

_REASONS: Final[Mapping[str, str]] = {
    "replaceWith": "a resource that its replaceWith names is replaced",
    "deletedWith": "the resource that its deletedWith names is replaced",
    "replacementTrigger": "its replacementTrigger changed",
    "provider": "its provider is replaced",
    "id": "it was asked for, by --replace or a taint",
    "#initerror": "it did not finish initialising",
}
"""What the keys of a replacement mean that are no properties."""


@dataclass(frozen=True)
class Change:
    """One differing property. `old` or `new` is ABSENT where there is none."""

    path: str
    old: Any
    new: Any
    replaces: bool = False
    """Whether it cannot be changed in place."""

    @property
    def sign(self) -> str:
        """`+`, `-` or `~`."""
        if self.old is ABSENT:
            return "+"
        return "-" if self.new is ABSENT else "~"


def changes(metadata: Mapping[str, Any]) -> list[Change]:
    """Return what differs in a step, as its provider tells, else by comparing the inputs."""
    old, new = metadata.get("old") or {}, metadata.get("new") or {}
    if not old or not new:
        return []
    detailed = metadata.get("detailedDiff")
    if detailed:
        return [_detail(path, item, old, new) for path, item in detailed.items()]
    before, after = old.get("inputs") or {}, new.get("inputs") or {}
    named = [str(key).split(".")[0].split("[")[0] for key in metadata.get("diffs") or ()]
    keys = list(dict.fromkeys(named)) or list(dict.fromkeys([*before, *after]))
    found: list[Change] = []
    for key in keys:
        inner = list(_compared(key, before.get(key, ABSENT), after.get(key, ABSENT)))
        # A provider that names a property has seen a difference, if only in what is masked here.
        found += inner or ([Change(key, before.get(key, ABSENT), after.get(key, ABSENT))] if named else [])
    forced = tuple(metadata.get("keys") or ())
    return [Change(c.path, c.old, c.new, _under(c.path, forced)) for c in found]


def reason(metadata: Mapping[str, Any]) -> str:
    """Return why the resource is replaced, empty if it is not or nobody says."""
    keys = [str(key) for key in metadata.get("keys") or ()]
    named = [*map(str, metadata.get("diffs") or ()), *(metadata.get("detailedDiff") or {})]
    own = [key for key in keys if key not in _REASONS or any(_under(path, (key,)) for path in named)]
    texts = [f"{', '.join(own)} cannot be changed in place"] if own else []
    return "; ".join([*texts, *(_REASONS[key] for key in keys if key not in own)])


def _detail(path: str, item: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    kind = str(item.get("diffKind"))
    sides = ("inputs", "outputs") if item.get("inputDiff") else ("outputs", "inputs")
    before = ABSENT if kind.startswith("add") else _first(path, [old.get(side) or {} for side in sides])
    after = ABSENT if kind.startswith("delete") else _first(path, [new.get("inputs") or {}])
    if before is ABSENT and after is ABSENT:
        before = after = None
    return Change(path, before, after, kind.endswith("replace"))


def _first(path: str, roots: Iterable[Any]) -> Any:
    for root in roots:
        value = _at(root, steps_of(path))
        if value is not ABSENT:
            return value
    return ABSENT


def _at(value: Any, path: paths.Path) -> Any:
    for step in path:
        if isinstance(value, Mapping) and SIGNATURE in value:
            return value  # a secret as a whole: what is inside is not shown anyway
        value = member(value, step)
    return value


def _compared(path: str, old: Any, new: Any) -> Iterator[Change]:
    if _is_object(old) and _is_object(new):
        for key in dict.fromkeys([*old, *new]):
            if not str(key).startswith("__"):
                yield from _compared(_joined(path, key), old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else ABSENT
            after = new[index] if index < len(new) else ABSENT
            yield from _compared(f"{path}[{index}]", before, after)
    elif old is ABSENT or new is ABSENT or old != new:
        yield Change(path, old, new)


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if not set(key) & set('.[]"') else f'{path}["{key}"]'


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and SIGNATURE not in value


def steps_of(path: str) -> paths.Path:
    """Return the steps of a property's path; a provider's own notation is one step."""
    try:
        return paths.parse(path) or (path,)
    except ValueError:
        return (path,)


def _under(path: str, keys: Iterable[str]) -> bool:
    steps = steps_of(path)
    return any(paths.covers(steps_of(key), steps) or paths.covers(steps, steps_of(key)) for key in keys)
