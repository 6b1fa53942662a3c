"""A build as it is kept, and the keys that it is found by. Pure.

    builds/entries/{build id}/{job}.json                                      the entry
    builds/index/{time}/{third party}/{parser}/{build id}/{job}/{status}      empty: for lists, newest first
    builds/logs/{build id}/{job}.log                                          the log

A build id may come twice, a Job's name never does. The time counts down, because keys are listed in their
order. An entry in the index is `started` when the build is recorded, and joined by its end.
"""

import datetime
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any, Final

from automation.events import FunctionId
from automation.model import Build, BuildStatus

PENDING: Final = "pending"
RUNNING: Final = "running"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
STATUSES: Final = (PENDING, RUNNING, SUCCEEDED, FAILED)
"""The contract's words (1.6); a build that was given up is failed, and its reason says how."""

ENDED: Final = frozenset({SUCCEEDED, FAILED})

INDEX: Final = "builds/index/"
_STARTED: Final = "started"
_LATEST: Final = 10**13
"""Milliseconds since 1970 that times count down from: the year 2286."""

_GIVEN_UP: Final = {
    BuildStatus.SUPERSEDED: "other content is wanted by now",
    BuildStatus.CANCELLED: "somebody cancelled it",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One build. Times are RFC 3339 in UTC; None is what is not known (yet)."""

    build_id: str
    job_name: str
    third_party_id: str
    parser_id: str
    status: str
    """One of STATUSES."""
    image_uri: str
    """Where the image is to go; by digest once it is there and its digest known."""
    content_hash: str
    correlation_id: str
    requested_at: str
    ended_at: str | None = None
    duration: float | None = None
    """Seconds: as the monitor measured it, else from its turn to its end."""
    cache_hits: int | None = None
    """How many of the Dockerfile's commands came from the cache of layers; None: nobody said."""
    reason: str | None = None
    """Class of a failure such as `oom`; how a build was given up: cancelled, superseded or deleted."""
    message: str | None = None
    exit_code: int | None = None
    logs_preview: str | None = None
    """The end of the log."""
    scan: dict[str, Any] | None = None
    """What was found in the image, see `scans.Scan.as_json`."""

    @property
    def function(self) -> FunctionId:
        """Whose build it is."""
        return FunctionId(self.third_party_id, self.parser_id)

    @property
    def ended(self) -> bool:
        """Whether it will never change again."""
        return self.status in ENDED

    @property
    def key(self) -> str:
        """Where the entry is kept."""
        return entry_key(self.build_id, self.job_name)

    @property
    def log_key(self) -> str:
        """Where its log is kept."""
        return f"builds/logs/{self.build_id}/{self.job_name}.log"

    @property
    def index_key(self) -> str:
        """Where a list finds it."""
        moment = datetime.datetime.fromisoformat(self.requested_at)
        down = max(0, _LATEST - int(moment.timestamp() * 1000))
        names = (self.third_party_id, self.parser_id, self.build_id, self.job_name)
        return f"{INDEX}{down:014d}/{'/'.join(names)}/{self.status if self.ended else _STARTED}"


@dataclass(frozen=True)
class Listed:
    """A build as the index has it."""

    third_party_id: str
    parser_id: str
    build_id: str
    job_name: str
    status: str | None
    """None: its end is not in the index."""

    @property
    def key(self) -> str:
        """Where its entry is kept."""
        return entry_key(self.build_id, self.job_name)


def entry_key(build_id: str, job_name: str) -> str:
    """Return where a build's entry is kept."""
    return f"{entries_folder(build_id)}{job_name}.json"


def entries_folder(build_id: str) -> str:
    """Return the folder of the entries of all builds with this id."""
    return f"builds/entries/{build_id}/"


def listed(keys: Iterable[str]) -> Iterable[Listed]:
    """Yield the builds of the index's keys, which are in their order: the newest first."""
    for names, group in groupby(
        (key.removeprefix(INDEX) for key in keys), lambda key: key.rpartition("/")[0]
    ):
        parts = names.split("/")
        if len(parts) == 5:
            ends = [word for key in group if (word := key.rpartition("/")[2]) in ENDED]
            _, third_party, parser, build, job = parts
            yield Listed(third_party, parser, build, job, ends[0] if ends else None)


def of(function: FunctionId, build: Build) -> Entry:
    """Return the entry of a build as its function remembers it."""
    given_up = _GIVEN_UP.get(build.status)
    return Entry(
        build_id=build.build_id,
        job_name=build.job_name,
        third_party_id=function.third_party_id,
        parser_id=function.parser_id,
        status=word(build.status),
        image_uri=build.image,
        content_hash=build.content_hash,
        correlation_id=build.correlation_id,
        requested_at=_utc(build.requested_at),
        ended_at=_utc(build.completed_at) if build.completed_at else None,
        duration=_seconds(build),
        reason=build.status.value if given_up else build.reason or None,
        message=given_up or build.message or None,
        exit_code=build.exit_code,
        logs_preview=build.log_tail or None,
        scan=build.scan.as_json() if build.scan else None,
    )


def _seconds(build: Build) -> float | None:
    """Return how long a build took from its turn, else from its request, to its end."""
    if build.completed_at is None:
        return None
    began = build.started_at or build.requested_at
    return round(max(0.0, (build.completed_at - began).total_seconds()), 3)


def _utc(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat()


def word(status: BuildStatus) -> str:
    """Return the contract's word for a status: one that has no word of its own there waits to run."""
    if status in _GIVEN_UP:
        return FAILED
    return status.value if status.value in STATUSES else PENDING


def dumps(entry: Entry) -> bytes:
    """Return the entry as JSON; `loads` gives it back."""
    return json.dumps(vars(entry), separators=(",", ":")).encode()


def loads(body: bytes) -> Entry:
    """Return the entry that `dumps` wrote, in this version or one with more fields. Raises ValueError."""
    data: dict[str, Any] = json.loads(body)
    known = {field.name for field in fields(Entry)}
    try:
        return Entry(**{name: value for name, value in data.items() if name in known})
    except TypeError as error:
        raise ValueError(f"this is no entry of a build: {error}") from error
