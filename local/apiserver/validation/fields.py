"""Single values: names, labels, ranges; each check returns the causes it finds, in the server's words."""

import json
import re
from collections.abc import Iterable
from typing import Any

from local.apiserver.errors import Cause

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")

SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
    "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
    "an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation "
    "is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
    "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
CONFIG_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def required(field: str, detail: str = "") -> Cause:
    """A field that has to be there is not."""
    return Cause("FieldValueRequired", f"Required value{': ' + detail if detail else ''}", field)


def bad(field: str, value: Any, detail: str) -> Cause:
    """A value breaks a rule."""
    shown = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {detail}", field)


def unsupported(field: str, value: Any, allowed: Iterable[str]) -> Cause:
    """A value is not one of a fixed list."""
    options = ", ".join(json.dumps(option) for option in sorted(allowed))
    text = f"Unsupported value: {json.dumps(value)}: supported values: {options}"
    return Cause("FieldValueNotSupported", text, field)


def duplicate(field: str, value: Any) -> Cause:
    """A value that must be unique in its list is there twice."""
    return Cause("FieldValueDuplicate", f"Duplicate value: {json.dumps(value)}", field)


def missing(field: str, value: Any) -> Cause:
    """A value refers to something that is not there."""
    return Cause("FieldValueNotFound", f"Not found: {json.dumps(value)}", field)


def disallowed(field: str, detail: str) -> Cause:
    """A field may not be set, or not now."""
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", field)


def too_long(field: str, limit: int) -> Cause:
    """A value is larger than `limit` bytes."""
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)


def dns_label(field: str, value: str) -> list[Cause]:
    """Check an RFC 1123 label."""
    return _matched(field, value, LABEL, LABEL_TEXT, 63)


def dns_label_1035(field: str, value: str) -> list[Cause]:
    """Check an RFC 1035 label: as RFC 1123, but a letter first."""
    return _matched(field, value, LABEL_1035, LABEL_1035_TEXT, 63)


def dns_subdomain(field: str, value: str) -> list[Cause]:
    """Check an RFC 1123 subdomain."""
    return _matched(field, value, SUBDOMAIN, SUBDOMAIN_TEXT, 253)


def qualified_name(field: str, value: str) -> list[Cause]:
    """Check the key of a label or annotation: an optional DNS prefix, a slash and a name."""
    prefix, slash, name = value.rpartition("/")
    if slash and not SUBDOMAIN.fullmatch(prefix):
        return [bad(field, value, f"prefix part {SUBDOMAIN_TEXT}")]
    if not QUALIFIED.fullmatch(name):
        return [bad(field, value, QUALIFIED_TEXT)]
    return [bad(field, value, "name part must be no more than 63 bytes")] if len(name) > 63 else []


def label_value(field: str, value: str) -> list[Cause]:
    """Check the value of a label."""
    if not LABEL_VALUE.fullmatch(value):
        return [bad(field, value, LABEL_VALUE_TEXT)]
    return [bad(field, value, "must be no more than 63 bytes")] if len(value) > 63 else []


def path_segment(field: str, value: str) -> list[Cause]:
    """Check a name that only has to fit into a URL."""
    if value in (".", ".."):
        return [bad(field, value, f"may not be '{value}'")]
    return [bad(field, value, f"may not contain '{sign}'") for sign in "/%" if sign in value]


def not_negative(field: str, value: Any) -> list[Cause]:
    """Check a count; None passes."""
    if isinstance(value, int) and value < 0:
        return [bad(field, value, "must be greater than or equal to 0")]
    return []


def port_number(field: str, value: Any) -> list[Cause]:
    """Check a port; names pass."""
    if isinstance(value, int) and not 1 <= value <= 65535:
        return [bad(field, value, "must be between 1 and 65535, inclusive")]
    return []


def _matched(field: str, value: str, pattern: re.Pattern[str], text: str, limit: int) -> list[Cause]:
    causes = [] if pattern.fullmatch(value) else [bad(field, value, text)]
    if len(value) > limit:
        causes.append(bad(field, value, f"must be no more than {limit} bytes"))
    return causes
