"""The desk over HTTP, for holders of a token: the contract's section 4.5, and what goes with it.

GET  /api/dlq                        how many letters there are, and how those are who take replays
GET  /api/dlq/letters                filter, maxAge, minAge, count, place, after
GET  /api/dlq/letters/{id}           one, with its body
POST /api/dlq/letters/{id}/replay    that one
POST /api/dlq/replay                 {"count": 10, "filter": "category=transient", "maxAge": "24h"}
POST /api/dlq/purge                  the same, and "confirm": true
POST /dlq/process                    one pass of the schedule, now
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from automation.dead_letters.clerk import Clerk
from automation.dead_letters.query import MAX_COUNT, Query, read
from automation.dead_letters.store import Place
from automation.errors import InvalidEvent
from service.errors import NotFound
from service.http import read_body
from service.strict_json import InvalidJson, loads
from service.tokens import Tokens

_MAX_BODY_BYTES: Final = 64 * 1024
_BODY_SECONDS: Final = 10.0
_LISTED: Final = 50
_REPLAYED: Final = 10

_Endpoint = Callable[[Request], Awaitable[Response]]


class Counter:
    """Answers what is asked at the desk."""

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk

    async def status(self, request: Request) -> Response:
        """Say how many letters there are, and how those are who take replays."""
        return JSONResponse(await self._clerk.status())

    async def list(self, request: Request) -> Response:
        """List letters."""
        fields = dict(request.query_params)
        query = read(fields, count=_LISTED, also=frozenset(("place", "after")))
        return JSONResponse(await self._clerk.list(_place(fields), query, after=fields.get("after", "")))

    async def show(self, request: Request) -> Response:
        """Show one letter."""
        found = await self._clerk.show(_place(request.query_params), request.path_params["letter"])
        if found is None:
            raise _absent()
        return JSONResponse(found)

    async def replay(self, request: Request) -> Response:
        """Replay letters."""
        fields = await _fields(request)
        query = read(fields, count=_REPLAYED, also=frozenset(("place", "force")))
        return await self._replayed(fields, query)

    async def replay_one(self, request: Request) -> Response:
        """Replay one letter."""
        fields = await _fields(request)
        read(fields, count=1, also=frozenset(("place", "force")))
        wanted = Query(wanted={"letter": request.path_params["letter"]}, count=1)
        return await self._replayed(fields, wanted, absent=_absent())

    async def purge(self, request: Request) -> Response:
        """Throw letters away; who asks has to say that this is meant."""
        fields = await _fields(request)
        query = read(fields, count=MAX_COUNT, also=frozenset(("place", "confirm")))
        if fields.get("confirm") is not True:
            raise InvalidEvent('letters are thrown away for good; say so with "confirm": true')
        return JSONResponse(await self._clerk.purge(_place(fields), query))

    async def process(self, request: Request) -> Response:
        """Do one pass of the schedule now."""
        return JSONResponse((await self._clerk.pass_schedule()).document())

    async def _replayed(
        self, fields: Mapping[str, Any], query: Query, *, absent: NotFound | None = None
    ) -> Response:
        report = await self._clerk.replay(_place(fields), query, force=fields.get("force") is True)
        if absent is not None and report.is_empty:
            raise absent
        return JSONResponse(report.document())


def routes(clerk: Clerk, tokens: Tokens) -> list[Route]:
    """Return the routes."""
    counter = Counter(clerk)
    served: list[tuple[str, str, _Endpoint]] = [
        ("GET", "/api/dlq", counter.status),
        ("GET", "/api/dlq/letters", counter.list),
        ("GET", "/api/dlq/letters/{letter}", counter.show),
        ("POST", "/api/dlq/letters/{letter}/replay", counter.replay_one),
        ("POST", "/api/dlq/replay", counter.replay),
        ("POST", "/api/dlq/purge", counter.purge),
        ("POST", "/dlq/process", counter.process),
    ]
    return [Route(path, _guarded(path, endpoint, tokens), methods=[verb]) for verb, path, endpoint in served]


def _guarded(path: str, endpoint: _Endpoint, tokens: Tokens) -> _Endpoint:
    async def guarded(request: Request) -> Response:
        request.scope["template"] = path
        tokens.check(request.headers.get("authorization"))
        return await endpoint(request)

    return guarded


def _place(fields: Mapping[str, Any]) -> Place:
    text = fields.get("place", Place.WAITING)
    if text not in set(Place):
        raise InvalidEvent(f"place: {str(text)[:80]!a} is not allowed; allowed: {', '.join(Place)}")
    return Place(text)


async def _fields(request: Request) -> dict[str, Any]:
    body = await read_body(request, limit_bytes=_MAX_BODY_BYTES, timeout_seconds=_BODY_SECONDS)
    try:
        fields = loads(body) if body.strip() else {}
    except InvalidJson as error:
        raise InvalidEvent(f"body: {error}") from None
    if not isinstance(fields, dict):
        raise InvalidEvent('body: not an object; send JSON such as {"count": 10}')
    return fields


def _absent() -> NotFound:
    return NotFound("there is no such letter in this place; GET /api/dlq/letters lists them")
