"""Jobs of builds as the line of builds, and who was given a turn. Pure.

Replicas decide side by side on who is next. So that they never let more builds begin than are allowed,
whoever gives turns writes them down first, in one object whose version the API server compares: a turn that
is written down counts as taken, whether its Job has begun or not, and any replica may carry it out.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from automation.build_queue import BuildJob, Limits, Line
from automation.events import FunctionId, Priority
from components.manifests import kaniko

_LONG_AGO: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_ENDED: Final = frozenset({"Complete", "Failed"})

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Turns:
    """Names of the Jobs that were given their turn last, and the version of the object that says so."""

    jobs: frozenset[str] = frozenset()
    version: str = ""


def line(jobs: Iterable[Json], limits: Limits, given: frozenset[str] = frozenset()) -> Line:
    """Return the line of the builds whose Jobs have not ended; `given` have their turn, begun or not."""
    found = [job for job in map(_build_job, jobs) if job]
    return Line(
        jobs=tuple(replace(job, waits=job.waits and job.name not in given) for job in found), limits=limits
    )


def suspended(jobs: Iterable[Json]) -> frozenset[str]:
    """Return the names of Jobs that have not begun."""
    return frozenset(job.name for job in map(_build_job, jobs) if job and job.waits)


def _build_job(job: Json) -> BuildJob | None:
    """Return what a Job says of its build; None if it has ended, goes, or is none of ours."""
    metadata, labels = job["metadata"], job["metadata"].get("labels") or {}
    third_party, parser = (labels.get(f"build.notifi.network/{one}-id") for one in ("third-party", "parser"))
    if metadata.get("deletionTimestamp") or _has_ended(job) or not third_party or not parser:
        return None
    notes = metadata.get("annotations") or {}
    since = notes.get(kaniko.QUEUED_AT) or metadata.get("creationTimestamp")
    return BuildJob(
        name=metadata["name"],
        function=FunctionId(third_party, parser),
        build_id=labels.get(kaniko.BUILD_ID, ""),
        priority=notes.get(kaniko.PRIORITY, Priority.NORMAL),
        since=datetime.datetime.fromisoformat(since) if since else _LONG_AGO,
        waits=bool(job["spec"].get("suspend")),
    )


def _has_ended(job: Json) -> bool:
    conditions = job.get("status", {}).get("conditions") or ()
    return any(one["type"] in _ENDED and one["status"] == "True" for one in conditions)
