"""Configuration values: keys, paths into structured values, secure leaves, and the texts programs get.

A value is what YAML has: a scalar, a list or a map; `{secure: v1:...}` is an encrypted text. Pure.
"""

import copy
import json
from collections.abc import Callable
from typing import Any, Final

from engine import paths
from engine.cli.errors import misused
from engine.paths import ABSENT, member

MASK: Final = "[secret]"

_SECURE: Final = "secure"


def full_key(text: str, project: str) -> str:
    """Return the key with its namespace, which is the project's name unless it says another."""
    parts = text.split(":")
    if len(parts) == 3 and parts[1] == "config":
        parts = [parts[0], parts[2]]
    if len(parts) > 2 or not all(parts):
        raise misused(
            f"invalid configuration key: could not parse {text} as a configuration key "
            "(configuration keys should be of the form `<namespace>:<name>`)"
        )
    return ":".join(parts if len(parts) == 2 else [project, *parts])


def key_path(text: str, project: str) -> tuple[str, paths.Path]:
    """Split `name.inner[0]` into the key `project:name` and the path inside its value."""
    namespace, separator, path_text = text.rpartition(":")
    try:
        path = paths.parse(path_text)
    except ValueError as error:
        raise misused(f"invalid configuration key: {error}") from error
    if not path or not isinstance(path[0], str):
        raise misused(f"invalid configuration key: {text} does not begin with a name")
    return full_key(f"{namespace}{separator}{path[0]}", project), path[1:]


def secure(ciphertext: str) -> dict[str, str]:
    """Return the value that stands for an encrypted text."""
    return {_SECURE: ciphertext}


def contains_secure(value: Any) -> bool:
    """Say whether anything in the value is encrypted."""
    if isinstance(value, dict):
        return _is_secure(value) or any(map(contains_secure, value.values()))
    return isinstance(value, list) and any(map(contains_secure, value))


def revealed(value: Any, decrypt: Callable[[str], str]) -> Any:
    """Return the value with every encrypted text put through `decrypt`."""
    if isinstance(value, dict):
        if _is_secure(value):
            return decrypt(value[_SECURE])
        return {str(key): revealed(item, decrypt) for key, item in value.items()}
    return [revealed(item, decrypt) for item in value] if isinstance(value, list) else value


def masked(value: Any) -> Any:
    """Return the value with `[secret]` for every encrypted text."""
    return revealed(value, lambda _: MASK)


def text_of(value: Any) -> str:
    """Return the text by which a program gets a value: texts as they are, all else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def coerced(text: str) -> Any:
    """Return what a text means that is put into a value: `true`, `false` and integers, else itself."""
    if text in ("true", "false"):
        return text == "true"
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or (len(text) > 1 and text[0] == "0"):
        return text
    return int(text) if -(2**63) <= int(text) < 2**64 else text


def typed(text: str, kind: str) -> Any:
    """Return a text as string, bool, int or float; an error says that it is none."""
    readers: dict[str, Callable[[str], Any]] = {"string": str, "int": int, "float": float, "bool": _boolean}
    try:
        return readers[kind](text)
    except ValueError as error:
        raise misused(f"the value {text!r} is no {kind}") from error


def at(value: Any, path: paths.Path) -> Any:
    """Return what is at the path, ABSENT if nothing is; an encrypted text has no inside."""
    for step in path:
        value = ABSENT if _is_secure(value) else member(value, step)
    return value


def placed(root: Any, path: paths.Path, value: Any) -> Any:
    """Return the root with the value at the path; maps and lists on the way are made where there are none.

    An index may be at most one past a list's end.
    """
    if not path:
        return value
    changed = copy.deepcopy(root) if isinstance(root, dict | list) and not _is_secure(root) else None
    if changed is None:
        changed = [] if isinstance(path[0], int) else {}
    _place(changed, path, value)
    return changed


def removed(root: Any, path: paths.Path) -> Any:
    """Return the root without what is at the path."""
    parent = at(root, path[:-1])
    if at(parent, path[-1:]) is ABSENT:
        return root
    if isinstance(parent, list):
        rest: Any = [item for index, item in enumerate(parent) if index != path[-1]]
    else:
        rest = {key: item for key, item in parent.items() if key != path[-1]}
    if _is_secure(rest):
        raise misused('maps with the single key "secure" are reserved')
    return placed(root, path[:-1], rest)


def _place(container: Any, path: paths.Path, value: Any) -> None:
    step, rest = path[0], path[1:]
    if isinstance(container, list):
        if not isinstance(step, int):
            raise misused(f"{step!r}: key for an array must be an int")
        if step > len(container):
            raise misused(f"[{step}]: array index out of range")
        container.extend([None] * (step == len(container)))
        container[step] = placed(_container(step, container[step], rest), rest, value)
    elif isinstance(step, str):
        container[step] = placed(_container(step, container.get(step), rest), rest, value)
    else:
        raise misused(f"[{step}]: key for a map must be a string")


def _container(step: int | str, present: Any, rest: paths.Path) -> Any:
    """Return what is there, unless it would have to hold something and cannot."""
    if rest and present is not None and not isinstance(present, dict | list):
        raise misused(f"{step!r}: expected {'an array' if isinstance(rest[0], int) else 'a map'}")
    return present


def _is_secure(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {_SECURE} and isinstance(value[_SECURE], str)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"
