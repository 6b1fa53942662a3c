"""What changes in a resource, property by property, and why it is replaced. Pure.

Secrets come masked from the engine's events, so nothing here can show one.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine import paths
from engine.cli.values import ABSENT, MASK, member
from engine.specials import ARCHIVE, ASSET, SECRET, SIGNATURE, UNKNOWN_TEXTS

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


def short(metadata: Mapping[str, Any]) -> str:
    """Return the differing top-level properties in one line: `+new-gone~changed,other`."""
    groups: dict[str, list[str]] = {"+": [], "-": [], "~": []}
    signs: dict[str, str] = {}
    for change in changes(metadata):
        top = str(_steps(change.path)[0])
        whole = change.path == top
        signs[top] = change.sign if whole and signs.get(top, change.sign) == change.sign else "~"
    for name, sign in signs.items():
        groups[sign].append(name)
    return "".join(f"{sign}{','.join(sorted(names))}" for sign, names in groups.items() if names)


def shown(value: Any) -> str:
    """Return a value on one line, as JSON apart from what is secret, unknown or an asset."""
    if isinstance(value, str):
        return "[unknown]" if value in UNKNOWN_TEXTS else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return _special(value)
        inner = ", ".join(f"{key}: {shown(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return json.dumps(value)


def lines(change: Change) -> list[str]:
    """Return a change as lines: `path: old => new`; of long texts only the lines that differ."""
    if change.old is ABSENT:
        return [f"{change.path}: {shown(change.new)}"]
    if change.new is ABSENT:
        return [f"{change.path}: {shown(change.old)}"]
    if _is_text(change.old) and _is_text(change.new):
        return [f"{change.path}:", *(f"    {line}" for line in _text_diff(change.old, change.new))]
    return [f"{change.path}: {shown(change.old)} => {shown(change.new)}"]


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
        value = _at(root, _steps(path))
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


def _steps(path: str) -> paths.Path:
    try:
        return paths.parse(path) or (path,)
    except ValueError:  # a provider's own notation
        return (path,)


def _under(path: str, keys: Iterable[str]) -> bool:
    steps = _steps(path)
    return any(paths.covers(_steps(key), steps) or paths.covers(steps, _steps(key)) for key in keys)


def _special(value: Mapping[str, Any]) -> str:
    kind = value[SIGNATURE]
    if kind == SECRET:
        return MASK
    if kind in (ASSET, ARCHIVE):
        source = value.get("path") or value.get("uri") or str(value.get("hash") or "")[:7]
        return f"{'asset' if kind == ASSET else 'archive'}({source})"
    return str(value.get("urn") or value.get("value") or "[special]")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value


def _text_diff(old: str, new: str) -> list[str]:
    found = difflib.unified_diff(old.splitlines(), new.splitlines(), n=1, lineterm="")
    return [line for line in found if not line.startswith(("---", "+++"))]
