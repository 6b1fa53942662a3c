"""The pipeline behind the HTTP handler: CloudEvent handler, then event handler, then the reply.

Free of the web framework. The CloudEvent handler turns messages into events and replies into messages; the
event handler validates, counts and hands over to automation.
"""

import asyncio
import datetime
import json
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from automation.errors import InvalidEvent, PlatformError
from automation.event_parser import COUNTED, label, parse
from automation.events import BuildRequest, Event, Reply
from automation.tracing import OFF, Span, Tracer
from service.cloudevents import Received, answer_body, decode, decode_batch, encode_reply, is_batch
from service.errors import WorkContinues, error_body
from service.logs import current_trail, fields, level_of
from service.metrics import Metrics
from service.ports import Automation
from service.rate_limits import RateLimited, RateLimits
from service.trail import Trail

logger = logging.getLogger(__name__)


class EventHandler:
    """Validates events, counts them and has automation carry them out within a time limit.

    Work whose request has run out of time goes on, so that the sender's repetition finds it done.
    """

    def __init__(
        self, automation: Automation, metrics: Metrics, limits: RateLimits, *, timeout_seconds: float
    ) -> None:
        self._automation = automation
        self._limits = limits
        self._metrics = metrics
        self._timeout_seconds = timeout_seconds
        self._running: set[asyncio.Task[Reply]] = set()

    async def handle(self, received: Received, trail: Trail) -> tuple[Event, Reply]:
        """Return the event and the reply to it. Raises PlatformError."""
        event = parse(
            received.attributes,
            received.data,
            correlation_id=trail.correlation_id,
            traceparent=trail.traceparent,
        )
        trail.describe(event)
        self._admit(event)
        try:
            reply = await self._carry_out(event)
        except PlatformError:
            self._metrics.count_failure(event)
            raise
        self._metrics.count_outcome(event, reply)
        trail.log["reply_status"] = reply.status
        return event, reply

    def _admit(self, event: Event) -> None:
        meta = event.meta
        # A dry run changes nothing that would make its repetition cheap: each one counts.
        known = None if meta.dry_run else (event.function, meta.source, meta.id)
        try:
            self._limits.receive(meta.source, known)
            if isinstance(event, BuildRequest):
                self._limits.admit(event.function.third_party_id, known)
        except RateLimited as error:
            self._metrics.rate_limited.labels(error.limit).inc()
            raise

    async def drain(self, timeout_seconds: float) -> None:
        """Wait for work whose requests have been answered already, at most this long."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_seconds)

    async def _carry_out(self, event: Event) -> Reply:
        task = asyncio.create_task(self._automation.handle(event))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait((task,), timeout=self._timeout_seconds)
        if not done:
            task.add_done_callback(_log_late_outcome)
            self._metrics.count_timeout(event)
            raise WorkContinues(
                f"no result within {self._timeout_seconds:g} seconds; the work goes on, "
                "send the same event again to learn how it ended"
            )
        return task.result()


def _log_late_outcome(task: asyncio.Task[Reply]) -> None:
    """Say how work ended whose request could not wait for it; nobody else would."""
    if task.cancelled():
        logger.warning("late work was cancelled")
    elif error := task.exception():
        logger.error("late work failed", exc_info=None if isinstance(error, PlatformError) else error)
    else:
        logger.info("late work ended", extra=fields(reply_status=task.result().status))


@dataclass(frozen=True)
class Answer:
    """What a message is answered with."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class _Result:
    """What became of one event of a batch."""

    status: int
    body: dict[str, object]
    retry_after: float | None = None


