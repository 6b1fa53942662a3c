"""JSON logs on standard output, one object a line, with the ids of the build."""

import json
import logging
import sys
import time
from typing import Any

from monitor.settings import Build

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Turns a record into one line; values of `extra` become fields of their own."""

    def __init__(self, build: Build | None) -> None:
        super().__init__()
        self._ids = _ids(build) if build else {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line end."""
        moment = time.gmtime(record.created)
        fields: dict[str, Any] = {
            "ts": f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "caller": record.name,
            "msg": record.getMessage(),
            **self._ids,
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            fields["stack"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str, separators=(",", ":"))


def configure(build: Build | None) -> None:
    """Send all logging to standard output, from INFO on; `build` is None when it is not known."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(build))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _ids(build: Build) -> dict[str, str]:
    return {
        "correlation_id": build.correlation_id,
        "third_party_id": build.third_party_id,
        "parser_id": build.parser_id,
        "job_name": build.job_name,
        "build_id": build.build_id,
    }
