"""JSON log lines: one object a line, on standard output.

Fields: level, ts, caller, msg, then correlation_id and trace_id of the request at hand, then what a call adds
with `extra={"kl_<field>": value}`, without the prefix. The prefix is how a call says that a value is meant
for the log; anything else in `extra` is not written. Event data is never logged; a stack trace only when an
unexpected error was caught.
"""

import datetime
import json
import logging
import sys
from contextvars import ContextVar
from typing import Any, Final, TextIO

from service.trail import Trail

PREFIX: Final = "kl_"
"""Begins the names of fields in `extra`, so that they collide with nothing."""

MAX_TEXT_CHARACTERS: Final = 2048
"""Longest message or field: texts may come from other systems."""

_LEVELS: Final = {"WARNING": "warn", "CRITICAL": "error"}

current_trail: ContextVar[Trail | None] = ContextVar("current_trail", default=None)
"""The request that the running task works for; its ids are added to every line."""


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of ASCII JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "level": _LEVELS.get(record.levelname, record.levelname.lower()),
            "ts": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(),
            "caller": f"{record.name}:{record.lineno}",
            "msg": _cut(record.getMessage()),
        }
        line.update(_trail_fields())
        line.update(
            (name.removeprefix(PREFIX), _cut(value))
            for name, value in record.__dict__.items()
            if name.startswith(PREFIX) and value is not None
        )
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logging of this process through JSON lines from `level` (debug, info, warn, error) on."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(
        level={"warn": logging.WARNING}.get(level, level.upper()), handlers=[handler], force=True
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    for name in ("botocore", "boto3", "urllib3", "s3transfer"):
        # At debug they write signatures and bodies that hold credentials.
        logging.getLogger(name).setLevel(logging.INFO)


def _trail_fields() -> dict[str, str]:
    trail = current_trail.get()
    if trail is None:
        return {}
    return {
        "correlation_id": trail.correlation_id,
        **({"trace_id": trail.trace_id} if trail.trace_id else {}),
    }


def _cut(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else str(value)[:MAX_TEXT_CHARACTERS]


def level_of(status: int) -> int:
    """Return the level at which an answer with this HTTP status is logged."""
    if status >= 500:
        return logging.ERROR
    return logging.WARNING if status >= 400 else logging.INFO


def fields(**values: Any) -> dict[str, Any]:
    """Return fields as `extra` takes them."""
    return {PREFIX + name: value for name, value in values.items()}
