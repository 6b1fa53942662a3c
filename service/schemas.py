"""What data has to look like: JSON Schemas of all types, and data of one version in the words of another."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from automation import schemas
from automation.errors import InvalidEvent
from automation.event_fields import shown
from automation.event_types import TYPES
from automation.event_versions import BUILD_START, convert
from service import asyncapi, strict_json
from service.errors import NotFound

DOCUMENT_PATH: Final = schemas.PATH + "/{event_type}/{version}"

ASYNCAPI_PATH: Final = "/asyncapi.json"

_MEDIA_TYPE: Final = "application/schema+json"


def routes(read: Callable[[Request], Awaitable[bytes]]) -> list[Route]:
    """Return the routes; `read` reads a request's body within limits."""

    async def convert_data(request: Request) -> Response:
        """Answer data of a build.start with the same data in the words of the version in the path."""
        _, target = _named(request)
        source = request.query_params.get("from", "")
        if request.path_params["event_type"] != BUILD_START:
            raise NotFound(f"data of this type has one version only; versions are converted of {BUILD_START}")
        if source not in TYPES[BUILD_START].versions:
            raise InvalidEvent(
                f"from: {shown(source)} is not allowed; allowed: {', '.join(TYPES[BUILD_START].versions)}"
            )
        return JSONResponse(convert(_object(await read(request)), source, target))

    return [
        Route(schemas.PATH, _listed, methods=["GET"]),
        Route(ASYNCAPI_PATH, _asyncapi, methods=["GET"]),
        Route(DOCUMENT_PATH, _document, methods=["GET"]),
        Route(DOCUMENT_PATH, convert_data, methods=["POST"]),
    ]


async def _listed(request: Request) -> Response:
    """Answer every type, which way its events go, and where the schemas of its data are."""
    listed = [
        {
            "type": kind.name,
            "direction": kind.direction.value,
            "schemas": {version: schemas.path(kind.name, version) for version in kind.versions},
        }
        for kind in TYPES.values()
    ]
    return JSONResponse({"types": listed})


async def _asyncapi(request: Request) -> Response:
    """Answer the AsyncAPI document, whose references are the addresses of the schemas here."""
    return JSONResponse(asyncapi.document())


async def _document(request: Request) -> Response:
    """Answer the schema of the type and version in the path."""
    event_type, version = _named(request)
    return JSONResponse(schemas.document(event_type, version), media_type=_MEDIA_TYPE)


def _named(request: Request) -> tuple[str, str]:
    """Return type and version of the path. Raises NotFound; metrics count both by the template."""
    request.scope["template"] = DOCUMENT_PATH
    event_type, version = request.path_params["event_type"], request.path_params["version"]
    if event_type not in TYPES:
        raise NotFound(f"there is no such type; GET {schemas.PATH} lists all")
    if version not in TYPES[event_type].versions:
        raise NotFound(f"this type has no such version; there are: {', '.join(TYPES[event_type].versions)}")
    return event_type, version


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = strict_json.loads(body)
    except strict_json.InvalidJson as error:
        raise InvalidEvent(f"data: {error}") from None
    if not isinstance(data, dict):
        raise InvalidEvent(f"data: {shown(data)} is not allowed; allowed: a JSON object")
    return data
