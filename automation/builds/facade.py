"""What the service asks about builds, in threads of its own: nothing else waits for readers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from automation.builds.archive import Archive
from automation.builds.catalogue import Catalogue, Query
from automation.builds.entry import Entry
from automation.builds.following import Following, Piece
from automation.builds.ports import LiveLogs
from automation.errors import DependencyUnavailable, Saturated
from automation.events import FunctionId
from automation.model import Build

READERS: Final = 4
"""Questions that are answered at one time."""
MAX_WAITING: Final = 64
"""Questions that may be under way; further ones are refused."""
MAX_FOLLOWERS: Final = 16
"""Logs that are read at one time, each by a thread that waits most of the time."""

_T = TypeVar("_T")


class Readers:
    """A few threads for reading, with a bounded queue. For one event loop."""

    def __init__(self, threads: int = READERS, limit: int = MAX_WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self._limit = limit
        self._open = 0

    async def run(self, call: Callable[[], _T]) -> _T:
        """Return what the call returns. Raises Saturated when too many wait, and whatever the call raises."""
        if self._open >= self._limit:
            raise Saturated(
                f"{self._limit} questions are being answered, which is the limit; ask again later"
            )
        self._open += 1
        try:
            future = self._pool.submit(call)
        except RuntimeError as error:
            self._open -= 1
            raise DependencyUnavailable("the service is shutting down; ask again") from error
        answer = asyncio.wrap_future(future)
        answer.add_done_callback(self._answered)
        return await asyncio.shield(answer)

    def close(self) -> None:
        """Answer nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _answered(self, future: asyncio.Future[_T]) -> None:
        # A thread works on when nobody waits any more; until it is done the question counts.
        self._open -= 1
        if not future.cancelled():
            future.exception()


class Log:
    """A log that somebody reads. For one event loop; `close` has to be called."""

    def __init__(self, following: Following, pool: ThreadPoolExecutor, release: Callable[[], None]) -> None:
        self._following = following
        self._pool = pool
        self._release = release
        self._next: Future[Piece] | None = None

    async def read(self, patience_seconds: float) -> Piece | None:
        """Return the next part; None if there is none for so long. Raises DependencyUnavailable."""
        self._next = self._next or self._pool.submit(self._following.read)
        waiting = asyncio.wrap_future(self._next)
        done, _ = await asyncio.wait((waiting,), timeout=patience_seconds)
        if not done:
            return None
        self._next = None
        return waiting.result()

    def close(self) -> None:
        """Let go; the reader's place is free once its thread is."""
        self._following.close()
        if self._next is None or self._next.cancel():
            self._release()
        else:
            loop = asyncio.get_running_loop()
            self._next.add_done_callback(lambda _: loop.call_soon_threadsafe(self._release))


class Builds:
    """Builds and their logs, read from one event loop."""

    def __init__(
        self,
        archive: Archive,
        live: LiveLogs,
        latest_build: Callable[[FunctionId], Build | None],
        *,
        readers: Readers | None = None,
        max_followers: int = MAX_FOLLOWERS,
    ) -> None:
        self._archive = archive
        self._live = live
        self._latest_build = latest_build
        self._catalogue = Catalogue(archive, live, latest_build)
        self._readers = readers or Readers()
        self._followers = ThreadPoolExecutor(max_followers, thread_name_prefix="follower")
        self._max_followers = max_followers
        self._following: set[Following] = set()

    async def list(self, query: Query) -> list[Entry]:
        """Return builds, those that were asked for last first. Raises DependencyUnavailable or Saturated."""
        return await self._readers.run(lambda: self._catalogue.builds(query))

    async def find(self, build_id: str, *, preview: bool = False) -> Entry | None:
        """Return the latest build with an id, with the end of its log if asked; None if there is none.

        Raises DependencyUnavailable or Saturated.
        """
        ask = self._catalogue.with_preview if preview else self._catalogue.build
        return await self._readers.run(lambda: ask(build_id))

    async def latest(self, function: FunctionId) -> Build | None:
        """Return the build that a function had last. Raises DependencyUnavailable or Saturated."""
        return await self._readers.run(lambda: self._latest_build(function))

    def log(self, entry: Entry, *, after: int = 0) -> Log:
        """Return a build's log from the line behind a number on. Raises Saturated."""
        if len(self._following) >= self._max_followers:
            raise Saturated(f"{self._max_followers} logs are being read, which is the limit; come back later")
        following = Following(
            entry, self._archive, self._live, lambda: self._catalogue.refreshed(entry), after=after
        )
        self._following.add(following)
        return Log(following, self._followers, lambda: self._following.discard(following))

    def close(self) -> None:
        """End all reading; archive and logs stay open for those who write."""
        for following in tuple(self._following):
            following.close()
        self._readers.close()
        self._followers.shutdown(wait=False, cancel_futures=True)
