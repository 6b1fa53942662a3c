"""The HTTP side of the brokers: events in, dead letters in and out.

POST /{namespace}/{broker}   an event, or a batch of them, for a broker; 202 when it is accepted
POST /dead-letters           an event for the built-in dead letter store
GET  /dead-letters           all of them, as a JSON array
GET  /healthz                200
"""

import logging
from collections.abc import Mapping

from aiohttp import web

from local.eventing.broker import BrokerQueues
from local.eventing.cloudevents import Event, InvalidEventError, decode
from local.eventing.deadletters import DeadLetters
from local.eventing.message import Message

_log = logging.getLogger(__name__)


class Refusal(Exception):
    """The request is answered with an HTTP status of 4xx or 5xx and a text."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class Ingress:
    """Answers requests. `brokers` is looked at anew for each of them."""

    def __init__(
        self,
        brokers: Mapping[tuple[str, str], BrokerQueues],
        dead_letters: DeadLetters,
        *,
        max_body_bytes: int,
    ) -> None:
        self._brokers = brokers
        self._dead_letters = dead_letters
        self._max_body_bytes = max_body_bytes

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        try:
            return await self._answer(request)
        except Refusal as refusal:
            _log.info("event refused: %s %s", request.path, refusal.text)
            return web.Response(status=refusal.status, text=f"{refusal.text}\n", headers=refusal.headers)
        except OSError as error:
            _log.exception("event not accepted")
            return web.Response(status=503, text=f"the event could not be stored: {error.strerror}\n")

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = request.path.rstrip("/")
        if path == "/dead-letters":
            return await self._on_dead_letters(request)
        if path in ("/healthz", "/health"):
            return web.Response(text="ok\n")
        if request.method == "OPTIONS":
            # The handshake of the CloudEvents webhook specification, answered as Knative does.
            webhook = {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}
            return web.Response(headers={"Allow": "POST, OPTIONS", **webhook})
        if request.method != "POST":
            raise Refusal(405, f"{request.method} is not allowed; POST an event", Allow="POST, OPTIONS")
        namespace, _, name = path.removeprefix("/").partition("/")
        broker = self._brokers.get((namespace, name))
        if broker is None:
            raise Refusal(
                404, f"there is no broker {name!r} in namespace {namespace!r}; the path is /namespace/broker"
            )
        headers, events = await self._events(request)
        # All or none: a batch with an event that goes in circles is refused as a whole.
        messages = [Message.received(event, headers) for event in events]
        for message in messages:
            if message.hops_left <= 0:
                raise Refusal(
                    400, f"event {message.event.id!r} went round the broker too often: no hops are left"
                )
        for message in messages:
            broker.publish(message)
        return web.Response(status=202)

    async def _on_dead_letters(self, request: web.BaseRequest) -> web.Response:
        if request.method == "GET":
            return web.json_response(self._dead_letters.documents())
        if request.method != "POST":
            raise Refusal(405, f"{request.method} is not allowed; GET or POST", Allow="GET, POST")
        _, events = await self._events(request)
        for event in events:
            self._dead_letters.add(event)
        return web.Response(status=202)

    async def _events(self, request: web.BaseRequest) -> tuple[dict[str, str], list[Event]]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = await self._body(request)
        try:
            return headers, decode(headers, body)
        except InvalidEventError as error:
            raise Refusal(400, str(error)) from None

    async def _body(self, request: web.BaseRequest) -> bytes:
        too_large = Refusal(413, f"the body has over {self._max_body_bytes} bytes, the limit of this broker")
        if (request.content_length or 0) > self._max_body_bytes:
            raise too_large
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > self._max_body_bytes:
                raise too_large
        return bytes(body)
