"""The `scan` of a build's result: JSON in, a Scan out, every problem noted. Pure."""

from typing import Any, Final

from automation import event_fields as syntax
from automation.event_fields import Fields, shown
from automation.scans import MAX_FINDINGS, SEVERITIES, STATUSES, Finding, Scan

_MOST: Final = 1_000_000
_MESSAGE_CHARACTERS: Final = 500


def scan(fields: Fields) -> Scan | None:
    """Return the scan that an event's data tells of; None if it tells of none."""
    if not fields.has("scan"):
        return None
    block = _section(fields, "scan")
    return Scan(
        status=block.required("status", syntax=syntax.one_of(*STATUSES)),
        scanner=block.text("scanner", syntax=syntax.PRINTABLE) or "",
        message=block.prose("message", limit=_MESSAGE_CHARACTERS),
        counts=_counts(_section(block, "counts")),
        fixable=_counts(_section(block, "fixable")),
        findings=tuple(_finding(one, fields.problems) for one in _list(block)),
    )


def _counts(block: Fields) -> dict[str, int]:
    found = {name: block.integer(name, minimum=0, maximum=_MOST) for name in SEVERITIES}
    return {name: count or 0 for name, count in found.items()} if block.names else {}


def _finding(value: Any, problems: list[str]) -> Finding:
    block = _object("scan.findings", value, problems)
    return Finding(
        id=block.required("id", syntax=syntax.PRINTABLE),
        package=block.required("package", syntax=syntax.PRINTABLE),
        severity=block.required("severity", syntax=syntax.one_of(*SEVERITIES)),
        installed=block.text("installed", syntax=syntax.PRINTABLE) or "",
        fixed=block.text("fixed", syntax=syntax.PRINTABLE) or "",
    )


def _list(block: Fields) -> list[Any]:
    value = block.value("findings")
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_FINDINGS:
        block.note(
            "scan.findings",
            f"{shown(value)} is not allowed; allowed: a list of at most {MAX_FINDINGS} objects",
        )
        return []
    return value


def _section(fields: Fields, name: str) -> Fields:
    value = fields.value(name)
    return _object(name, {} if value is None else value, fields.problems)


def _object(name: str, value: Any, problems: list[str]) -> Fields:
    if not isinstance(value, dict):
        problems.append(f"{name}: {shown(value)} is not allowed; allowed: an object")
    return Fields(value if isinstance(value, dict) else {}, problems)
