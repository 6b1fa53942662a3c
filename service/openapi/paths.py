"""The paths of the document, and the document."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from automation import schemas
from service import VERSION
from service.openapi.schemas import (
    ANY_OBJECT,
    BUILD_ID,
    FUNCTIONS,
    LIMIT,
    NAME,
    PHASE,
    REVISION,
    SCHEMAS,
    SHA256,
    STACK,
    STATUS,
    TEXT,
    Schema,
    described,
    ref,
)
from service.settings import EVENT_PATHS

_JSON: Final = "application/json"
_TOKEN: Final[list[dict[str, list[str]]]] = [{"token": []}]
_ERRORS: Final[Mapping[int, str]] = {
    400: "The request is wrong; `details` names every problem.",
    401: "No token, or one that is not known; an event without the signature that is asked for.",
    403: "Nobody may read here: API_TOKENS_FILE is not set.",
    404: "There is no such thing.",
    406: "The answer cannot be had in a form that is accepted.",
    408: "The body did not arrive in time.",
    409: "It is not the moment for it; with Retry-After another process is at work on the function.",
    412: "The event would not do what the approved plan says.",
    413: "The body is too long.",
    429: "Too many requests; Retry-After says when the next one is taken.",
    500: "A failure of the service, or of the deployment.",
    503: "A dependency does not do its part; come back after Retry-After.",
}
_READING: Final = (401, 403, 429, 500, 503)
_EVENTS: Final = (400, 401, 404, 408, 409, 412, 413, 429, 500, 503)


def document() -> dict[str, Any]:
    """Return the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Knative Lambda",
            "version": VERSION,
            "description": "Events make functions; builds, functions and the queue can be read.",
        },
        "paths": _paths(),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> dict[str, Any]:
    return {
        **{path: {"post": _event(path)} for path in EVENT_PATHS},
        **{path: {"get": _live(path)} for path in ("/health", "/healthz")},
        **{path: {"get": _ready(path)} for path in ("/ready", "/readyz")},
        "/metrics": {"get": _operation("metrics", "Metrics for Prometheus", {200: _of("text/plain", TEXT)})},
        "/openapi.json": {
            "get": _operation("openapi", "This document", {200: _of(_JSON, {"type": "object"})})
        },
        "/asyncapi.json": {
            "get": _operation(
                "asyncapi", "The AsyncAPI document of all events", {200: _of(_JSON, {"type": "object"})}
            )
        },
        **_schemas(),
        "/async-jobs/stats": {"get": _read("queue", "The queue of events", "Queue")},
        "/functions": {"get": _functions()},
        "/functions/{third_party_id}/{parser_id}": {
            "get": _read("function", "A function with its history", "Function", 404),
            "parameters": [_in_path("third_party_id", NAME), _in_path("parser_id", NAME)],
        },
        "/functions/{third_party_id}/{parser_id}/drift": {
            "post": _read("checkDrift", "Look for what has drifted of a function", "Function", 404, 409),
            "parameters": [_in_path("third_party_id", NAME), _in_path("parser_id", NAME)],
        },
        "/functions/{third_party_id}/{parser_id}/revisions/{revision}/provenance": {
            "get": _read("provenance", "What led to a revision", "Chain", 404),
            "parameters": [
                _in_path("third_party_id", NAME),
                _in_path("parser_id", NAME),
                _in_path("revision", REVISION),
            ],
        },
        "/provenance": {"get": _search()},
        "/builds": {"get": _list()},
        "/builds/{build_id}": _of_build({"get": _read("build", "A build", "BuildWithLog", 404)}),
        "/builds/{build_id}/sbom": _of_build({"get": _sbom()}),
        "/builds/{build_id}/attestation": _of_build({"get": _attestation()}),
        "/builds/{build_id}/logs": _of_build({"get": _logs()}),
        "/builds/{build_id}/cancel": _of_build({"post": _change("cancelBuild", "Give a build up", (200,))}),
        "/builds/{build_id}/retry": _of_build(
            {"post": _change("retryBuild", "Build once more what was built last", (200, 202))}
        ),
    }


def _event(path: str) -> dict[str, Any]:
    """An event in any of the three modes of the CloudEvents HTTP binding."""
    answers = {200: {**_of(_JSON, ref("Answer")), "description": "What came of it."}}
    operation = _operation(
        f"send{path.title().replace('/', '').replace('-', '')}", "Take an event", answers, *_EVENTS
    )
    body = {
        "application/cloudevents+json": {"schema": ref("CloudEvent")},
        "application/cloudevents-batch+json": {
            "schema": {"type": "array", "items": ref("CloudEvent"), "maxItems": 100}
        },
        _JSON: {"schema": described({}, "Data of an event whose attributes are Ce-* headers.")},
    }
    for code, answer in operation["responses"].items():
        # A batch is answered with what became of each event, under the status of the worst.
        own = ref("Answer" if code == "200" else "Error")
        answer["content"] = {_JSON: {"schema": {"anyOf": [own, ref("BatchAnswer")]}}}
    return {**operation, "requestBody": {"required": True, "content": body}}


def _live(path: str) -> dict[str, Any]:
    return _operation(path.strip("/"), "Whether the process works", {200: _of(_JSON, ref("Live"))})


