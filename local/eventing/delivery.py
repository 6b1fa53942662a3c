"""One message to one subscriber: tries, waits, replies and, in the end, the dead letter."""

import asyncio
import base64
import datetime
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from local.eventing.cloudevents import Event, InvalidEventError, decode, is_event
from local.eventing.message import Message
from local.eventing.policy import Answer, Policy
from local.eventing.sender import Sender

_MAX_ERROR_DATA = 1024
"""Characters of the extension knativeerrordata, as in Knative."""


@dataclass(frozen=True)
class Route:
    """Where a Trigger's messages go."""

    subscriber: str
    dead_letter_sink: str | None
    policy: Policy


@dataclass(frozen=True)
class Failure:
    """Why a message was given up, in the words of Knative's error extensions."""

    destination: str
    answer: Answer

    def mark(self, event: Event) -> Event:
        """Return the event with the extensions knativeerrordest, knativeerrorcode and knativeerrordata."""
        code = 500 if self.answer.status == -1 else self.answer.status
        data = base64.b64encode(self.answer.body).decode()[:_MAX_ERROR_DATA]
        return event.extended(
            knativeerrordest=self.destination,
            knativeerrorcode=str(code),
            **({"knativeerrordata": data} if data else {}),
        )


class Delivery:
    """Delivers messages; shared by all queues.

    `reply` takes a subscriber's reply into the broker; it says False when the reply has no hops left.
    `bury` keeps an event for which there is no dead letter sink, or none that takes it.
    """

    def __init__(self, sender: Sender, bury: Callable[[Event], None]) -> None:
        self._sender = sender
        self._bury = bury

    async def deliver(
        self, message: Message, route: Route, reply: Callable[[Message], Awaitable[bool]]
    ) -> Failure | None:
        """Deliver or dead-letter.

        When this returns the message is done. None: the subscriber has taken it.
        """
        answer, replied = await self._attempt(message, route)
        if not answer.is_success:
            failure = Failure(route.subscriber, answer)
            await self._dead_letter(message, failure, route)
            return failure
        if replied is not None and not await reply(message.reply(replied)):
            lost = Answer(400, {}, b"the event went round the broker too often: its hop limit is used up")
            await self._dead_letter(message.reply(replied), Failure(route.subscriber, lost), route)
        return None

    async def _attempt(self, message: Message, route: Route) -> tuple[Answer, Event | None]:
        """Try as often as the policy says; return the last answer and the reply event of a success."""
        attempt = 0
        while True:
            answer = await self._sender.send(
                route.subscriber, message.event, message.headers, route.policy.timeout
            )
            answer, replied = _judge(answer)
            if answer.is_success or not answer.is_worth_a_retry or attempt >= route.policy.retry:
                return answer, replied
            await asyncio.sleep(
                route.policy.wait(attempt, answer.retry_after(datetime.datetime.now(datetime.UTC)))
            )
            attempt += 1

    async def _dead_letter(self, message: Message, failure: Failure, route: Route) -> None:
        event = failure.mark(message.event)
        if route.dead_letter_sink is not None:
            sink = Route(route.dead_letter_sink, None, route.policy)
            answer, _ = await self._attempt(Message(event, message.hops_left, message.headers), sink)
            if answer.is_success:
                return
        self._bury(event)


def _judge(answer: Answer) -> tuple[Answer, Event | None]:
    """Return the answer, turned into 502 when a success carries something that is no event, and the event."""
    if not answer.is_success:
        return answer, None
    if is_event(answer.headers):
        try:
            return answer, decode(answer.headers, answer.body)[0]
        except InvalidEventError as error:
            return Answer(502, answer.headers, f"the reply is malformed: {error}".encode()), None
    if answer.body:
        reason = b"the reply is neither empty nor a CloudEvent: " + answer.body
        return Answer(502, answer.headers, reason), None
    return answer, None
