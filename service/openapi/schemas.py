"""The schemas of what is sent and answered: JSON Schema 2020-12, as OpenAPI 3.1 takes it."""

from typing import Any, Final

from automation.builds.catalogue import DEFAULT_LIMIT, MAX_LIMIT
from automation.builds.entry import STATUSES
from automation.directory import DEFAULT_LIMIT as FUNCTIONS_LIMIT
from automation.directory import MAX_LIMIT as MAX_FUNCTIONS
from automation.model import Phase

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
NAME: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 63,
    "pattern": r"^[A-Za-z0-9]([A-Za-z0-9_-]|\.(?!\.))*(?<![._-])$",
}
BUILD_ID: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 63,
    "pattern": r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$",
}
STATUS: Final[Schema] = {"type": "string", "enum": list(STATUSES)}
LIMIT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
REVISION: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 10**9}
SHA256: Final[Schema] = {"type": "string", "pattern": "^(sha256:)?[0-9a-f]{64}$"}
FUNCTIONS: Final[Schema] = {
    "type": "integer",
    "minimum": 1,
    "maximum": MAX_FUNCTIONS,
    "default": FUNCTIONS_LIMIT,
}
PHASE: Final[Schema] = {"type": "string", "enum": [phase.value for phase in Phase]}
STACK: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 253,
    "pattern": r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
}
ANY_OBJECT: Final[Schema] = {"type": "object"}


def nullable(schema: Schema) -> Schema:
    """Return the schema with null allowed."""
    return {"anyOf": [schema, {"type": "null"}]}


def described(schema: Schema, text: str) -> Schema:
    """Return the schema with a description."""
    return {**schema, "description": text}


def listed(schema: Schema) -> Schema:
    """Return the schema of a list of these."""
    return {"type": "array", "items": schema}


def closed(**properties: Schema) -> Schema:
    """Return the schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def ref(name: str) -> Schema:
    """Return a reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


_BUILD: Final[dict[str, Schema]] = {
    "build_id": TEXT,
    "job_name": described(TEXT, "Of the Kubernetes Job; unlike build ids it never comes twice."),
    "third_party_id": TEXT,
    "parser_id": TEXT,
    "status": described(STATUS, "A build that was given up is failed; its reason says how."),
    "image_uri": described(TEXT, "By digest once the build has succeeded and its digest is known."),
    "content_hash": TEXT,
    "correlation_id": TEXT,
    "requested_at": MOMENT,
    "ended_at": nullable(MOMENT),
    "duration": described(nullable(NUMBER), "Seconds."),
    "reason": described(
        nullable(TEXT),
        "Class of the failure, such as oom or dockerfile; or cancelled, superseded, deleted, lost.",
    ),
    "message": nullable(TEXT),
    "exit_code": nullable({"type": "integer"}),
    "cache_hits": described(nullable(COUNT), "Commands whose layer came from the cache."),
}

_ANSWER: Final[Schema] = {
    "type": "object",
    "description": "What an event is answered; further properties depend on the status.",
    "properties": {
        "status": TEXT,
        "message": TEXT,
        "timestamp": MOMENT,
        "event_id": TEXT,
        "correlation_id": TEXT,
        "trace_id": TEXT,
    },
    "required": ["status", "message", "timestamp", "event_id", "correlation_id"],
}

_COUNTS: Final[Schema] = {"type": "object", "additionalProperties": COUNT}

_CHAIN: Final[Schema] = described(
    closed(
        third_party_id=TEXT,
        parser_id=TEXT,
        revision=COUNT,
        event=described(nullable(closed(id=TEXT, source=TEXT)), "What asked for the image."),
        source=described(
            nullable(closed(digest=TEXT, location=nullable(TEXT))),
            "The code with its wrapper and Dockerfile; null for an image that others built.",
        ),
        job=nullable(closed(name=nullable(TEXT), build_id=TEXT)),
        image=closed(uri=TEXT, repository=TEXT, digest=nullable(TEXT)),
        update=described(
            closed(
                stack=TEXT,
                event_id=nullable(TEXT),
                at=MOMENT,
                restored=described(nullable(COUNT), "The revision that this one is again."),
                knative_revision=nullable(TEXT),
            ),
            "The update of the function's stack that rolled it out.",
        ),
    ),
    "What led to one revision; null is what is not known.",
)

