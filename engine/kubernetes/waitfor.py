"""The `pulumi.com/waitFor` annotation: conditions for readiness in the program's own words.

`jsonpath={.status.phase}=Running`, `jsonpath={.status.ip}` (any value), `condition=Ready`,
`condition=Synced=False`, or a JSON array of these, all of which have to hold.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from engine.provider import ProviderError

Json = dict[str, Any]
Condition = Callable[[Json], bool]

_STEP = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\\])+)            # .name, with \. for a dot in it
    |\[(?P<index>-?\d+)\]                         # [0]
    |\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]     # ['name']
    |\[\?\(@\.(?P<field>[^=\s]+)\s*==\s*(?P<mark>['"])(?P<value>.*?)(?P=mark)\)\]  # [?(@.type=="Ready")]
    """,
    re.VERBOSE,
)


def conditions(text: str) -> list[tuple[str, Condition]]:
    """Return each condition of the annotation with its wording.

    Raises ProviderError for one that is malformed.
    """
    parts = _array(text) if text.lstrip().startswith("[") else [text]
    return [(part, _condition(part)) for part in parts]


def _array(text: str) -> list[str]:
    try:
        parts = json.loads(text)
    except ValueError:
        parts = None
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
        raise ProviderError(
            f"the annotation pulumi.com/waitFor is {text!r}; an array has to be one of strings, in JSON"
        )
    return parts


def _condition(text: str) -> Condition:
    kind, _, rest = text.partition("=")
    if kind == "condition" and rest:
        name, _, status = rest.partition("=")
        return lambda document: _has_condition(document, name, status or "True")
    match = re.fullmatch(r"\{(.*?)\}(?:=(.*))?", rest, re.DOTALL) if kind == "jsonpath" else None
    if not match:
        raise ProviderError(
            f"the annotation pulumi.com/waitFor is {text!r}; it has to be jsonpath={{.path}}, "
            "jsonpath={.path}=value, condition=Type or condition=Type=Status"
        )
    steps, wanted = _steps(match[1]), match[2]
    return lambda document: _matches(document, steps, wanted)


def _has_condition(document: Json, name: str, status: str) -> bool:
    found = (document.get("status") or {}).get("conditions") or []
    return any(
        str(item.get("type", "")).lower() == name.lower()
        and str(item.get("status", "")).lower() == status.lower()
        for item in found
    )


def _steps(path: str) -> list[re.Match[str]]:
    steps, position = [], 0
    while position < len(path):
        step = _STEP.match(path, position)
        if not step:
            raise ProviderError(
                f"the JSONPath {{{path}}} of pulumi.com/waitFor is not understood from {path[position:]!r} on"
            )
        steps.append(step)
        position = step.end()
    return steps


def _matches(document: Json, steps: list[re.Match[str]], wanted: str | None) -> bool:
    values: list[Any] = [document]
    for step in steps:
        values = [found for value in values for found in _select(value, step)]
    if wanted is None:
        return bool(values)
    return any(_text(value) == wanted.strip("'\"") for value in values)


def _select(value: Any, step: re.Match[str]) -> list[Any]:
    """Return what one step finds in a value: nothing or one thing, several for a filter."""
    if step["index"] is not None:
        inside = isinstance(value, list) and -len(value) <= int(step["index"]) < len(value)
        return [value[int(step["index"])]] if inside else []
    if step["field"] is not None:
        items = value if isinstance(value, list) else []
        return [
            item
            for item in items
            if isinstance(item, dict) and _text(item.get(step["field"])) == step["value"]
        ]
    key = step["key"] if step["key"] is not None else step["name"].replace("\\.", ".")
    return [value[key]] if isinstance(value, dict) and value.get(key) is not None else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
