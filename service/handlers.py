"""The pipeline behind the HTTP handler: CloudEvent handler, then event handler, then the reply.

Free of the web framework. The CloudEvent handler turns messages into events and replies into messages; the
event handler validates, counts and hands over to automation.
"""

import asyncio
import datetime
import logging
from collections.abc import Iterable

from cloudevents.core.bindings.http import HTTPMessage

from automation.errors import PlatformError
from automation.event_parser import parse
from automation.events import Event, Reply
from service.cloudevents import Received, decode, encode_reply
from service.errors import WorkContinues
from service.logs import fields
from service.metrics import Metrics
from service.ports import Automation
from service.trail import Trail

logger = logging.getLogger(__name__)


class EventHandler:
    """Validates events, counts them and has automation carry them out within a time limit.

    Work whose request has run out of time goes on, so that the sender's repetition finds it done.
    """

    def __init__(self, automation: Automation, metrics: Metrics, *, timeout_seconds: float) -> None:
        self._automation = automation
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
        try:
            reply = await self._carry_out(event)
        except PlatformError:
            self._metrics.count_failure(event)
            raise
        self._metrics.count_outcome(event, reply)
        trail.log["reply_status"] = reply.status
        return event, reply

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


class CloudEventHandler:
    """Decodes HTTP messages into events, passes them to an event handler, and encodes the replies."""

    def __init__(self, events: EventHandler, metrics: Metrics, *, source: str) -> None:
        self._events = events
        self._metrics = metrics
        self._source = source

    async def handle(self, headers: Iterable[tuple[str, str]], body: bytes, trail: Trail) -> HTTPMessage:
        """Return the reply to a message. Raises PlatformError."""
        received = decode(headers, body)
        trail.adopt(received.attributes)
        self._metrics.count_event(received.attributes["type"], received.mode)
        event, reply = await self._events.handle(received, trail)
        return encode_reply(
            event.meta,
            reply,
            source=self._source,
            trace_id=trail.trace_id,
            now=datetime.datetime.now(datetime.UTC),
        )
