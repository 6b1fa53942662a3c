"""Takes events from a queue and posts them to a subscriber, as Knative's dispatcher does.

An event is acknowledged when the subscriber has taken it (and its reply is published), or when its dead
letter is kept; whatever breaks before that, RabbitMQ delivers it again. What is refused for good becomes a
dead letter at once, which eventing-rabbitmq's dispatcher would drop (docs/decisions/0047).
"""

import asyncio
import contextlib
import dataclasses
import datetime
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import urllib3
from aio_pika.abc import AbstractIncomingMessage

from automation.amqp import ANSWER_SECONDS, FAILURES, Server, connect
from automation.dead_letters.desk import message_of
from automation.dead_letters.failure import explanations
from automation.dead_letters.letter import REJECTED, Letter, Message, is_worth_a_retry, keep, receive
from automation.dead_letters.rabbitmq import amqp
from automation.dead_letters.store import Letters, LettersFull, LettersUnavailable
from automation.deliveries.binding import reply, request
from automation.errors import InvalidEvent

LONGEST_WAIT_SECONDS: Final = 30.0
_UNREADABLE_KEY: Final = "dlq.unreadable"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Route:
    """From where to where, and how patiently."""

    queue: str
    subscriber_url: str
    reply_exchange: str = ""
    """Where replies are published by their type; empty: they are dropped."""
    prefetch: int = 10
    """Events under way at one time; those that wait for their next try are among them."""
    retries: int = 5
    """Deliveries after the first one that failed."""
    first_wait_seconds: float = 1.0
    """Before the second delivery; doubled before each further one."""
    timeout_seconds: float = 30.0
    """Longest wait for one answer."""
    most_replays: int = 3
    """What was replayed so often and fails again is poison."""


@dataclass(frozen=True)
class Answer:
    """What the subscriber answered; status 0: nothing, for the reason in `body`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Courier:
    """Delivers the events of one queue until it is asked to end."""

    def __init__(self, server: Server, letters: Letters, route: Route) -> None:
        self._server = server
        self._letters = letters
        self._route = route
        self._http = urllib3.PoolManager(maxsize=route.prefetch, retries=False)
        # The default pool has a thread for each CPU and four more: fewer than events under way.
        self._threads = ThreadPoolExecutor(route.prefetch)
        self._ending = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

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
            waits = [asyncio.create_task(event.wait()) for event in (closed, self._ending)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
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
        except FAILURES as error:
            logger.warning("an event is not acknowledged, and comes again: %s", repr(error))
        finally:
            self._under_way.discard(task)

    async def _deliver(self, incoming: AbstractIncomingMessage, message: Message) -> None:
        answer = await self._post_patiently(message)
        if 200 <= answer.status < 300:
            await self._publish_reply(answer)
        else:
            await self._bury(message, answer)
        await incoming.ack()

    async def _post_patiently(self, message: Message) -> Answer:
        wait = self._route.first_wait_seconds
        for _ in range(self._route.retries):
            answer = await self._attempt(message)
            if 200 <= answer.status < 300 or not is_worth_a_retry(answer.status):
                return answer
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)
        return await self._attempt(message)

    async def _attempt(self, message: Message) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._post, message)

    def _post(self, message: Message) -> Answer:
        try:
            answered = self._http.request(
                "POST",
                self._route.subscriber_url,
                body=message.body,
                headers=request(message),
                timeout=self._route.timeout_seconds,
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
        async with await connect(self._server) as connection:
            channel = await connection.channel(publisher_confirms=True)
            exchange = await channel.get_exchange(self._route.reply_exchange, ensure=False)
            await exchange.publish(
                amqp(replied), replied.routing_key, mandatory=False, timeout=ANSWER_SECONDS
            )

    async def _bury(self, message: Message, answer: Answer) -> None:
        """Return once the dead letter is kept; while its store is down, the event stays where it is."""
        letter = self._letter(message, answer)
        wait = self._route.first_wait_seconds
        while True:
            try:
                return await self._letters.put(letter)
            except (LettersFull, LettersUnavailable) as error:
                logger.warning("a dead letter cannot be kept yet: %s", error.message)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _letter(self, message: Message, answer: Answer) -> Message:
        told = explanations(answer.status, self._route.subscriber_url, answer.body)
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

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
