"""CloudEvent attributes and data in, a typed event out: the home of which types are carried out, and as what.

Pure, standard library only. The service calls `parse` with the attributes of a CloudEvent and its decoded
JSON. Two generations of type names lead to the same events: docs/decisions/0010-event-types.md and
0011-event-data.md say which fields each of them has and why.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from automation import event_fields as syntax
from automation import event_identity as identity
from automation import event_versions
from automation.event_fields import Fields, shown
from automation.event_reading import Reading, Rule, refusal
from automation.event_types import LEGACY, NEWER, TYPES, UNVERSIONED
from automation.events import (
    BuildCancel,
    BuildComplete,
    BuildFailed,
    BuildStart,
    Event,
    EventMeta,
    FunctionRollback,
    Notice,
    Priority,
    ServiceDelete,
)
from automation.function_spec import RULES as SPECIFICATIONS
from automation.languages import RUNTIMES
from automation.scan_reading import scan
from automation.scans import NOT_SCANNED, VULNERABILITIES

MAX_MESSAGE_CHARACTERS: Final = 2048
MAX_LOG_TAIL_CHARACTERS: Final = 8192

FAILURE_REASONS: Final = (
    "oom",
    "deadline",
    "image_pull",
    "dockerfile",
    "dependency_install",
    "s3_access",
    "registry_access",
    "never_scheduled",
    "evicted",
    "lost",
    VULNERABILITIES,
    NOT_SCANNED,
    "error",
)
"""Why builds fail, in the monitor's words and the scan policy's; other senders may use other words."""

_ANY_RUNTIME: Final = tuple(runtime for runtimes in RUNTIMES.values() for runtime in runtimes)
_FAILED: Final = ("failed", "failure", "error", "timeout", "cancelled")
_SUCCESS: Final = syntax.one_of("success")
_PRIORITY: Final = syntax.one_of(*Priority)
_MAX_SEQUENCE: Final = 2**63 - 1
_MAX_DURATION_MS: Final = 7 * 24 * 3600 * 1000
_MAX_CACHE_HITS: Final = 10_000


def parse(attributes: Mapping[str, Any], data: Any, *, correlation_id: str, traceparent: str | None) -> Event:
    """Return the event, or raise InvalidEvent with every problem in `details`.

    `attributes` are CloudEvents context attributes (`time` as a datetime or RFC 3339 text), `data` is decoded
    JSON or None. `correlation_id` and `traceparent` are taken as they are.
    """
    problems: list[str] = []
    meta = _meta(attributes, correlation_id, traceparent, problems)
    rule = _RULES.get(meta.type)
    if rule is None:
        raise refusal([*problems, *_type_problem(meta.type)])
    fields = _object(data, rule, problems)
    version = event_versions.named(meta.type, attributes.get("dataschema"), fields)
    event = rule.build(Reading(meta, rule.identify(meta, fields), fields, version))
    if problems:
        raise refusal(problems)
    return event


def label(event_type: str) -> str:
    """Return the type as a metric label: itself when the contract has it, else `unknown`."""
    return event_type if event_type in TYPES else "unknown"


def _type_problem(event_type: str) -> list[str]:
    if not event_type:
        return []
    known = event_type in NOT_SERVED
    verdict = "is in the contract but not served yet" if known else "is not known"
    return [f"type: {shown(event_type)} {verdict}; allowed: {', '.join(_RULES)}"]


def _meta(
    attributes: Mapping[str, Any], correlation_id: str, traceparent: str | None, problems: list[str]
) -> EventMeta:
    fields = Fields(attributes, problems)
    return EventMeta(
        id=fields.required("id", syntax=syntax.ATTRIBUTE),
        source=fields.required("source", syntax=syntax.ATTRIBUTE),
        type=fields.required("type", syntax=syntax.ATTRIBUTE),
        subject=fields.text("subject", syntax=syntax.ATTRIBUTE),
        time=_time(attributes.get("time"), fields),
        correlation_id=correlation_id,
        traceparent=traceparent,
        dry_run=_dry_run(fields),
        plan_id=fields.text("planid", syntax=syntax.PLAN_ID),
    )


def _dry_run(fields: Fields) -> bool:
    """Read the extension `dryrun`, which a header can only say as text."""
    value = fields.value("dryrun")
    if value not in (None, True, False, "true", "false"):
        fields.note("dryrun", f"{shown(value)} is not allowed; allowed: true or false")
    wanted = value in (True, "true")
    if wanted and fields.has("planid"):
        fields.note("planid", "a plan cannot be approved by a dry run; send one of dryrun and planid")
    return wanted


def _time(value: Any, fields: Fields) -> datetime.datetime | None:
    moment = _moment(value)
    if value is not None and moment is None:
        fields.note(
            "time", f"{shown(str(value))} is not allowed; allowed: RFC 3339 such as 2026-01-31T12:00:00Z"
        )
    return moment


def _moment(value: Any) -> datetime.datetime | None:
    """Return a time in UTC; None for what is no time, has no zone, or leaves the calendar in UTC."""
    try:
        moment = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
        aware = isinstance(moment, datetime.datetime) and moment.tzinfo is not None
        return moment.astimezone(datetime.UTC) if aware else None
    except (ValueError, OverflowError):
        return None


def _object(data: Any, rule: Rule, problems: list[str]) -> Fields:
    """Return the data's fields; only a notice may carry something else than an object."""
    if data is not None and not isinstance(data, dict) and rule.build not in _NOTICES:
        problems.append(f"data: {shown(data)} is not allowed; allowed: a JSON object")
    return Fields(data if isinstance(data, dict) else {}, problems)