def _ready(path: str) -> dict[str, Any]:
    answer = _of(_JSON, ref("Ready"))
    return _operation(path.strip("/"), "Whether all dependencies do their part", {200: answer, 503: answer})


def _schemas() -> dict[str, Any]:
    """What the data of events has to look like."""
    answers = {200: _of(_JSON, ref("SchemaList"))}
    schema = {200: _of("application/schema+json", {"type": "object"})}
    body = {"required": True, "content": {_JSON: {"schema": {"type": "object"}}}}
    converted = _operation(
        "convertData",
        "Data of a build.start in another version",
        {200: _of(_JSON, {"type": "object"})},
        400,
        404,
        408,
        413,
        500,
    )
    version = {"name": "from", "in": "query", "required": True, "schema": TEXT}
    return {
        schemas.PATH: {"get": _operation("schemas", "All types of events", answers)},
        schemas.PATH + "/{event_type}/{version}": {
            "get": _operation("schema", "The JSON Schema of an event's data", schema, 404),
            "post": {**converted, "parameters": [version], "requestBody": body},
            "parameters": [_in_path("event_type", TEXT), _in_path("version", TEXT)],
        },
    }


def _list() -> dict[str, Any]:
    parameters = _in_query(third_party_id=NAME, parser_id=NAME, status=STATUS, limit=LIMIT)
    text = "Builds, those that were asked for last first"
    return {**_read("builds", text, "BuildList", 400), "parameters": parameters}


def _search() -> dict[str, Any]:
    text = "Revisions by the digest of their image or source, or by an event; give exactly one parameter"
    event = {"type": "string", "minLength": 1, "maxLength": 1024}
    asked = {"digest": SHA256, "event": event}
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in asked.items()]
    return {**_read("findProvenance", text, "ChainList", 400), "parameters": parameters}


def _sbom() -> dict[str, Any]:
    forms = {"application/vnd.cyclonedx+json": {"schema": described(ANY_OBJECT, "CycloneDX, JSON.")}}
    answers = {200: {"description": "What is in the image.", "content": forms}}
    operation = _operation("sbom", "The bill of materials of a build's image", answers, 404, *_READING)
    return {**operation, "security": _TOKEN}


def _attestation() -> dict[str, Any]:
    """What a build made of what, for programs that verify such statements."""
    forms = {
        "application/vnd.in-toto+json": {"schema": described(ANY_OBJECT, "An in-toto Statement v1.")},
        "application/vnd.dsse.envelope.v1+json": {"schema": described(ANY_OBJECT, "The same, signed.")},
    }
    answers = {200: {"description": "SLSA provenance, v1.", "content": forms}}
    operation = _operation("attestation", "How a build's image was made", answers, 404, *_READING)
    return {**operation, "security": _TOKEN}


def _functions() -> dict[str, Any]:
    parameters = _in_query(third_party_id=NAME, phase=PHASE, limit=FUNCTIONS, **{"continue": STACK})
    return {**_read("functions", "Functions, page by page", "FunctionList", 400), "parameters": parameters}


def _logs() -> dict[str, Any]:
    text = (
        "The log of a build. Server-sent events: each line with its number as id, comments in quiet times, "
        "at last an event named `end` with the outcome. Who comes back with Last-Event-ID goes on behind it."
    )
    stream = {
        "description": text,
        "content": {"text/event-stream": {}, "text/plain": {"schema": TEXT}},
    }
    nothing = {"description": "There is nothing behind the last event."}
    operation = _operation("logs", "A build's log", {200: stream, 204: nothing}, 400, 404, 406, *_READING)
    parameter = {
        "name": "Last-Event-ID",
        "in": "header",
        "schema": {"type": "string", "pattern": "^([0-9]{1,12}|end)$"},
    }
    return {**operation, "parameters": [parameter], "security": _TOKEN}


def _change(name: str, text: str, statuses: Sequence[int]) -> dict[str, Any]:
    answers = {
        status: {**_of(_JSON, ref("Answer")), "description": "What came of the event."} for status in statuses
    }
    codes = sorted({*_READING, 400, 404, 409})
    return {**_operation(name, text, answers, *codes), "security": _TOKEN}


def _read(name: str, text: str, schema: str, *errors: int) -> dict[str, Any]:
    answers = {200: _of(_JSON, ref(schema))}
    return {**_operation(name, text, answers, *errors, *_READING), "security": _TOKEN}


def _operation(name: str, summary: str, answers: Mapping[int, Schema], *errors: int) -> dict[str, Any]:
    refusals = {code: {**_of(_JSON, ref("Error")), "description": _ERRORS[code]} for code in errors}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {str(code): answer for code, answer in sorted({**refusals, **answers}.items())},
    }


def _of(content_type: str, schema: Schema) -> dict[str, Any]:
    return {"description": "The answer.", "content": {content_type: {"schema": schema}}}


def _of_build(operations: dict[str, Any]) -> dict[str, Any]:
    return {**operations, "parameters": [_in_path("build_id", BUILD_ID)]}


def _in_query(**schemas: Schema) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]


def _in_path(name: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}
