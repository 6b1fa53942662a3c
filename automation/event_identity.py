"""Which function an event is about: from its data, or from its source and subject. Pure.

The two generations name functions differently; docs/decisions/0010-event-types.md says how they map.
"""

import re
from typing import Final

from automation.event_fields import NAME, Fields, Syntax
from automation.events import EventMeta, FunctionId

_NEWER_SOURCE: Final = re.compile(r"io\.knative\.lambda/[^/]+/([^/]+)/([^/]+)")
_PARSER_SOURCE: Final = re.compile(r"network\.notifi\.parsers\.([^.]+)\.(.+)")
_LEGACY_SOURCE: Final = re.compile(r"network\.notifi\.(.+)")

_PAIR: Final = Syntax(
    f"a parser id, or `third-party/parser`, each of {NAME.allowed}",
    lambda text: text.count("/") <= 1 and all(map(NAME.accepts, text.split("/"))),
)
_NAMESPACE: Final = Syntax(
    f"the third party id ({NAME.allowed}); data.third_party_id or a subject `third-party/parser` say it too",
    NAME.accepts,
)
_PARSER: Final = Syntax(
    f"the parser id ({NAME.allowed}); data.parser_id or a subject `third-party/parser` say it too",
    NAME.accepts,
)


def from_ids(meta: EventMeta, fields: Fields) -> FunctionId:
    """Read the two ids that the legacy types require in their data."""
    return FunctionId(
        third_party_id=fields.required("third_party_id", "organization_id", syntax=NAME),
        parser_id=fields.required("parser_id", syntax=NAME),
    )


def from_name(meta: EventMeta, fields: Fields) -> FunctionId:
    """Read `namespace` and `name` of the newer types as third party and parser; the two ids come first.

    `name` may also be `third-party/parser`; what is missing is taken from subject or source.
    """
    name, namespace = fields.text("name", syntax=_PAIR), fields.text("namespace", syntax=NAME)
    if fields.has("third_party_id", "organization_id", "parser_id"):
        return from_ids(meta, fields)
    third_party, parser = from_envelope(meta)
    if name and "/" in name:
        namespace, _, name = name.partition("/")
    return FunctionId(
        third_party_id=namespace or _missing(fields, "namespace", third_party, _NAMESPACE),
        parser_id=name or _missing(fields, "name", parser, _PARSER),
    )


def _missing(fields: Fields, name: str, envelope: str | None, syntax: Syntax) -> str:
    """Return what the envelope says in place of a field; nothing if the field is there and was refused."""
    return "" if fields.has(name) else Fields({name: envelope}, fields.problems).required(name, syntax=syntax)


def if_named(meta: EventMeta, fields: Fields) -> FunctionId | None:
    """Return the function of a notice if ids in its data, or else source and subject, name one."""
    third_party, parser = from_envelope(meta)
    names = (
        fields.text("third_party_id", "organization_id", syntax=NAME) or third_party or "",
        fields.text("parser_id", syntax=NAME) or parser or "",
    )
    return FunctionId(*names) if all(map(NAME.accepts, names)) else None


def from_envelope(meta: EventMeta) -> tuple[str | None, str | None]:
    """Return third party and parser as far as source and subject name them, unchecked."""
    subject = meta.subject
    if subject and subject.count("/") == 1:
        third_party, _, parser = subject.partition("/")
        return third_party, parser
    pair = _NEWER_SOURCE.fullmatch(meta.source) or _PARSER_SOURCE.fullmatch(meta.source)
    if pair:
        return pair[1], pair[2]
    legacy = _LEGACY_SOURCE.fullmatch(meta.source)
    return legacy and legacy[1], subject
