"""A build's log: streamed while the build runs, served after, to be gone on with after a break.

Server-sent events (WHATWG HTML, section 9.2) or plain text. Only what the reader has taken is followed by
more: what is under way of one log is one piece, here, and the buffers of its two connections.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from automation.builds.entry import Entry
from automation.builds.facade import Log
from automation.builds.following import Piece
from automation.errors import InvalidEvent, PlatformError
from automation.event_fields import shown
from service.errors import NotAcceptable
from service.ports import Automation
from service.rest.builds import the_build
from service.rest.guard import Endpoint

LOGS_PATH: Final = "/builds/{build_id}/logs"

KEEP_ALIVE_SECONDS: Final = 15.0
"""As often as WHATWG HTML recommends, so that proxies keep a quiet connection."""
LOOK_SECONDS: Final = 1.0
"""How long nothing may be said before it is seen that the process ends."""
STALLED_SECONDS: Final = 60.0
"""How long a reader may take nothing before another one gets the place."""

EVENTS: Final = "text/event-stream"
TEXT: Final = "text/plain"
END: Final = "end"
"""Name and id of the last event: who comes back with it has everything, and is told to stay away."""

_QUIET: Final = {EVENTS: ": nothing new\n\n", TEXT: ""}


def endpoints(automation: Automation, draining: Callable[[], bool]) -> list[Endpoint]:
    """Return the endpoint; `draining` says whether the process is about to end."""

    async def logs(request: Request) -> Response:
        form = _form(request.headers.get("accept", ""))
        last = request.headers.get("last-event-id", "").strip()
        after = _number(last)
        build = await the_build(automation, request)
        if last == END:
            return Response(status_code=204)
        if request.method == "HEAD":
            return Response(media_type=form)
        log = automation.builds.log(build, after=after)
        return _LogResponse(_written(log, form, draining), log, form)

    return [Endpoint("GET", LOGS_PATH, logs)]


class _LogResponse(StreamingResponse):
    """A stream that ends when its reader is gone, or takes nothing."""

    def __init__(self, content: AsyncIterator[str], log: Log, form: str) -> None:
        super().__init__(content, media_type=form, headers={"x-accel-buffering": "no"})
        self._log = log

    async def stream_response(self, send: Send) -> None:
        """Send all parts, each within a time; whatever happens, the log is let go."""

        async def patient(message: Message) -> None:
            try:
                async with asyncio.timeout(STALLED_SECONDS):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        try:
            await super().stream_response(patient)
        finally:
            self._log.close()


async def _written(log: Log, form: str, draining: Callable[[], bool]) -> AsyncIterator[str]:
    """Yield the log in a form, piece by piece, until its end."""
    write = _events if form == EVENTS else _text
    spoke = time.monotonic()
    yield _QUIET[form]
    while not draining():
        try:
            piece = await log.read(LOOK_SECONDS)
        except PlatformError as error:
            if form == EVENTS:
                yield _event("error", {"error": error.message, "error_type": error.error_type})
            return
        if piece and (piece.lines or piece.ended):
            yield write(piece)
            spoke = time.monotonic()
        if piece and piece.ended:
            return
        if time.monotonic() - spoke >= KEEP_ALIVE_SECONDS:
            yield _QUIET[form]
            spoke = time.monotonic()


def _events(piece: Piece) -> str:
    lines = "".join(f"id: {line.number}\ndata: {line.text}\n\n" for line in piece.lines)
    return lines + (_event(END, _outcome(piece.ended), END) if piece.ended else "")


def _text(piece: Piece) -> str:
    return "".join(f"{line.text}\n" for line in piece.lines)


def _event(name: str, data: dict[str, object], id: str = "") -> str:
    return f"event: {name}\n" + (f"id: {id}\n" if id else "") + f"data: {json.dumps(data)}\n\n"


def _outcome(build: Entry) -> dict[str, object]:
    names = ("build_id", "status", "reason", "message", "exit_code", "image_uri", "duration")
    return {name: getattr(build, name) for name in names}


def _form(accept: str) -> str:
    """Return what to answer in: events, unless the sender asks for text alone. Raises NotAcceptable."""
    ranges = {one.partition(";")[0].strip().lower() for one in accept.split(",")}
    if ranges & {"", "*/*", "text/*", EVENTS}:
        return EVENTS
    if TEXT in ranges:
        return TEXT
    raise NotAcceptable(f"a log is not to be had as {shown(accept)}; accept {EVENTS} or {TEXT}")


def _number(last: str) -> int:
    """Return the number of the last line that the reader has. Raises InvalidEvent."""
    if last in ("", END):
        return 0
    if not (last.isascii() and last.isdecimal() and len(last) <= 12):
        raise InvalidEvent(f"last-event-id: {shown(last)} is no id of an event of ours; leave it out")
    return int(last)
