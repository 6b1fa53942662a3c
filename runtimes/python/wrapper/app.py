"""The routes: events on POST /, health, metrics. What happens between a request and its response."""

import json
import logging
import time
from collections.abc import Callable

from . import failures, logs, replies
from .context import Context, correlation_id, current, make_context, new_id, parse_trace
from .events import Call, Event, InvalidEvent, decode
from .events import Envelope as _Envelope
from .failures import Failure
from .handlers import Handler
from .http11 import Request, Response
from .invoker import Invoker, Outcome
from .metrics import CONTENT_TYPE, OPEN_CONTENT_TYPE, Metrics
from .server import Connection
from .settings import Settings

_log = logging.getLogger("wrapper")
_JSON = ("Content-Type", "application/json")
_HEALTH_PATHS = frozenset({"/health", "/healthz", "/ready", "/readyz"})


class App:
    """One function. Call it with a request, from any thread; it does not raise."""

    def __init__(self, settings: Settings, handler: Handler, *, on_stuck: Callable[[], None]) -> None:
        self._settings = settings
        self._on_stuck = on_stuck
        self._accepting = True
        self.stuck = False
        """A handler did not end; the instance has to be replaced."""
        self.metrics = Metrics(settings.function_name, settings.function_namespace)
        self._invoker = Invoker(
            handler,
            timeout_seconds=settings.timeout_seconds,
            max_concurrency=settings.max_concurrency,
            on_stuck=self._fail,
        )

    def watch(self) -> None:
        """Guard the time of calls from now on."""
        self._invoker.watch()

    def __call__(self, request: Request, connection: Connection) -> Response | None:
        """Answer a request; None when it was answered early, because its time was over."""
        if request.path == "/" and request.method == "POST":
            return self._event(request, connection)
        if request.path == "/":
            return _problem(405, f"{request.method} / is not served; POST an event", ("Allow", "POST"))
        if request.path not in _HEALTH_PATHS and request.path != "/metrics":
            return _problem(404, "served are POST / and GET /health, /healthz, /ready, /readyz, /metrics")
        if request.method not in ("GET", "HEAD"):
            return _problem(405, f"{request.method} {request.path} is not served", ("Allow", "GET, HEAD"))
        if request.path == "/metrics":
            return self._metrics(request)
        return self._health()

    def stop_accepting(self) -> None:
        """Answer further events with 503 and be unready; calls that run go on."""
        self._accepting = False

    def _fail(self) -> None:
        self.stuck = True
        self.stop_accepting()
        _log.error("a handler did not end in time and cannot be stopped; the instance ends to be replaced")
        self._on_stuck()

    def _metrics(self, request: Request) -> Response:
        wanted = "application/openmetrics-text" in request.headers.get("accept", "")
        content_type = OPEN_CONTENT_TYPE if wanted else CONTENT_TYPE
        text = self.metrics.text(open_metrics=wanted)
        return Response(200, (("Content-Type", content_type), ("Vary", "Accept")), text.encode())

    def _health(self) -> Response:
        if self._accepting:
            return Response(200, (_JSON,), b'{"status":"healthy"}')
        return _problem(503, "a handler is stuck" if self.stuck else "shutting down")

    def _event(self, request: Request, connection: Connection) -> Response | None:
        try:
            call = decode(request.headers, request.body, new_id=new_id)
        except InvalidEvent as error:
            empty = Call(Event(_Envelope(new_id(), "", ""), None))
            return self._refuse(self._context(request, empty, False), failures.invalid_request(str(error)))
        if not self._accepting:
            return self._refuse(self._context(request, call, False), failures.shutting_down())
        left = float("inf") if call.deadline_at is None else call.deadline_at - time.time()
        if left <= 0:
            return self._refuse(self._context(request, call, False), failures.past_deadline())
        context = self._context(request, call, self.metrics.begin())

        def on_late(outcome: Outcome) -> None:
            connection.answer_early(self._end(context, outcome))

        outcome = self._invoker.call(call.event, context, on_late, within_seconds=left)
        return None if outcome is None else self._end(context, outcome)

    def _end(self, context: Context, outcome: Outcome) -> Response:
        trace = context.trace
        sampled = trace.trace_id if trace.trace_id and int(trace.flags, 16) & 1 else ""
        kind = outcome.failure.kind if outcome.failure else None
        self.metrics.end(outcome.duration_seconds, kind, sampled)
        return self._answer(context, outcome)

    def _context(self, request: Request, call: Call, cold_start: bool) -> Context:
        headers, envelope = request.headers, call.event.envelope
        ids = (headers.get("x-correlation-id"), envelope.extensions.get("correlationid"), call.correlation_id)
        return make_context(
            self._settings,
            call.event,
            correlation=correlation_id(*ids, envelope.id),
            trace=parse_trace(
                headers.get("traceparent"), envelope.extensions.get("traceparent"), call.traceparent
            ),
            metadata=call.metadata,
            cold_start=cold_start,
            invocation_id=call.invocation_id,
        )

    def _refuse(self, context: Context, failure: Failure) -> Response:
        self.metrics.error(failure.kind)
        return self._answer(context, Outcome(None, failure, 0.0))

    def _answer(self, context: Context, outcome: Outcome) -> Response:
        _log_outcome(context, outcome)
        return replies.reply(
            context, outcome, memory_used_mb=_memory_mb(), debug=self._settings.log_level == "debug"
        )


def _log_outcome(context: Context, outcome: Outcome) -> None:
    failure, duration = outcome.failure, round(outcome.duration_seconds * 1000, 3)
    if failure is None:
        logs.handled(context, duration)
        return
    extra = {"duration_ms": duration, "error_code": failure.code, "error": failure.message}
    if failure.stack:
        extra["stack"] = failure.stack
    token = current.set(context)
    _log.error("the event was not handled", extra=extra)
    current.reset(token)


def _problem(status: int, message: str, *headers: tuple[str, str]) -> Response:
    return Response(status, (_JSON, *headers), json.dumps({"error": message}).encode())


class _Memory:
    """The resident memory in MB, looked up once a second at most: it costs three system calls."""

    def __init__(self) -> None:
        self._value, self._at = 0.0, float("-inf")

    def __call__(self) -> float:
        now = time.monotonic()
        if now - self._at >= 1.0:
            self._at, self._value = now, _resident_mb()
        return self._value


_memory_mb = _Memory()


def _resident_mb() -> float:
    """Return the resident memory in MB, 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return round(int(file.read().split()[1]) * 4096 / 1e6, 1)
    except OSError:
        return 0.0
