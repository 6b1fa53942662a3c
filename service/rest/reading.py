"""A function with its history, a look for what has drifted of it, and the queue."""

import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from automation.event_fields import NAME
from automation.events import FunctionId
from service.errors import NotFound
from service.ports import Automation
from service.rest.guard import Endpoint

FUNCTION_PATH = "/functions/{third_party_id}/{parser_id}"
DRIFT_PATH = f"{FUNCTION_PATH}/drift"
STATS_PATH = "/async-jobs/stats"

Describe = Callable[[FunctionId], Awaitable[Mapping[str, Any] | None]]


def endpoints(automation: Automation, draining: Callable[[], bool]) -> list[Endpoint]:
    """Return the endpoints; `draining` says whether the process is about to end."""

    async def function(request: Request) -> Response:
        return await _shown(request, automation.describe)

    async def drift(request: Request) -> Response:
        return await _shown(request, automation.check_drift)

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
        Endpoint("GET", FUNCTION_PATH, function),
        Endpoint("POST", DRIFT_PATH, drift),
        Endpoint("GET", STATS_PATH, stats),
    ]


async def _shown(request: Request, describe: Describe) -> Response:
    """Answer with the function that the path names."""
    ids = (request.path_params["third_party_id"], request.path_params["parser_id"])
    found = await describe(FunctionId(*ids)) if all(map(NAME.accepts, ids)) else None
    if found is None:
        raise NotFound("there is no such function; the path is /functions/{third_party_id}/{parser_id}")
    return JSONResponse(dict(found))
