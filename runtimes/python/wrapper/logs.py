"""Structured logs on standard output: one JSON object a line, with the ids of the call that it belongs to.

Everything that goes through `logging`, the parser's own loggers included, is written so. What a parser
prints stays as it is, on lines of its own.
"""

import functools
import json
import logging
import os
import sys
import time
from typing import Any

from .context import Context, current
from .settings import Settings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Turns a record into one line; values of `extra` become fields, unless a field has that name."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._service = {"name": settings.function_name, "namespace": settings.function_namespace}
        self._ids = {"third_party_id": settings.third_party_id, "parser_id": settings.parser_id}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line end."""
        fields: dict[str, Any] = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            "service": self._service,
            **self._ids,
        }
        context = current.get()
        if context is not None:
            fields |= _call_fields(context)
        if record.exc_info:
            fields["stack"] = self.formatException(record.exc_info)
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in fields:
                fields[name] = value
        duration = fields.pop("duration_ms", None)
        if duration is not None:
            fields.setdefault("invocation", {})["duration_ms"] = duration
        return json.dumps(fields, default=str, ensure_ascii=False, separators=(",", ":"))


class LineHandler(logging.Handler):
    """Writes each record in one system call, so that lines of different threads, and prints, never mix."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; a closed or full output is no reason to fail a call."""
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            while line:
                line = line[os.write(1, line) :]
        except (OSError, ValueError, TypeError, RecursionError):
            self.handleError(record)


def configure(settings: Settings) -> None:
    """Send all logging to standard output, from the configured level on; let prints go out by lines."""
    handler = LineHandler()
    handler.setFormatter(JsonFormatter(settings))
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, write_through=False)


def _call_fields(context: Context) -> dict[str, Any]:
    event, trace = context.event, context.trace
    fields: dict[str, Any] = {
        "correlation_id": context.correlation_id,
        "invocation": {"id": context.invocation_id, "cold_start": context.cold_start},
        "cloudevent": {"id": event.id, "type": event.type, "source": event.source},
    }
    if trace.trace_id:
        fields |= {"trace_id": trace.trace_id, "span_id": trace.span_id, "trace_flags": trace.flags}
    return fields


def _timestamp(seconds: float) -> str:
    return f"{_second(int(seconds))}.{int(seconds % 1 * 1000):03d}Z"


@functools.lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
