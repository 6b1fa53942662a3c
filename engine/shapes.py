"""What JSON a member of a recorded resource may be; checked before anything relies on it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, get_origin, get_type_hints

from engine.state import ResourceState


def checked(attribute: str, value: Any) -> Any:
    """Return the value of a member of ResourceState as it is kept; TypeError if it has another shape.

    Lists become tuples where the attribute is one.
    """
    kind = _KINDS[attribute]
    if kind is not object and not isinstance(value, kind):
        raise TypeError(f"{attribute} is no {kind.__name__}: {value!r:.80}")
    if kind is list:
        return tuple(_texts(attribute, value))
    if attribute in _MAPS_OF_LISTS:
        return {key: _texts(attribute, items or []) for key, items in value.items()}
    if attribute == "custom_timeouts" and not all(isinstance(item, int | float) for item in value.values()):
        raise TypeError(f"{attribute} are no numbers: {value!r:.80}")
    return value


def _texts(attribute: str, items: Any) -> list[str]:
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise TypeError(f"{attribute} is no list of texts: {items!r:.80}")
    return items


def _kind(hint: Any) -> type:
    origin = get_origin(hint)
    if origin is tuple:
        return list
    if origin in (dict, Mapping):
        return dict
    return hint if hint in (str, bool) else object


_HINTS: Final = get_type_hints(ResourceState)
_KINDS: Final[dict[str, type]] = {
    field.name: _kind(_HINTS[field.name]) for field in dataclasses.fields(ResourceState) if field.init
}
_MAPS_OF_LISTS: Final = frozenset({"property_dependencies", "resource_hooks"})
