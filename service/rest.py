"""What can be read: a function with its history, and the queue. For holders of a token only."""

import datetime
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from automation.event_fields import NAME
from automation.events import FunctionId
from service.errors import NotFound
from service.ports import Automation
from service.tokens import Tokens

FUNCTION_PATH = "/functions/{third_party_id}/{parser_id}"
STATS_PATH = "/async-jobs/stats"

_Endpoint = Callable[[Request], Awaitable[Response]]


def routes(automation: Automation, tokens: Tokens, *, draining: Callable[[], bool]) -> list[Route]:
    """Return the routes; `draining` says whether the process is about to end."""

    async def function(request: Request) -> Response:
        ids = (request.path_params["third_party_id"], request.path_params["parser_id"])
        found = await automation.describe(FunctionId(*ids)) if all(map(NAME.accepts, ids)) else None
        if found is None:
            raise NotFound("there is no such function; the path is /functions/{third_party_id}/{parser_id}")
        return JSONResponse(dict(found))

    async def stats(request: Request) -> Response:
        numbers = automation.stats
        return JSONResponse(
            {
                "worker_count": numbers.workers,
                "queue_size": numbers.queue_depth,
                "max_queue_size": numbers.limit,
                "results_count": numbers.active,
                "is_shutdown": draining(),
                "timestamp": datetime.datetime.now(datetime.UTC).isoformat(),
            }
        )

    return [
        Route(path, _guarded(path, endpoint, tokens), methods=["GET"])
        for path, endpoint in ((FUNCTION_PATH, function), (STATS_PATH, stats))
    ]


def _guarded(path: str, endpoint: _Endpoint, tokens: Tokens) -> _Endpoint:
    """Return the endpoint behind a check of the token; metrics count it by its template."""

    async def guarded(request: Request) -> Response:
        request.scope["template"] = path
        tokens.check(request.headers.get("authorization"))
        return await endpoint(request)

    return guarded
