"""Verdicts to CloudEvents: the headers and the body of a binary-mode request. Pure."""

import datetime
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.failures import Diagnosis, Reason
from monitor.logtail import clean, tail
from monitor.settings import Build
from monitor.verdict import Verdict

COMPLETE = "network.notifi.lambda.build.complete"
FAILED = "network.notifi.lambda.build.failed"

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "build.notifi.network")
_KEPT = frozenset(range(0x21, 0x7F)) - {0x22, 0x25}


@dataclass(frozen=True)
class Message:
    """One event, ready to be sent."""

    headers: dict[str, str]
    body: bytes


def message(
    build: Build,
    verdict: Verdict,
    *,
    pod_uid: str,
    log: str = "",
    cache_hits: int | None = None,
    scan: Mapping[str, Any] | None = None,
) -> Message:
    """Make the event of a finished build. Its id is the same whenever it is made for the same pod and end.

    `scan` is what the scanner found in the image; None where nothing scans.
    """
    kind = COMPLETE if verdict.diagnosis is None else FAILED
    attributes = {
        "specversion": "1.0",
        "id": str(uuid.uuid5(_NAMESPACE, f"{pod_uid}/{kind}")),
        "type": kind,
        "source": f"network.notifi.{build.third_party_id}",
        "subject": build.parser_id,
        "time": _timestamp(verdict.completed_at),
        "correlationid": build.correlation_id,
        "traceparent": build.traceparent,
    }
    headers = {f"ce-{name}": _quote(value) for name, value in attributes.items() if value}
    headers["content-type"] = "application/json"
    if build.traceparent:
        headers["traceparent"] = _quote(build.traceparent)
    data = _data(build, verdict) | (_failure(verdict.diagnosis, verdict, log) if verdict.diagnosis else {})
    if cache_hits is not None:
        data["cache_hits"] = cache_hits
    if scan:
        data["scan"] = scan
    return Message(headers, json.dumps(data, separators=(",", ":")).encode())


def _data(build: Build, verdict: Verdict) -> dict[str, Any]:
    duration = verdict.completed_at - verdict.started_at
    data = {
        "third_party_id": build.third_party_id,
        "parser_id": build.parser_id,
        "status": "success" if verdict.diagnosis is None else "failed",
        "image_uri": build.image_uri,
        "image_digest": verdict.image_digest,
        "content_hash": build.content_hash,
        "build_id": build.build_id,
        "job_name": build.job_name,
        "started_at": _timestamp(verdict.started_at),
        "completed_at": _timestamp(verdict.completed_at),
        "duration_ms": max(0, round(duration.total_seconds() * 1000)),
        "correlation_id": build.correlation_id,
    }
    return {name: value for name, value in data.items() if value not in (None, "")}


def _failure(diagnosis: Diagnosis, verdict: Verdict, log: str) -> dict[str, Any]:
    text = clean(diagnosis.message)
    code = "BUILD_TIMEOUT" if diagnosis.reason is Reason.DEADLINE else "BUILD_FAILED"
    return {
        "reason": diagnosis.reason,
        "message": text,
        "exit_code": verdict.exit_code,
        "log_tail": tail(log),
        "error": {"type": diagnosis.reason, "message": text, "code": code, "retryable": True},
    }


def _timestamp(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quote(value: str) -> str:
    """Percent-encode an attribute for a header, as the HTTP binding says."""
    raw = value.encode("utf-8", "replace")
    return "".join(chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in raw)
