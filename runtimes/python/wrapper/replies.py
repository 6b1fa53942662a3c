"""Outcomes to HTTP replies, each a response CloudEvent in binary mode. Pure."""

import functools
import json
import re
import time
from json.encoder import encode_basestring as quoted
from typing import Any

from .context import Context, new_id
from .failures import Failure
from .http11 import Response
from .invoker import Outcome

RESPONSE_PREFIX = "io.knative.lambda.response."

_PLAIN = re.compile(r"[!#$&-~]*")
_KEPT = frozenset(range(0x21, 0x7F)) - {0x22, 0x25}
"""What the HTTP binding leaves as it is in a header: printable ASCII without space, `"` and `%`."""


def reply(context: Context, outcome: Outcome, *, memory_used_mb: float, debug: bool) -> Response:
    """Make the reply to a call; the stack of an error is told only when `debug` is set."""
    if outcome.failure is not None:
        status, kind = outcome.failure.status, "timeout" if outcome.failure.status == 504 else "error"
        middle = f'"error":{_dump(_error(outcome.failure, debug))}'
    else:
        status, kind = 200, "success"
        middle = f'"result":{_result(outcome.result or "null")}'
    body = (
        f'{{"functionName":{quoted(context.function_name)},"namespace":{quoted(context.function_namespace)},'
        f'"invocationId":{quoted(context.invocation_id)},"correlationId":{quoted(context.correlation_id)},'
        f'{middle},"metrics":{{"durationMs":{round(outcome.duration_seconds * 1000, 3)},'
        f'"coldStart":{"true" if context.cold_start else "false"},"memoryUsedMb":{memory_used_mb}}}}}'
    ).encode("utf-8", "backslashreplace")
    return Response(status, _headers(context, kind, status), body)


def _error(failure: Failure, debug: bool) -> dict[str, Any]:
    error = {"code": failure.code, "message": failure.message, "retryable": failure.retryable}
    return error | ({"stack": failure.stack} if debug and failure.stack else {})


def _result(text: str) -> str:
    """Wrap a result as statusCode and body, unless the handler already did."""
    if text.startswith("{") and '"statusCode"' in text:
        value = json.loads(text)
        if isinstance(value.get("statusCode"), int) and value.keys() <= {"statusCode", "body", "headers"}:
            return text
    return f'{{"statusCode":200,"body":{text}}}'


def _headers(context: Context, kind: str, status: int) -> tuple[tuple[str, str], ...]:
    name, correlation = quote(context.function_name), context.correlation_id
    headers: tuple[tuple[str, str], ...] = (
        ("Content-Type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", new_id()),
        ("ce-type", RESPONSE_PREFIX + kind),
        ("ce-source", f"io.knative.lambda/{name}"),
        ("ce-subject", name),
        ("ce-time", _time(int(time.time()))),
        ("ce-correlationid", quote(correlation)),
        ("ce-causationid", quote(context.event.id)),
        ("X-Correlation-ID", correlation),
    )
    if context.trace.traceparent:
        headers += (
            ("ce-traceparent", context.trace.traceparent),
            ("X-Trace-ID", context.trace.trace_id),
        )
    if status == 503:
        headers += (("Retry-After", "1"),)
    return headers


@functools.lru_cache(maxsize=4)
def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def quote(value: str) -> str:
    """Percent-encode an attribute for a header, as the HTTP binding says."""
    if _PLAIN.fullmatch(value):
        return value
    raw = value.encode("utf-8", "replace")
    return "".join(chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in raw)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
