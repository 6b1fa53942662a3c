"""Property paths such as `spec.ports[0]["a.b"]` and `data.*`.

What ignoreChanges and replaceOnChanges name, and what differences are told by.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.values import Secret

Path = tuple[str | int, ...]
"""Keys of objects as str, indices of lists as int; `*` is a wildcard for either."""

WILDCARD: Final = "*"
ABSENT: Final = object()
"""Stands for a value that is not there."""

_STEP = re.compile(r'\.?([^.\[\]"]+)|\.?\[(?:"((?:[^"\\]|\\.)*)"|(\d+)|(\*))\]|\.?"((?:[^"\\]|\\.)*)"')


def parse(text: str) -> Path:
    """Split a path; ValueError if it is malformed."""
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f"{text!r} is no property path (at character {position + 1})")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def covers(path: Path, other: Path) -> bool:
    """Say whether `other` is at or below `path`."""
    return len(path) <= len(other) and all(
        step in (WILDCARD, found) for step, found in zip(path, other, strict=False)
    )


def member(container: Any, step: str | int) -> Any:
    """Return what is at one step of a path, ABSENT if nothing is."""
    if isinstance(container, Mapping) and isinstance(step, str):
        return container.get(step, ABSENT)
    if isinstance(container, list) and isinstance(step, int) and step < len(container):
        return container[step]
    return ABSENT


def reset(new: dict[str, Any], old: dict[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return `new` with the values of `old` at the paths; what `old` lacks there is left out.

    A path whose parent exists on one side only is passed over, since there is nothing to hold on to.
    """
    result: Any = new
    for text in paths:
        result = _reset(result, old, parse(text))
    return dict(result)


def _step(match: re.Match[str]) -> str | int:
    bare, quoted, index, wildcard, bare_quoted = match.groups()
    if index is not None:
        return int(index)
    escaped = quoted if quoted is not None else bare_quoted
    if escaped is not None:
        return re.sub(r"\\(.)", r"\1", escaped)
    return wildcard or bare


def _reset(new: Any, old: Any, path: Path) -> Any:
    if not path:
        return old
    if isinstance(new, Secret) or isinstance(old, Secret):
        inside = _reset(_bare(new), _bare(old), path)
        return Secret(inside) if isinstance(new, Secret) else inside
    if isinstance(new, dict) and isinstance(old, dict):
        return _reset_object(new, old, path)
    if isinstance(new, list) and isinstance(old, list):
        return _reset_list(new, old, path)
    return new


def _reset_object(new: dict[str, Any], old: dict[str, Any], path: Path) -> dict[str, Any]:
    step, rest = path[0], path[1:]
    result = dict(new)
    for key in dict.fromkeys([*new, *old]) if step == WILDCARD else [str(step)]:
        if not rest:
            result[key] = old.get(key, ABSENT)
        elif key in new and key in old:
            result[key] = _reset(new[key], old[key], rest)
    return {key: value for key, value in result.items() if value is not ABSENT}


def _reset_list(new: list[Any], old: list[Any], path: Path) -> list[Any]:
    step, rest = path[0], path[1:]
    if step == WILDCARD and not rest:
        return list(old)
    result = list(new)
    for index in range(len(new)) if step == WILDCARD else [step]:
        if isinstance(index, int) and index < len(new) and index < len(old):
            result[index] = _reset(new[index], old[index], rest)
    return result


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Secret) else value
