"""`python -m wrapper`: find the handler, serve it, end in order.

Exit status: 0 after SIGTERM when every request in flight was answered; 1 when the function cannot be
started (the last log line says why), a handler got stuck, or requests were still in flight at the end of
the drain time.
"""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from . import handlers, logs
from .app import App
from .server import Limits, Server
from .settings import InvalidSettings, Settings, settings_from

EXIT_SECONDS = 2.0
"""How long threads and exit hooks of the parser may hold up the end of the process."""

_log = logging.getLogger("wrapper")


def main() -> int:
    """Run the function until it is told to stop; return the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    root = Path(__file__).absolute().parent.parent
    sys.path[:1] = [str(root / "code"), str(root / "packages")]
    try:
        settings = settings_from(os.environ)
        logs.configure(settings)
        handler = handlers.load(settings.handler, root / "code")
        return _serve(settings, handler)
    except (InvalidSettings, handlers.HandlerError) as error:
        _fail(str(error), error)
    except OSError as error:
        _fail(f"the port cannot be served: {error}", error)
    return 1


def _serve(settings: Settings, handler: handlers.Handler) -> int:
    app = App(settings, handler, on_stuck=lambda: server.stop())
    limits = Limits(max_body_bytes=settings.max_body_bytes)
    server = Server(app, host=settings.host, port=settings.port, limits=limits)
    server.stop_on(signal.SIGTERM, signal.SIGINT)
    app.watch()
    app.metrics.ready(_age_seconds())
    _log.info(
        "ready",
        extra={"handler": handler.name, "port": server.port, "start_ms": round(_age_seconds() * 1000)},
    )
    server.serve()
    app.stop_accepting()
    drained = server.drain(settings.drain_seconds)
    if not drained:
        _log.error("requests were still in flight at the end of the drain time")
    _log.info("stopped")
    return 0 if drained and not app.stuck else 1


def _fail(message: str, error: BaseException) -> None:
    if not logging.getLogger().handlers:
        logs.configure(Settings(function_name="", function_namespace=""))
    cause = error.__cause__
    if cause is not None:
        _log.debug("the cause", exc_info=(type(cause), cause, cause.__traceback__))
    _log.critical(message)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Nothing is served yet, so nothing has to be finished."""
    os._exit(0)


def _age_seconds() -> float:
    """Return the age of this process, to 10 ms; 0 where the system does not tell."""
    try:
        with open("/proc/self/stat", "rb") as file:
            started = int(file.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, AttributeError):
        return 0.0


def _exit(status: int) -> None:
    """End the process with this status even when the parser's own threads do not want to end."""
    logs.flush()
    deadline = threading.Timer(EXIT_SECONDS, os._exit, (status,))
    deadline.daemon = True
    deadline.start()
    sys.exit(status)


if __name__ == "__main__":
    _exit(main())