class CloudEventHandler:
    """Decodes HTTP messages into events, passes them to an event handler, and encodes the replies."""

    def __init__(self, events: EventHandler, metrics: Metrics, *, source: str, tracer: Tracer = OFF) -> None:
        self._events = events
        self._tracer = tracer
        self._metrics = metrics
        self._source = source

    async def handle(self, headers: Iterable[tuple[str, str]], body: bytes, trail: Trail) -> Answer:
        """Return the answer to a message. Raises PlatformError, but not for single events of a batch."""
        pairs = list(headers)
        if is_batch(dict(pairs)):
            return await self._handle_batch(decode_batch(pairs, body), trail)
        event, reply = await self.carry_out(decode(pairs, body), trail)
        message = encode_reply(event.meta, reply, source=self._source, trace_id=trail.trace_id, now=_now())
        return Answer(200, message.headers, message.body)

    async def carry_out(self, received: Received, trail: Trail) -> tuple[Event, Reply]:
        """Count one event and have it carried out; return it with the reply. Raises PlatformError."""
        trail.adopt(received.attributes)
        event_type = received.attributes["type"]
        self._metrics.count_event(event_type, received.mode)
        begins = trail.traceparent or event_type not in COUNTED
        serving = (self._tracer if begins else OFF).span(
            f"CloudEvents Process {label(event_type)}",
            parent=trail.traceparent,
            began_ns=trail.began_ns,
            serves=True,
        )
        with serving as span, self._metrics.answering(event_type):
            # What the event brings about from here on, its build's Job too, is a child of the span.
            trail.traceparent = span.traceparent or trail.traceparent
            span.tell(_described(received, trail))
            event, reply = await self._events.handle(received, trail)
            _tell_outcome(span, event, reply)
            return event, reply

    async def _handle_batch(self, batch: list[Received | InvalidEvent], trail: Trail) -> Answer:
        """Have all events carried out, those of one function in their order, and tell of each."""
        results = await asyncio.gather(*(self._handle_member(received, trail) for received in batch))
        body = json.dumps({"results": [{"http_status": one.status, **one.body} for one in results]})
        return Answer(*_worst(results), body.encode())

    async def _handle_member(self, received: Received | InvalidEvent, trail: Trail) -> _Result:
        """Carry out one event of a batch, with a trail of its own."""
        own = replace(trail, log={})
        current_trail.set(own)  # of this event's task
        result = await self._result(received, own)
        extra = fields(http_status=result.status, **own.log)
        logger.log(level_of(result.status), "event of a batch answered", extra=extra)
        return result

    async def _result(self, received: Received | InvalidEvent, trail: Trail) -> _Result:
        try:
            if isinstance(received, InvalidEvent):
                raise received
            event, reply = await self.carry_out(received, trail)
        except PlatformError as error:
            self._metrics.errors.labels(error.error_type).inc()
            trail.note(error)
            return _Result(error.status, error_body(error, trail), error.retry_after)
        return _Result(200, answer_body(event.meta, reply, trace_id=trail.trace_id, now=_now()))


def _described(received: Received, trail: Trail) -> dict[str, str]:
    """Return the attributes of an event's span; ids are cut as in the log."""
    names = {"event_id": "id", "event_source": "source", "event_type": "type", "event_subject": "subject"}
    found = {name: received.attributes.get(key) for name, key in names.items()}
    told = {f"cloudevents.{name}": str(value)[:128] for name, value in found.items() if value is not None}
    return {**told, "correlation.id": trail.correlation_id}


def _tell_outcome(span: Span, event: Event, reply: Reply) -> None:
    """Say which function it was about, and what was answered."""
    job = reply.fields.get("job_name")
    told = {"lambda.function": event.function and str(event.function), "build.job_name": job}
    span.tell({"lambda.reply": reply.status, **{key: str(value) for key, value in told.items() if value}})


def _worst(results: Sequence[_Result]) -> tuple[int, dict[str, str]]:
    """Return status and headers of a batch: those of the event that should be sent again, if there is one.

    All are sent again with it. That does no harm: what was done is recognised.
    """
    worst = max(results, key=lambda one: (one.retry_after is not None, one.status), default=_Result(200, {}))
    headers = {"content-type": "application/json"}
    if worst.retry_after is not None:
        headers["retry-after"] = str(math.ceil(worst.retry_after))
    return worst.status, headers


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