def _build_start(reading: Reading) -> BuildStart:
    fields = reading.fields
    language = fields.choice("language", allowed=tuple(RUNTIMES))
    runtime = fields.choice("runtime", allowed=RUNTIMES[language] if language else _ANY_RUNTIME)
    return BuildStart(
        meta=reading.meta,
        function=reading.required_function,
        source_bucket=fields.text("s3_bucket", syntax=syntax.BUCKET),
        source_prefix=fields.text("s3_prefix", syntax=syntax.OBJECT_KEY),
        language=language or _language_of(runtime),
        runtime=runtime,
        build_id=fields.text("build_id", syntax=syntax.BUILD_ID),
        context_id=fields.text("context_id", syntax=syntax.PRINTABLE),
        sequence=fields.integer("event_sequence", minimum=1, maximum=_MAX_SEQUENCE),
        force=fields.flag("force_rebuild", "force"),
        priority=fields.choice("priority", allowed=tuple(Priority)) or Priority.NORMAL,
        reason=fields.prose("reason", limit=MAX_MESSAGE_CHARACTERS),
    )


def _build_retry(reading: Reading) -> BuildStart:
    """A retry names a build at most; whatever else a build.start may say is taken from the last build."""
    return replace(_build_start(reading), retry=True)


def _language_of(runtime: str | None) -> str | None:
    return next((language for language, runtimes in RUNTIMES.items() if runtime in runtimes), None)


def _versioned_build_start(reading: Reading) -> BuildStart:
    """Hold data to the version that it is of; of the one that names none the two ids are enough."""
    fields, version = reading.fields, reading.version
    if version != UNVERSIONED:
        fields.required("build_id", syntax=syntax.BUILD_ID)
        fields.required("context_id", syntax=syntax.PRINTABLE)
    if version == event_versions.SECOND_VERSION:
        fields.required("organization_id", syntax=syntax.NAME)
        fields.required("priority", syntax=_PRIORITY)
    return _build_start(reading)


def _successful_build(reading: Reading) -> BuildComplete:
    reading.fields.required("status", syntax=_SUCCESS)
    return _build_complete(reading)


def _build_complete(reading: Reading) -> BuildComplete:
    fields = reading.fields
    image = fields.required("image_uri", "imageURI", syntax=syntax.IMAGE)
    digest = fields.text("image_digest", "digest", syntax=syntax.DIGEST)
    pinned = image.partition("@")[2]
    if pinned and digest and pinned != digest:
        fields.note(
            "image_digest", f"{shown(digest)} contradicts image_uri {shown(image)}; send equal digests"
        )
    return BuildComplete(
        meta=reading.meta,
        function=reading.required_function,
        image_uri=image,
        image_digest=digest or pinned or None,
        content_hash=fields.text("content_hash", syntax=syntax.CONTENT_HASH),
        job_name=fields.text("job_name", syntax=syntax.OBJECT_NAME),
        build_id=fields.text("build_id", syntax=syntax.PRINTABLE),
        duration_seconds=_duration(fields),
        cache_hits=fields.integer("cache_hits", minimum=0, maximum=_MAX_CACHE_HITS),
        scan=scan(fields),
    )


def _build_failed(reading: Reading) -> BuildFailed:
    fields = reading.fields
    fields.choice("status", allowed=_FAILED)
    reason, message = _cause(reading.meta, fields)
    return BuildFailed(
        meta=reading.meta,
        function=reading.required_function,
        reason=reason,
        message=message,
        exit_code=fields.integer("exit_code", minimum=-255, maximum=2**31 - 1),
        log_tail=fields.prose("log_tail", limit=MAX_LOG_TAIL_CHARACTERS),
        content_hash=fields.text("content_hash", syntax=syntax.CONTENT_HASH),
        job_name=fields.text("job_name", syntax=syntax.OBJECT_NAME),
        build_id=fields.text("build_id", syntax=syntax.PRINTABLE),
        duration_seconds=_duration(fields),
    )


