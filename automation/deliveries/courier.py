"""Takes events from a queue and posts them to their receivers, as Knative's dispatchers do.

An event is acknowledged when each receiver has taken it (and its reply is published), or its dead letter is
kept; whatever breaks before that, RabbitMQ delivers it again. What is refused for good becomes a
dead letter at once, which eventing-rabbitmq's dispatcher would drop (docs/decisions/0047).
"""

import asyncio
import contextlib
import dataclasses
import datetime
import itertools
import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import urllib3
from aio_pika.abc import AbstractIncomingMessage

from automation.amqp import FAILURES, Link, Server, connect
from automation.dead_letters.desk import message_of
from automation.dead_letters.failure import explanations
from automation.dead_letters.letter import REJECTED, Letter, Message, is_worth_a_retry, keep, receive
from automation.dead_letters.rabbitmq import amqp
from automation.dead_letters.store import Letters, LettersFull, LettersUnavailable
from automation.deliveries.binding import attributes, reply, request
from automation.deliveries.routing import NOBODY, Destination, Routes
from automation.errors import InvalidEvent

LONGEST_WAIT_SECONDS: Final = 30.0
_UNREADABLE_KEY: Final = "dlq.unreadable"

DELIVERED: Final = "delivered"
DEAD: Final = "dead_lettered"
DROPPED: Final = "dropped"
OUTCOMES: Final = (DELIVERED, DEAD, DROPPED)
"""Taken; kept as a dead letter; nobody's."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Route:
    """From where to where, and how patiently."""

    queue: str
    routes: Routes
    reply_exchange: str = ""
    """Where replies are published by their type; empty: they are dropped."""
    prefetch: int = 10
    """Events under way at one time; those that wait for their next try are among them."""
    retries: int = 5
    """Deliveries after the first one that failed."""
    first_wait_seconds: float = 1.0
    """Before the second delivery; doubled before each further one."""
    most_replays: int = 3
    """What was replayed so often and fails again is poison."""


@dataclass(frozen=True)
class Answer:
    """What the subscriber answered; status 0: nothing, for the reason in `body`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Counts(Protocol):
    """Who is told what became of deliveries."""

    def count_delivery(self, receiver: str, outcome: str, seconds: float) -> None:
        """Count an event that is done with: DELIVERED or DEAD; for NOBODY, DROPPED."""

    def count_retry(self, receiver: str) -> None:
        """Count a delivery that failed and will be repeated."""


