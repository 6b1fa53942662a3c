"""Plain tables and relative times, as Pulumi's lists have them. Pure."""

import datetime
from collections.abc import Sequence
from typing import Final

_UNITS: Final = (
    ("year", 31_536_000),
    ("month", 2_592_000),
    ("week", 604_800),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns, two spaces apart."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def ago(moment: datetime.datetime, now: datetime.datetime) -> str:
    """Return `3 minutes ago`, or `now`."""
    seconds = int((now - moment).total_seconds())
    for unit, size in _UNITS:
        count = seconds // size
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "now"


def iso(moment: datetime.datetime) -> str:
    """Return a time as Pulumi's JSON has it: UTC, milliseconds."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
