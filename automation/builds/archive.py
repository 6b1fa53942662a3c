"""Entries and logs of builds as objects of a bucket, whose lifecycle deletes them in the end."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final

from automation.builds import entry as entries
from automation.builds.entry import Entry, Listed
from automation.builds.ports import ByteStream, Objects

MAX_SCANNED: Final = 20_000
"""Keys of the index that one list looks at: ten thousand builds."""
_SAME_ID: Final = 20
"""Builds with one id that are told apart."""
_THREADS: Final = 8


class Archive:
    """What is kept of builds. Every method but `close` raises DependencyUnavailable."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="entries")

    @property
    def objects(self) -> Objects:
        """The bucket."""
        return self._objects

    def put(self, *kept: Entry) -> None:
        """Keep entries, and have lists find them; all at once, since an event waits for it."""
        objects = [(entry.index_key, b"", "application/octet-stream") for entry in kept]
        objects += [(entry.key, entries.dumps(entry), "application/json") for entry in kept]
        for _ in self._threads.map(lambda one: self._objects.put(*one), objects):
            pass  # an error of one is raised here, once the others are under way

    def find(self, build_id: str) -> Entry | None:
        """Return the latest build with an id; None if there is none."""
        keys = islice(self._objects.keys(entries.entries_folder(build_id)), _SAME_ID)
        found = [entry for entry in self._load(keys) if entry]
        return max(found, key=lambda entry: entry.requested_at, default=None)

    def reload(self, entry: Entry) -> Entry | None:
        """Return what is kept of a build by now; None if nothing is."""
        return next(self._load([entry.key]))

    def load(self, builds: Iterable[Listed]) -> list[Entry]:
        """Return the entries of builds in a list, without those that are gone."""
        return [entry for entry in self._load(build.key for build in builds) if entry]

    def index(self) -> Iterator[Listed]:
        """Yield builds, the newest first, as far back as MAX_SCANNED."""
        yield from entries.listed(islice(self._objects.keys(entries.INDEX), MAX_SCANNED))

    def put_log(self, entry: Entry, body: bytes) -> None:
        """Keep a build's log, in the place of what was kept of it before."""
        self._objects.put(entry.log_key, body, "text/plain; charset=utf-8")

    def open_log(self, entry: Entry) -> ByteStream | None:
        """Return a build's kept log; None if there is none."""
        return self._objects.stream(entry.log_key)

    def close(self) -> None:
        """Release threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._objects.close()

    def _load(self, keys: Iterable[str]) -> Iterator[Entry | None]:
        bodies = self._threads.map(self._objects.get, keys)
        return (entries.loads(body) if body else None for body in bodies)