class Courier:
    """Delivers the events of one queue until it is asked to end."""

    def __init__(self, server: Server, letters: Letters, route: Route, counts: Counts) -> None:
        self._server = server
        self._counts = counts
        self._replies = Link(server)
        self._letters = letters
        self._route = route
        self._http = urllib3.PoolManager(maxsize=route.prefetch, retries=False)
        # The default pool has a thread for each CPU and four more: fewer than events under way.
        self._threads = ThreadPoolExecutor(route.prefetch)
        self._ending = asyncio.Event()
        self._consuming = False
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def consuming(self) -> bool:
        """Whether RabbitMQ sends events at this moment."""
        return self._consuming

    @property
    def under_way(self) -> int:
        """How many events are in hand."""
        return len(self._under_way)

    def end(self) -> None:
        """Take no more events; `run` returns when those under way have ended or its grace has."""
        self._ending.set()

    async def run(self, *, grace_seconds: float) -> None:
        """Deliver; connect again, ever more slowly, whenever RabbitMQ goes away."""
        wait = self._route.first_wait_seconds
        while not self._ending.is_set():
            try:
                await self._serve(grace_seconds)
                wait = self._route.first_wait_seconds
            except FAILURES as error:
                logger.warning("RabbitMQ is out of reach: %s", repr(error))
                await self._pause(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
        await self._letters.close()
        await self._replies.drop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _serve(self, grace_seconds: float) -> None:
        connection = await connect(self._server)
        async with connection:
            closed = asyncio.Event()
            connection.close_callbacks.add(lambda *_: closed.set())
            channel = await connection.channel(publisher_confirms=True)
            await channel.set_qos(prefetch_count=self._route.prefetch)
            queue = await channel.get_queue(self._route.queue, ensure=True)
            tag = await queue.consume(self._take)
            logger.info("taking events from %s", self._route.queue)
            self._consuming = True
            waits = [asyncio.create_task(event.wait()) for event in (closed, self._ending)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            self._consuming = False
            for task in waits:
                task.cancel()
            if closed.is_set():
                await self._stop_deliveries(0)
                return
            await queue.cancel(tag)
            await self._stop_deliveries(grace_seconds)

    async def _stop_deliveries(self, grace_seconds: float) -> None:
        """Let deliveries end; those that have not are RabbitMQ's again once the connection is closed."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace_seconds)
        for task in self._under_way:
            task.cancel()

    async def _take(self, incoming: AbstractIncomingMessage) -> None:
        task = asyncio.current_task()
        assert task is not None, "the client calls this in a task of its own"
        self._under_way.add(task)
        try:
            await self._deliver(incoming, message_of(incoming))
        except* FAILURES as errors:
            logger.warning("an event is not acknowledged, and comes again: %s", repr(errors.exceptions[0]))
        finally:
            self._under_way.discard(task)

    async def _deliver(self, incoming: AbstractIncomingMessage, message: Message) -> None:
        destinations = self._route.routes.of(attributes(message))
        if not destinations:
            self._counts.count_delivery(NOBODY, DROPPED, 0.0)
        async with asyncio.TaskGroup() as group:
            for destination in destinations:
                group.create_task(self._hand_over(message, destination))
        await incoming.ack()

    async def _hand_over(self, message: Message, destination: Destination) -> None:
        began = time.monotonic()
        answer = await self._post_patiently(message, destination)
        if is_taken := 200 <= answer.status < 300:
            await self._publish_reply(answer)
        else:
            await self._bury(message, destination, answer)
        outcome = DELIVERED if is_taken else DEAD
        self._counts.count_delivery(destination.receiver, outcome, time.monotonic() - began)

    async def _post_patiently(self, message: Message, destination: Destination) -> Answer:
        for wait in itertools.islice(self._waits(), self._route.retries):
            answer = await self._attempt(message, destination)
            if 200 <= answer.status < 300 or not is_worth_a_retry(answer.status):
                return answer
            self._counts.count_retry(destination.receiver)
            await asyncio.sleep(wait)
        return await self._attempt(message, destination)

    async def _attempt(self, message: Message, destination: Destination) -> Answer:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._post, message, destination)

    def _post(self, message: Message, destination: Destination) -> Answer:
        try:
            answered = self._http.request(
                "POST",
                destination.url,
                body=message.body,
                headers=request(message),
                timeout=destination.timeout_seconds,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return Answer(0, {}, str(error).encode())
        headers = {name.lower(): value for name, value in answered.headers.items()}
        return Answer(answered.status, headers, answered.data)

    async def _publish_reply(self, answer: Answer) -> None:
        replied = reply(answer.headers, answer.body, _now()) if self._route.reply_exchange else None
        if replied is None:
            return
        exchange, key = self._route.reply_exchange, replied.routing_key
        for wait in self._waits():
            try:
                await self._replies.publish(amqp(replied), exchange, key, mandatory=False)
            except FAILURES as error:
                logger.warning("a reply cannot be published yet: %s", repr(error))
                await self._replies.drop()
                await asyncio.sleep(wait)
            else:
                return

    async def _bury(self, message: Message, destination: Destination, answer: Answer) -> None:
        """Return once the dead letter is kept; while its store is down, the event stays where it is."""
        letter = self._letter(message, destination, answer)
        for wait in self._waits():
            try:
                await self._letters.put(letter)
            except (LettersFull, LettersUnavailable) as error:
                logger.warning("a dead letter cannot be kept yet: %s", error.message)
                await asyncio.sleep(wait)
            else:
                return

    def _letter(self, message: Message, destination: Destination, answer: Answer) -> Message:
        told = explanations(answer.status, destination.url, answer.body)
        try:
            letter: Letter = receive(request(message).items(), message.body)
        except InvalidEvent:
            why = {"x-death-reason": REJECTED, "x-original-routing-key": message.routing_key}
            headers = {name: value for name, value in message.headers.items() if not name.startswith("x-")}
            return dataclasses.replace(
                message, routing_key=_UNREADABLE_KEY, headers={**headers, **why}, timestamp=_now()
            )
        letter = dataclasses.replace(letter, attributes={**letter.attributes, **told})
        route = self._route
        return keep(letter, retries=route.retries, most_replays=route.most_replays, now=_now())

    def _waits(self) -> Iterator[float]:
        """Yield how long to wait before each further try, without an end."""
        wait = self._route.first_wait_seconds
        while True:
            yield wait
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