def _cause(meta: EventMeta, fields: Fields) -> tuple[str, str]:
    """Return reason and message; some senders put an object under `error`, some a text."""
    reason = fields.text("reason", syntax=syntax.TOKEN)
    message = fields.prose("message", limit=MAX_MESSAGE_CHARACTERS)
    error = fields.value("error")
    inner = Fields(error if isinstance(error, dict) else {"message": error}, fields.problems)
    timed_out = meta.type.endswith(".timeout") or inner.value("code") == "BUILD_TIMEOUT"
    fallback = inner.prose("message", limit=MAX_MESSAGE_CHARACTERS)
    return reason or ("deadline" if timed_out else "error"), message or fallback


def _duration(fields: Fields) -> float | None:
    milliseconds = fields.integer("duration_ms", minimum=0, maximum=_MAX_DURATION_MS)
    return None if milliseconds is None else milliseconds / 1000


def _service_delete(reading: Reading) -> ServiceDelete:
    reason = reading.fields.prose("reason", limit=MAX_MESSAGE_CHARACTERS)
    return ServiceDelete(meta=reading.meta, function=reading.required_function, reason=reason)


def _build_cancel(reading: Reading) -> BuildCancel:
    return BuildCancel(
        meta=reading.meta,
        function=reading.required_function,
        build_id=reading.fields.text("build_id", syntax=syntax.PRINTABLE),
        reason=reading.fields.prose("reason", limit=MAX_MESSAGE_CHARACTERS),
    )


def _rollback(reading: Reading) -> FunctionRollback:
    revision = reading.fields.value("revision")
    number = isinstance(revision, int) and not isinstance(revision, bool)
    fields = Fields({"revision": str(revision) if number else revision}, reading.fields.problems)
    return FunctionRollback(
        meta=reading.meta,
        function=reading.required_function,
        revision=fields.text("revision", syntax=syntax.PRINTABLE),
        reason=reading.fields.prose("reason", limit=MAX_MESSAGE_CHARACTERS),
    )


def _notice(kind: str) -> Callable[[Reading], Notice]:
    return lambda reading: Notice(meta=reading.meta, kind=kind, function=reading.function)


_job_start = _notice("job.start")
_parser_start = _notice("parser.start")
_parser_complete = _notice("parser.complete")
_parser_failed = _notice("parser.failed")
_NOTICES: Final = (_job_start, _parser_start, _parser_complete, _parser_failed)


_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        LEGACY + "build.start": Rule(identity.from_ids, _versioned_build_start),
        LEGACY + "build.complete": Rule(identity.from_ids, _successful_build),
        LEGACY + "build.failed": Rule(identity.from_ids, _build_failed),
        LEGACY + "job.start": Rule(identity.from_ids, _job_start),
        LEGACY + "parser.start": Rule(identity.if_named, _parser_start),
        LEGACY + "parser.complete": Rule(identity.if_named, _parser_complete),
        LEGACY + "service.delete": Rule(identity.from_ids, _service_delete),
        **{NEWER + name: rule for name, rule in SPECIFICATIONS.items()},
        NEWER + "command.build.start": Rule(identity.from_name, _build_start),
        NEWER + "command.build.retry": Rule(identity.from_name, _build_retry),
        NEWER + "command.build.cancel": Rule(identity.from_name, _build_cancel),
        NEWER + "command.function.rollback": Rule(identity.from_name, _rollback),
        NEWER + "command.service.delete": Rule(identity.from_name, _service_delete),
        NEWER + "lifecycle.build.completed": Rule(identity.from_name, _build_complete),
        NEWER + "lifecycle.build.failed": Rule(identity.from_name, _build_failed),
        NEWER + "lifecycle.build.timeout": Rule(identity.from_name, _build_failed),
        NEWER + "invoke.async": Rule(identity.if_named, _parser_start),
        NEWER + "response.success": Rule(identity.if_named, _parser_complete),
        NEWER + "response.error": Rule(identity.if_named, _parser_failed),
        NEWER + "response.timeout": Rule(identity.if_named, _parser_failed),
    }
)

SERVED: Final = tuple(_RULES)
"""Every type that is accepted."""

COUNTED: Final = frozenset(name for name, rule in _RULES.items() if rule.build in _NOTICES)
"""Types that are counted and cause no work."""

NOT_SERVED: Final = frozenset(TYPES) - frozenset(SERVED)
"""Types of the contract that nothing here carries out when they are sent; they are refused by name."""
