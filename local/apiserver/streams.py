"""Watches over HTTP: one JSON object a line, while the client stays and keeps pace and its time is not up."""

import asyncio
import contextlib

from aiohttp import web

from local.apiserver.errors import ApiError
from local.apiserver.kinds import Kind
from local.apiserver.replies import object_body, transform
from local.apiserver.storage import Entry, Storage, encode
from local.apiserver.watch import Event, Watch

BOOKMARK_SECONDS = 60.0
LONGEST_SECONDS = 3600.0


async def stream_watch(
    request: web.BaseRequest, kind: Kind, watch: Watch, storage: Storage
) -> web.StreamResponse:
    """Write a watch's events until it ends."""
    reply = await _begin(request)
    with contextlib.suppress(ConnectionError):
        await _Stream(request, reply, kind, watch, storage).run()
    return reply


async def stream_gone(request: web.BaseRequest, error: ApiError) -> web.StreamResponse:
    """Answer a watch that cannot begin with an ERROR event, which is where clients look for a 410."""
    reply = await _begin(request)
    await reply.write(_line("ERROR", encode(error.status())))
    return reply


async def _begin(request: web.BaseRequest) -> web.StreamResponse:
    reply = web.StreamResponse(headers={"Content-Type": "application/json"})
    reply.enable_chunked_encoding()
    await reply.prepare(request)
    return reply


class _Stream:
    """One open watch and its deadline."""

    def __init__(
        self, request: web.BaseRequest, reply: web.StreamResponse, kind: Kind, watch: Watch, storage: Storage
    ) -> None:
        query = request.query
        self._reply = reply
        self._kind = kind
        self._watch = watch
        self._storage = storage
        self._bookmarks = query.get("allowWatchBookmarks") in ("1", "true")
        self._shape = transform(request.headers.get("Accept", ""))
        self._include = query.get("includeObject", "Metadata")
        seconds = query.get("timeoutSeconds", "")
        allowed = float(seconds) if seconds.isdecimal() and int(seconds) else LONGEST_SECONDS
        self._deadline = asyncio.get_running_loop().time() + allowed

    async def run(self) -> None:
        """Write events, and bookmarks in quiet times."""
        loop = asyncio.get_running_loop()
        while (left := self._deadline - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                    event = await anext(self._watch)
            except TimeoutError:
                await self._bookmark()
                continue
            except StopAsyncIteration:
                break
            await self._reply.write(self._batch(event))

    def _batch(self, event: Event) -> bytes:
        """Return the lines of an event and of all that are pending behind it."""
        lines = [self._encode(event)]
        while (following := self._watch.poll()) is not None and len(lines) < 500:
            lines.append(self._encode(following))
        if following is not None:
            lines.append(self._encode(following))
        return b"".join(lines)

    def _encode(self, event: Event) -> bytes:
        if not self._shape:
            return _line(event.type, event.raw())
        return _line(event.type, object_body(self._kind, Entry(event.object), self._shape, self._include))

    async def _bookmark(self) -> None:
        if self._bookmarks:
            metadata = {"resourceVersion": str(self._storage.revision), "creationTimestamp": None}
            obj = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata}
            await self._reply.write(_line("BOOKMARK", encode(obj)))


def _line(type_: str, raw: bytes) -> bytes:
    return b'{"type":"' + type_.encode() + b'","object":' + raw + b"}\n"