SCHEMAS: Final[dict[str, Schema]] = {
    "Error": closed(
        error=TEXT,
        error_type=TEXT,
        details=listed(TEXT),
        correlation_id=TEXT,
        trace_id=nullable(TEXT),
        timestamp=MOMENT,
        retry_after=described(nullable(NUMBER), "Seconds after which a repetition makes sense."),
    ),
    "CloudEvent": {
        "type": "object",
        "description": "A CloudEvent 1.0; types and data are in docs/events.md.",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1},
            "type": {"type": "string", "minLength": 1},
            "subject": {"type": "string", "minLength": 1},
            "time": MOMENT,
            "data": {},
        },
        "required": ["specversion", "id", "source", "type"],
    },
    "Answer": _ANSWER,
    "BatchAnswer": closed(results=listed(ANY_OBJECT)),
    "Build": closed(**_BUILD),
    "BuildWithLog": closed(
        **_BUILD,
        logs_preview=described(nullable(TEXT), "The end of the log."),
        scan=described(nullable(ref("Scan")), "What was found in the image; null: it is not known."),
    ),
    "Scan": closed(
        status=described(TEXT, "complete or failed."),
        scanner=TEXT,
        message=described(TEXT, "Why it failed."),
        counts=described(_COUNTS, "Findings by severity."),
        fixable=described(_COUNTS, "Of them, those with a fix."),
        findings=described(
            listed(closed(id=TEXT, package=TEXT, severity=TEXT, installed=TEXT, fixed=TEXT)),
            "The worst, at most ten; `fixed` is empty where there is no fix.",
        ),
    ),
    "BuildList": closed(
        success=FLAG,
        builds=listed(ref("Build")),
        count=COUNT,
        limit=LIMIT,
        timestamp=MOMENT,
        duration=described(NUMBER, "Seconds that the list took."),
    ),
    "SchemaList": closed(types=listed(closed(type=TEXT, direction=TEXT, schemas=ANY_OBJECT))),
    "Function": {
        "type": "object",
        "properties": {
            "third_party_id": TEXT,
            "parser_id": TEXT,
            "phase": TEXT,
            "desired_at": nullable(MOMENT),
            "deleted_at": nullable(MOMENT),
            "build": nullable(ANY_OBJECT),
            "revision": nullable(COUNT),
            "revisions": listed(ANY_OBJECT),
            "parked": described(nullable(ANY_OBJECT), "An event whose plan waits for approval."),
            "drift": described(nullable(ANY_OBJECT), "Objects that are not as they were applied."),
            "healed_at": nullable(MOMENT),
            "events": listed(ANY_OBJECT),
        },
        "required": ["third_party_id", "parser_id", "phase", "build", "revision", "revisions", "events"],
    },
    "Chain": _CHAIN,
    "ChainList": closed(revisions=listed(ref("Chain")), count=COUNT),
    "FunctionList": closed(
        functions=listed(
            closed(
                third_party_id=TEXT,
                parser_id=TEXT,
                phase=PHASE,
                revision=nullable(COUNT),
                image_uri=nullable(TEXT),
                build_id=nullable(TEXT),
                build_status=nullable(TEXT),
                desired_at=nullable(MOMENT),
            )
        ),
        count=COUNT,
        **{
            "continue": described(
                nullable(STACK), "Sent with the next request; null: nothing follows, however many came."
            )
        },
    ),
    "Queue": closed(
        worker_count=COUNT,
        queue_size=COUNT,
        max_queue_size=COUNT,
        results_count=COUNT,
        is_shutdown=FLAG,
        timestamp=MOMENT,
    ),
    "Live": closed(status=TEXT, healthy=FLAG, version=TEXT),
    "Ready": closed(
        status=TEXT,
        ready=FLAG,
        dependencies=described({"type": "object", "additionalProperties": TEXT}, "`ok`, or the problem."),
        version=TEXT,
    ),
}
