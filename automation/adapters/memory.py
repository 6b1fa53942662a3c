"""Stores in memory: for tests and trials, held to the same contracts as the real ones."""

import threading
from collections.abc import Iterable, Iterator, Mapping

from automation.builds.ports import ByteStream, LiveLog
from automation.context import MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES
from automation.errors import InvalidEvent, SourceNotFound
from automation.languages import object_name
from automation.ports import Source


class MemoryStore:
    """Objects by (bucket, key), open to be looked at and changed."""

    def __init__(self, context_bucket: str = "contexts") -> None:
        self.context_bucket = context_bucket
        self.objects: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()

    def read(self, source: Source) -> Mapping[str, bytes]:
        """See SourceStore."""
        folder = source.key.rstrip("/") + "/"
        files = {
            key.removeprefix(folder): data
            for (bucket, key), data in self._snapshot().items()
            if bucket == source.bucket and key.startswith(folder) and not key.endswith("/")
        }
        files = files or self._single(source)
        if (
            len(files) > MAX_FILES
            or sum(map(len, files.values())) > MAX_TOTAL_BYTES
            or any(len(data) > MAX_FILE_BYTES for data in files.values())
        ):
            raise InvalidEvent(f"{folder} holds more or bigger files than allowed")
        return files

    def put_context(self, key: str, archive: bytes) -> None:
        """See SourceStore."""
        with self._lock:
            self.objects[self.context_bucket, key] = archive

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

    def _single(self, source: Source) -> dict[str, bytes]:
        data = self._snapshot().get((source.bucket, source.key.rstrip("/")))
        if data is None:
            raise SourceNotFound(f"there is no code at s3://{source.bucket}/{source.key}")
        return {object_name(source.key): data}

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

    def open(self, job_name: str, *, follow: bool) -> LiveLog | None:
        """See LiveLogs."""
        log = self.logs.get(job_name)
        return None if log is None else LiveLog(MemoryStream([log]), ended=True)

    def close(self) -> None:
        """See LiveLogs; there is nothing to close."""
