"""Keeps what changes: a build's log before its Job goes, its entry once a change is recorded.

What cannot be kept is logged and left out: an event never fails for it, and a reader finds in the function's
stack what the entry does not say.
"""

import datetime
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, Protocol

from automation.builds import entry as entries
from automation.builds.archive import Archive
from automation.builds.entry import Entry
from automation.builds.lines import MAX_LOG_BYTES
from automation.builds.ports import LiveLogs, read_tail
from automation.errors import PlatformError
from automation.events import BuildComplete, BuildFailed, Event, FunctionId
from automation.model import Build, FunctionState

LOG_SECONDS: Final = 15.0
"""How long the copy of a log may hold its function's events up."""

_LOG: Final = logging.getLogger(__name__)


class Keeper(Protocol):
    """Told of every change of a function, around the update that records it. Raises nothing."""

    def before(self, old: FunctionState, new: FunctionState) -> None:
        """Keep what the update may take away."""

    def after(self, old: FunctionState, new: FunctionState, event: Event | None) -> None:
        """Keep what the update has recorded; `event` is what brought it about."""


class NoKeeper:
    """Keeps nothing."""

    def before(self, old: FunctionState, new: FunctionState) -> None:
        """See Keeper."""

    def after(self, old: FunctionState, new: FunctionState, event: Event | None) -> None:
        """See Keeper."""


class BuildKeeper:
    """See Keeper; `clock` tells the time with a time zone."""

    def __init__(self, archive: Archive, live: LiveLogs, clock: Callable[[], datetime.datetime]) -> None:
        self._archive = archive
        self._live = live
        self._clock = clock

    def before(self, old: FunctionState, new: FunctionState) -> None:
        """See Keeper."""
        build = _ending(old, new)
        if build:
            self._tried("log", build, lambda: self._keep_log(entries.of(old.function, build)))

    def after(self, old: FunctionState, new: FunctionState, event: Event | None) -> None:
        """See Keeper."""
        build = new.build or old.build
        if build:
            self._tried("entry", build, lambda: self._archive.put(*self._entries(old, new, event)))

    def _entries(self, old: FunctionState, new: FunctionState, event: Event | None) -> Iterator[Entry]:
        """Yield what is to be kept: of a build that was given up by the change, and of the current one."""
        ending = _ending(old, new)
        if ending and not _same(ending, new.build):
            ended = replace(ending, completed_at=self._clock())
            yield _given_up(old.function, ended, deleted=new.build is None)
        if new.build:
            entry = entries.of(new.function, new.build)
            if old.build != new.build or not self._has(entry):
                yield _measured(_deployed(entry, new), event)

    def _has(self, entry: Entry) -> bool:
        """Whether an event that was handled before left its entry."""
        kept = self._archive.find(entry.build_id)
        return bool(kept and kept.job_name == entry.job_name and kept.status == entry.status)

    def _keep_log(self, entry: Entry) -> None:
        found = self._live.open(entry.job_name, follow=False)
        if found is None:
            return
        tail = read_tail(found.stream, MAX_LOG_BYTES, seconds=LOG_SECONDS)
        self._archive.put_log(entry, tail.body())

    def _tried(self, what: str, build: Build, keep: Callable[[], None]) -> None:
        try:
            keep()
        except (PlatformError, ValueError) as error:
            extra = {"kl_what": what, "kl_job": build.job_name, "kl_error": str(error)}
            _LOG.warning("something of a build is not kept", extra=extra)


def _ending(old: FunctionState, new: FunctionState) -> Build | None:
    """Return the build that was under way and is not any more."""
    build = old.build
    if build is None or entries.word(build.status) in entries.ENDED:
        return None
    over = not _same(build, new.build) or (new.build and entries.word(new.build.status) in entries.ENDED)
    return build if over else None


def _deployed(entry: Entry, state: FunctionState) -> Entry:
    """Return the entry with the image as it runs, by its digest, if it is this build's."""
    deployment = state.deployment
    own = deployment is not None and deployment.build_id == entry.build_id
    if deployment is None or not own or entry.status != entries.SUCCEEDED:
        return entry
    return replace(entry, image_uri=deployment.image)


def _measured(entry: Entry, event: Event | None) -> Entry:
    """Return the entry with what only who told of the end can know: how long it took, and what was cached."""
    if not entry.ended or not isinstance(event, BuildComplete | BuildFailed):
        return entry
    if event.duration_seconds is not None:
        entry = replace(entry, duration=round(event.duration_seconds, 3))
    return replace(entry, cache_hits=event.cache_hits) if isinstance(event, BuildComplete) else entry


def _same(build: Build, other: Build | None) -> bool:
    return other is not None and other.job_name == build.job_name


def _given_up(function: FunctionId, build: Build, *, deleted: bool) -> Entry:
    """Return the entry of a build that its function has forgotten already."""
    reason, message = (
        ("deleted", "the function was deleted") if deleted else ("superseded", "another build took its place")
    )
    return replace(entries.of(function, build), status=entries.FAILED, reason=reason, message=message)
