"""Stores in memory: for tests and trials, held to the same contracts as the real ones."""

import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import IO

from automation.builds.ports import ByteStream, LiveLog
from automation.code import Code, Limits, Member
from automation.drift.schedule import Place
from automation.errors import DependencyUnavailable, SourceNotFound
from automation.languages import object_name
from automation.ports import Source


class MemoryStore:
    """Objects by (bucket, key), open to be looked at and changed."""

    def __init__(self, context_bucket: str = "contexts", limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self.context_bucket = context_bucket
        self.objects: dict[tuple[str, str], bytes] = {}
        self._limits = limits
        self._lock = threading.Lock()

    def read(self, source: Source) -> Code:
        """See SourceStore."""
        folder = source.key.rstrip("/") + "/"
        found = {
            key.removeprefix(folder): Member(size=len(data), place=key)
            for (bucket, key), data in self._snapshot().items()
            if bucket == source.bucket and key.startswith(folder) and not key.endswith("/")
        }
        members = found or self._single(source)
        self._limits.refuse({path: member.size for path, member in members.items()})
        return Code(members, lambda wanted: self._contents(source.bucket, wanted))

    def put_context(self, key: str, archive: IO[bytes]) -> None:
        """See SourceStore."""
        archive.seek(0)
        data = archive.read()
        with self._lock:
            self.objects[self.context_bucket, key] = data

    def remove_context(self, key: str) -> None:
        """See SourceStore."""
        with self._lock:
            self.objects.pop((self.context_bucket, key), None)

    def remove_contexts(self, prefix: str) -> None:
        """See SourceStore."""
        for bucket, key in self._snapshot():
            if bucket == self.context_bucket and key.startswith(prefix):
                with self._lock:
                    self.objects.pop((bucket, key), None)

    def check(self) -> None:
        """See SourceStore; memory always answers."""

    def close(self) -> None:
        """See SourceStore; there is nothing to close."""

    def _contents(self, bucket: str, wanted: Sequence[Member]) -> Iterator[Iterable[bytes]]:
        for member in wanted:
            data = self._snapshot().get((bucket, member.place))
            if data is None:
                raise DependencyUnavailable(f"{member.place} was taken away while it was read; send again")
            yield (data,)

    def _single(self, source: Source) -> dict[str, Member]:
        key = source.key.rstrip("/")
        data = self._snapshot().get((source.bucket, key))
        if data is None:
            raise SourceNotFound(f"there is no code at s3://{source.bucket}/{source.key}")
        return {object_name(source.key): Member(size=len(data), place=key)}

    def _snapshot(self) -> dict[tuple[str, str], bytes]:
        with self._lock:
            return dict(self.objects)


class MemoryObjects:
    """See Objects: a store in memory, open to be looked at."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """See Objects."""
        with self._lock:
            self.objects[key] = body

    def get(self, key: str) -> bytes | None:
        """See Objects."""
        return self.objects.get(key)

    def stream(self, key: str) -> ByteStream | None:
        """See Objects."""
        body = self.get(key)
        return None if body is None else MemoryStream([body])

    def keys(self, prefix: str) -> Iterator[str]:
        """See Objects."""
        with self._lock:
            found = sorted(key for key in self.objects if key.startswith(prefix))
        yield from found

    def close(self) -> None:
        """See Objects; there is nothing to close."""


class MemoryLedger:
    """See Ledger: for several replicas in one process."""

    def __init__(self) -> None:
        self._known = Place()
        self._moves = itertools.count(1)
        self._lock = threading.Lock()

    def place(self) -> Place:
        """See Ledger."""
        return self._known

    def move(self, place: Place) -> bool:
        """See Ledger."""
        with self._lock:
            if place.version != self._known.version:
                return False
            self._known = replace(place, version=str(next(self._moves)))
            return True

    def close(self) -> None:
        """See Ledger; there is nothing to close."""


class MemoryStream:
    """See ByteStream: the given pieces, one after the other."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.closed = False

    def read(self) -> bytes:
        """See ByteStream."""
        return b"" if self.closed else next(self._pieces, b"")

    def close(self) -> None:
        """See ByteStream."""
        self.closed = True


class MemoryLogs:
    """See LiveLogs: the logs of pods by their Jobs' names; all of them have ended."""

    def __init__(self) -> None:
        self.logs: dict[str, bytes] = {}
        self.scans: dict[str, bytes] = {}

    def open(self, job_name: str, *, follow: bool) -> LiveLog | None:
        """See LiveLogs."""
        log = self.logs.get(job_name)
        return None if log is None else LiveLog(MemoryStream([log]), ended=True)

    def scanned(self, job_name: str) -> ByteStream | None:
        """See LiveLogs."""
        log = self.scans.get(job_name)
        return None if log is None else MemoryStream([log])

    def close(self) -> None:
        """See LiveLogs; there is nothing to close."""
