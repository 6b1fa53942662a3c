"""Answers questions about builds: what is kept of them, and what the functions' records say of the others.

A list reads the index, one request for a thousand keys, and the stacks of those builds alone that have no end
in it: as a rule those that are under way.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from automation.builds import entry as entries
from automation.builds.archive import Archive
from automation.builds.entry import Entry, Listed
from automation.builds.ports import LiveLogs, read_tail
from automation.errors import PlatformError
from automation.events import FunctionId
from automation.model import Build

DEFAULT_LIMIT: Final = 30
MAX_LIMIT: Final = 100
PREVIEW_BYTES: Final = 4096
"""How much of a log's end goes with a build."""
PREVIEW_SECONDS: Final = 5.0

_BATCH: Final = 50


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which builds; an empty text stands for any."""

    third_party_id: str = ""
    parser_id: str = ""
    status: str = ""
    """One of `entry.STATUSES`."""
    limit: int = DEFAULT_LIMIT


class Catalogue:
    """`latest_build` returns the build that a function's stack names.

    Every method raises DependencyUnavailable.
    """

    def __init__(
        self, archive: Archive, live: LiveLogs, latest_build: Callable[[FunctionId], Build | None]
    ) -> None:
        self._archive = archive
        self._live = live
        self._latest_build = latest_build

    def builds(self, query: Query) -> list[Entry]:
        """Return builds, those that were asked for last first."""
        return list(islice(self._matching(query), query.limit))

    def build(self, build_id: str) -> Entry | None:
        """Return the latest build with an id as it is now; None if there is none."""
        found = self._archive.find(build_id)
        return self._present(found) if found else None

    def refreshed(self, entry: Entry) -> Entry | None:
        """Return a build as it is now, by its Job: its id may have come again; None if it is kept no more."""
        kept = self._archive.reload(entry)
        return self._present(kept) if kept else None

    def with_preview(self, build_id: str) -> Entry | None:
        """Return the same with the end of its log, if that can be had."""
        found = self.build(build_id)
        if found is None or found.logs_preview:
            return found
        try:
            return replace(found, logs_preview=self._end_of_log(found) or None)
        except PlatformError:
            return found

    def _matching(self, query: Query) -> Iterator[Entry]:
        wanted = (build for build in self._archive.index() if _may_match(build, query))
        while batch := list(islice(wanted, min(query.limit, _BATCH))):
            present = map(self._present, self._archive.load(batch))
            yield from (build for build in present if query.status in ("", build.status))

    def _present(self, entry: Entry) -> Entry:
        """Return the entry as it is now: what has not ended is what its function's record says."""
        if entry.ended:
            return entry
        build = self._latest_build(entry.function)
        if build and build.job_name == entry.job_name:
            return entries.of(entry.function, build)
        return replace(
            entry, status=entries.FAILED, reason="superseded", message="another build took its place"
        )

    def _end_of_log(self, entry: Entry) -> str:
        kept = self._archive.open_log(entry)
        live = None if kept else self._live.open(entry.job_name, follow=False)
        stream = kept or (live.stream if live else None)
        if stream is None:
            return ""
        return read_tail(stream, PREVIEW_BYTES, seconds=PREVIEW_SECONDS).text()


def _may_match(build: Listed, query: Query) -> bool:
    """Whether the index does not rule the build out; without an end there, its status is to be looked up."""
    return (
        query.third_party_id in ("", build.third_party_id)
        and query.parser_id in ("", build.parser_id)
        and (not query.status or build.status in (None, query.status))
    )
