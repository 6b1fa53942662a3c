"""Builds: lists of them, one of them, and what can be done with one."""

import datetime
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from automation.builds.catalogue import DEFAULT_LIMIT, MAX_LIMIT, Query
from automation.builds.entry import STATUSES, Entry
from automation.event_fields import BUILD_ID, NAME, Syntax
from service.cloudevents import Received, answer_body
from service.errors import NotFound, WrongMoment
from service.handlers import CloudEventHandler
from service.ports import Automation
from service.rest import queries
from service.rest.guard import Endpoint, Handle

LIST_PATH: Final = "/builds"
BUILD_PATH: Final = "/builds/{build_id}"
CANCEL_PATH: Final = "/builds/{build_id}/cancel"
RETRY_PATH: Final = "/builds/{build_id}/retry"

_PARAMETERS: Final[Mapping[str, Syntax]] = {
    "third_party_id": NAME,
    "parser_id": NAME,
    "status": Syntax(", ".join(STATUSES), STATUSES.__contains__),
    "limit": queries.up_to(MAX_LIMIT),
}


def endpoints(automation: Automation, cloud_events: CloudEventHandler, source: str) -> list[Endpoint]:
    """Return the endpoints; what changes something is an event of this source."""
    return [
        Endpoint("GET", LIST_PATH, _list(automation)),
        Endpoint("GET", BUILD_PATH, _build(automation)),
        Endpoint("POST", CANCEL_PATH, _cancel(automation, cloud_events, source)),
        Endpoint("POST", RETRY_PATH, _retry(automation, cloud_events, source)),
    ]


async def the_build(automation: Automation, request: Request, *, preview: bool = False) -> Entry:
    """Return the build that the path names. Raises NotFound, DependencyUnavailable or Saturated."""
    build_id = request.path_params["build_id"]
    found = await automation.builds.find(build_id, preview=preview) if BUILD_ID.accepts(build_id) else None
    if found is None:
        raise NotFound("there is no such build, or it is kept no more; GET /builds lists those that are")
    return found


def _list(automation: Automation) -> Handle:
    async def answer(request: Request) -> Response:
        began = time.monotonic()
        query = _query(request.query_params)
        found = await automation.builds.list(query)
        return JSONResponse(
            {
                "success": True,
                "builds": [_shown(build) for build in found],
                "count": len(found),
                "limit": query.limit,
                "timestamp": _now().isoformat(),
                "duration": round(time.monotonic() - began, 6),
            }
        )

    return answer


def _build(automation: Automation) -> Handle:
    async def answer(request: Request) -> Response:
        found = await the_build(automation, request, preview=True)
        return JSONResponse({**_shown(found), "logs_preview": found.logs_preview, "scan": found.scan})

    return answer


def _cancel(automation: Automation, cloud_events: CloudEventHandler, source: str) -> Handle:
    async def answer(request: Request) -> Response:
        build = await the_build(automation, request)
        if build.ended:
            raise _over(build)
        # Of one build there is one cancellation, however often it is asked for.
        attributes = _attributes("command.build.cancel", f"{build.job_name}/cancel", source, build)
        reply = await _carried_out(cloud_events, request, attributes, build, build_id=build.build_id)
        if reply["status"] == "skipped" and (await the_build(automation, request)).reason != "cancelled":
            raise _over(build)
        return JSONResponse(reply)

    return answer


def _retry(automation: Automation, cloud_events: CloudEventHandler, source: str) -> Handle:
    async def answer(request: Request) -> Response:
        build = await the_build(automation, request)
        if not build.ended:
            raise WrongMoment(f"build {build.build_id} is {build.status}; cancel it, or wait for its end")
        latest = await automation.builds.latest(build.function)
        if latest is None or latest.job_name != build.job_name:
            raise WrongMoment(
                f"{build.function} has had another build since; the latest one can be tried again"
            )
        attributes = _attributes("command.build.retry", str(uuid.uuid4()), source, build)
        reply = await _carried_out(cloud_events, request, attributes, build)
        return JSONResponse(reply, status_code=200 if reply["status"] == "skipped" else 202)

    return answer


async def _carried_out(
    cloud_events: CloudEventHandler,
    request: Request,
    attributes: Mapping[str, Any],
    build: Entry,
    **data: str,
) -> dict[str, Any]:
    """Have an event carried out as if somebody had sent it; return the answer as those get it."""
    ids = {"third_party_id": build.third_party_id, "parser_id": build.parser_id}
    trail = request.state.trail
    event, reply = await cloud_events.carry_out(Received(attributes, {**ids, **data}, "binary"), trail)
    return answer_body(event.meta, reply, trace_id=trail.trace_id, now=_now())


def _attributes(kind: str, event_id: str, source: str, build: Entry) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "type": f"io.knative.lambda.{kind}",
        "source": source,
        "subject": f"{build.third_party_id}/{build.parser_id}",
    }


def _query(parameters: QueryParams) -> Query:
    """Return what is asked for. Raises InvalidEvent."""
    given: dict[str, Any] = queries.checked(parameters, _PARAMETERS)
    return Query(**{**given, "limit": int(given.get("limit", DEFAULT_LIMIT))})


def _shown(build: Entry) -> dict[str, Any]:
    """Return what everybody sees of a build; the end of its log and its scan go with a single one only."""
    return {name: value for name, value in vars(build).items() if name not in ("logs_preview", "scan")}


def _over(build: Entry) -> WrongMoment:
    return WrongMoment(f"build {build.build_id} is over already; there is nothing to cancel")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
