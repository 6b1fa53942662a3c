"""Where a revision comes from, what became of an event or a digest, and the attestation of a build."""

from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from automation.errors import InvalidEvent
from automation.event_fields import ATTRIBUTE, NAME, Syntax, shown
from automation.events import FunctionId
from automation.provenance import envelope
from automation.provenance.chain import hex_of
from service.errors import NotFound
from service.ports import Automation
from service.rest.builds import the_build
from service.rest.guard import Endpoint, Handle

REVISION_PATH: Final = "/functions/{third_party_id}/{parser_id}/revisions/{revision}/provenance"
SEARCH_PATH: Final = "/provenance"
ATTESTATION_PATH: Final = "/builds/{build_id}/attestation"
SBOM_PATH: Final = "/builds/{build_id}/sbom"

MAX_REVISION: Final = 10**9

_DIGEST: Final = Syntax(
    "64 hex digits, with or without `sha256:` before them", lambda text: hex_of(text) is not None
)
_PARAMETERS: Final = {"digest": _DIGEST, "event": ATTRIBUTE}


def endpoints(automation: Automation) -> list[Endpoint]:
    """Return the endpoints."""
    return [
        Endpoint("GET", REVISION_PATH, _revision(automation)),
        Endpoint("GET", SEARCH_PATH, _search(automation)),
        Endpoint("GET", ATTESTATION_PATH, _attestation(automation)),
        Endpoint("GET", SBOM_PATH, _sbom(automation)),
    ]


def _revision(automation: Automation) -> Handle:
    async def answer(request: Request) -> Response:
        ids = (request.path_params["third_party_id"], request.path_params["parser_id"])
        text = request.path_params["revision"]
        known = all(map(NAME.accepts, ids)) and _is_number(text)
        found = await automation.evidence.of_revision(FunctionId(*ids), int(text)) if known else None
        if found is None:
            raise NotFound(
                "the function has no such revision, or remembers it no more; GET /provenance finds older ones"
            )
        return JSONResponse(dict(found))

    return answer


def _search(automation: Automation) -> Handle:
    async def answer(request: Request) -> Response:
        name, value = _asked(request.query_params)
        evidence = automation.evidence
        found = await (evidence.by_digest(value) if name == "digest" else evidence.by_event(value))
        return JSONResponse({"revisions": [dict(chain) for chain in found], "count": len(found)})

    return answer


def _attestation(automation: Automation) -> Handle:
    async def answer(request: Request) -> Response:
        build = await the_build(automation, request)
        found = await automation.evidence.attestation(build)
        if found is None:
            raise NotFound(
                f"build {build.build_id} has no attestation: its image is not there, or not by digest"
            )
        return Response(found, media_type=_media_type(found))

    return answer


def _sbom(automation: Automation) -> Handle:
    async def answer(request: Request) -> Response:
        build = await the_build(automation, request)
        found = await automation.evidence.sbom(build)
        if found is None:
            raise NotFound(f"build {build.build_id} has no SBOM: its image was not scanned")
        return Response(found, media_type="application/vnd.cyclonedx+json")

    return answer


def _media_type(attestation: bytes) -> str:
    """Return what a statement is, or an envelope with one, which names its payload first."""
    signed = attestation.startswith(b'{"payloadType"')
    return "application/vnd.dsse.envelope.v1+json" if signed else envelope.PAYLOAD_TYPE


def _asked(parameters: QueryParams) -> tuple[str, str]:
    """Return the one parameter that is asked by. Raises InvalidEvent with everything that is wrong."""
    pairs: list[tuple[str, Any]] = parameters.multi_items()
    problems = [
        f"{shown(name)} is no parameter; allowed: {', '.join(_PARAMETERS)}"
        for name, _ in pairs
        if name not in _PARAMETERS
    ]
    problems += [
        f"{name}: {shown(value)} is not allowed; allowed: {_PARAMETERS[name].allowed}"
        for name, value in pairs
        if name in _PARAMETERS and not _PARAMETERS[name].accepts(value)
    ]
    if len(pairs) != 1 and not problems:
        problems.append("give exactly one of digest and event")
    if problems:
        raise InvalidEvent(f"the query is wrong: {'; '.join(problems)}", details=tuple(problems))
    return pairs[0]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 11 and 1 <= int(text) <= MAX_REVISION
