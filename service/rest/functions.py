"""Lists of functions, page by page."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from automation.directory import DEFAULT_LIMIT, MAX_LIMIT, Query
from automation.event_fields import NAME, OBJECT_NAME, Syntax
from automation.model import Phase
from service.ports import Automation
from service.rest import queries
from service.rest.guard import Endpoint

LIST_PATH: Final = "/functions"

PHASES: Final = tuple(phase.value for phase in Phase)

_PARAMETERS: Final[Mapping[str, Syntax]] = {
    "third_party_id": NAME,
    "phase": Syntax(", ".join(PHASES), PHASES.__contains__),
    "limit": queries.up_to(MAX_LIMIT),
    "continue": Syntax("the `continue` of the page before", OBJECT_NAME.accepts),
}


def endpoints(automation: Automation) -> list[Endpoint]:
    """Return the endpoint."""

    async def functions(request: Request) -> Response:
        page = await automation.list_functions(_query(request.query_params))
        return JSONResponse(
            {
                "functions": list(page.functions),
                "count": len(page.functions),
                "continue": page.after or None,
            }
        )

    return [Endpoint("GET", LIST_PATH, functions)]


def _query(parameters: QueryParams) -> Query:
    """Return what is asked for. Raises InvalidEvent."""
    given: dict[str, Any] = queries.checked(parameters, _PARAMETERS)
    after, limit = given.pop("continue", ""), int(given.pop("limit", DEFAULT_LIMIT))
    return Query(**given, limit=limit, after=after)
