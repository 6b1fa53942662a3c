"""Structured logs on standard output: one JSON object a line, with the ids of the call that it belongs to.

Everything that goes through `logging`, the parser's own loggers included, is written so. What a parser
prints stays as it is, on lines of its own.
"""

import atexit
import collections
import contextlib
import functools
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from json.encoder import encode_basestring as quoted
from typing import Any

from .context import Context, current
from .settings import Settings

FLUSH_SECONDS = 0.02

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
        return _dump(fields)


class Output:
    """Standard output by whole lines, so that those of different threads, and prints, never mix.

    Lines that tell nothing unexpected wait there for others, for FLUSH_SECONDS at most: a system call for
    each would cost a call as much as half of all else that the wrapper does. A process that is killed may
    lose them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: collections.deque[str] = collections.deque()
        self._something = threading.Event()
        self._flusher: threading.Thread | None = None

    def write_later(self, line: str) -> None:
        """Let a line wait for others."""
        self._waiting.append(line)
        if self._something.is_set():
            return
        self._something.set()
        if self._flusher is None:
            self._flusher = threading.Thread(target=self._flush_forever, name="logs", daemon=True)
            self._flusher.start()

    def write(self, line: str) -> None:
        """Write what waits, and then this line."""
        self._waiting.append(line)
        self.flush()

    def flush(self) -> None:
        """Write what waits. Raises OSError when the output is closed."""
        with self._lock:
            self._something.clear()
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            data = "".join(lines).encode("utf-8", "backslashreplace")
            while data:
                data = data[os.write(1, data) :]

    def _flush_forever(self) -> None:
        while self._something.wait():
            time.sleep(FLUSH_SECONDS)
            with contextlib.suppress(OSError):  # a closed output is no reason to fail a call
                self.flush()


output = Output()


class LineHandler(logging.Handler):
    """Writes each record as a line, at once."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; a closed or full output is no reason to fail a call."""
        try:
            output.write(self.format(record) + "\n")
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
    _handled.configure(settings)
    atexit.register(flush)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, write_through=False)


class _Handled:
    """The line that every successful call ends with, made without a record: most calls have no other."""

    def __init__(self) -> None:
        self._fixed = ""

    def configure(self, settings: Settings) -> None:
        ids = {"third_party_id": settings.third_party_id, "parser_id": settings.parser_id}
        service = {"name": settings.function_name, "namespace": settings.function_namespace}
        self._fixed = _dump(
            {"message": "the event was handled", "logger": "wrapper", "service": service, **ids}
        )[1:-1]

    def line(self, context: Context, duration_ms: float) -> str:
        event, trace = context.event, context.trace
        traced = ""
        if trace.trace_id:
            traced = (
                f',"trace_id":"{trace.trace_id}","span_id":"{trace.span_id}","trace_flags":"{trace.flags}"'
            )
        return (
            f'{{"timestamp":"{_timestamp(time.time())}","level":"info",{self._fixed},'
            f'"correlation_id":{quoted(context.correlation_id)},'
            f'"invocation":{{"id":{quoted(context.invocation_id)},'
            f'"cold_start":{"true" if context.cold_start else "false"},"duration_ms":{duration_ms}}},'
            f'"cloudevent":{{"id":{quoted(event.id)},"type":{quoted(event.type)},'
            f'"source":{quoted(event.source)}}}{traced}}}\n'
        )


_handled = _Handled()
_log = logging.getLogger("wrapper")


def handled(context: Context, duration_ms: float) -> None:
    """Tell of a call that succeeded."""
    if _log.isEnabledFor(logging.INFO):
        output.write_later(_handled.line(context, duration_ms))


def flush() -> None:
    """Write what waits."""
    with contextlib.suppress(OSError):
        output.flush()


def _dump(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, default=str, ensure_ascii=False, separators=(",", ":"))


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
