"""Differences as a person reads them: one line for a resource, some lines for a property. Pure."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

from engine.cli.values import MASK
from engine.differences import Change, changes, steps_of
from engine.paths import ABSENT
from engine.specials import ARCHIVE, ASSET, SECRET, SIGNATURE, UNKNOWN_TEXTS


def short(metadata: Mapping[str, Any]) -> str:
    """Return the differing top-level properties in one line: `+new-gone~changed,other`."""
    groups: dict[str, list[str]] = {"+": [], "-": [], "~": []}
    signs: dict[str, str] = {}
    for change in changes(metadata):
        top = str(steps_of(change.path)[0])
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
