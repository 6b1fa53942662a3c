"""Versions of events' data: which one an event names, and data of one version in the words of another. Pure.

A version is the last part of the path in `dataschema`; docs/decisions/0072-schemas.md says when it counts.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from automation.event_fields import Fields, shown, spellings
from automation.event_types import FIRST_VERSION, LEGACY, TYPES, UNVERSIONED, EventType

BUILD_START: Final = LEGACY + "build.start"
SECOND_VERSION: Final = "v2.0"

_PLACE: Final = "/schemas/"


def named(event_type: str, dataschema: Any, fields: Fields) -> str:
    """Return the version that the event's `dataschema` names; one that there is not is noted in `fields`.

    Of a build.start every `dataschema` names a version. Those of other types may be the sender's own: only
    one that ends in `/schemas/{type}/{version}`, for a type of ours, is held to its word.
    """
    kind = TYPES[event_type]
    if dataschema is None:
        return kind.versions[0]
    before, _, version = str(dataschema).rstrip("/").rpartition("/")
    described = before.rpartition(_PLACE)[2] if _PLACE in before else ""
    if described in TYPES and described != event_type:
        fields.note("dataschema", f"{shown(str(dataschema))} describes another type; send {_allowed(kind)}")
    elif version not in kind.versions and (described == event_type or event_type == BUILD_START):
        fields.note(
            "dataschema", f"{shown(str(dataschema))} names no known version; allowed: {_allowed(kind)}"
        )
    return version if version in kind.versions else kind.versions[0]


def _allowed(kind: EventType) -> str:
    return f"none, or a URI whose last part is {' or '.join(kind.versions)}"


def convert(data: Mapping[str, Any], source: str, target: str) -> dict[str, Any]:
    """Return a build.start's data in the words of another version; what has no other name there stays.

    From v1.0 to v2.0 `thirdPartyId` becomes `organizationId` and `priority` is normal; the way back drops the
    priority. To v0 and from it nothing changes but the id's name: it takes either. Raises KeyError for a
    version that there is not.
    """
    return _CONVERTERS[source, target](data)


def _upgraded(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**_renamed(data, "third_party_id", "organization_id"), "priority": "normal"}


def _downgraded(data: Mapping[str, Any]) -> dict[str, Any]:
    renamed = _renamed(data, "organization_id", "third_party_id")
    return {name: value for name, value in renamed.items() if name != "priority"}


def _renamed(data: Mapping[str, Any], name: str, other: str) -> dict[str, Any]:
    """Return the data with a field under another name, in the spelling in which it was there."""
    names = dict(zip(spellings(name), spellings(other), strict=True))
    return {names.get(key, key): value for key, value in data.items()}


_Converter = Callable[[Mapping[str, Any]], dict[str, Any]]

_CONVERTERS: Final[Mapping[tuple[str, str], _Converter]] = MappingProxyType(
    {
        **{(version, version): dict for version in TYPES[BUILD_START].versions},
        (UNVERSIONED, FIRST_VERSION): lambda data: _renamed(data, "organization_id", "third_party_id"),
        (FIRST_VERSION, UNVERSIONED): dict,
        (UNVERSIONED, SECOND_VERSION): _upgraded,
        (SECOND_VERSION, UNVERSIONED): _downgraded,
        (FIRST_VERSION, SECOND_VERSION): _upgraded,
        (SECOND_VERSION, FIRST_VERSION): _downgraded,
    }
)
