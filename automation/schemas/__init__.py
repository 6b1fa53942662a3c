"""The JSON Schemas (2020-12) of what events carry in `data`: a file for each type and version.

`{type}/{version}.json` says what a sender should write; what the types share is in `definitions.json`. The
parser takes more: other spellings of a name and `null` for an absent field, as docs/decisions/0072-schemas.md
says. `document` returns a schema with everything in it that it refers to, so that it stands alone.
"""

import functools
import json
from pathlib import Path
from typing import Any, Final

from automation.event_types import TYPES

FOLDER: Final = Path(__file__).parent
PATH: Final = "/schemas"
"""Where the service serves them: the list here, each below it by type and version."""

_SHARED: Final = "#/$defs/"


def path(event_type: str, version: str | None = None) -> str:
    """Return where a schema is served, the latest version's if none is named: `/schemas/{type}/{version}`."""
    return f"{PATH}/{event_type}/{version or TYPES[event_type].latest}"


@functools.cache
def document(event_type: str, version: str) -> dict[str, Any]:
    """Return the schema of a type's data; not to be changed. Raises KeyError when there is none.

    `$id` is the path, to be resolved against the address that the document came from.
    """
    if version not in TYPES[event_type].versions:
        raise KeyError(version)
    schema = _read(f"{event_type}/{version}.json")
    return {"$schema": schema.pop("$schema"), "$id": path(event_type, version), **_resolved(schema)}


@functools.cache
def _shared() -> dict[str, Any]:
    definitions: dict[str, Any] = _read("definitions.json")["$defs"]
    return definitions


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / name).read_text("utf-8"))
    return content


def _resolved(node: Any) -> Any:
    """Return a copy with each reference to a shared definition replaced by the definition."""
    if isinstance(node, list):
        return [_resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    beside = {name: _resolved(value) for name, value in node.items() if name != "$ref"}
    if "$ref" not in node:
        return beside
    meant = _resolved(_shared()[node["$ref"].partition(_SHARED)[2]])
    clash = meant.keys() & beside.keys() - {"title", "description"}
    return {**beside, "allOf": [meant, *beside.get("allOf", [])]} if clash else {**meant, **beside}
