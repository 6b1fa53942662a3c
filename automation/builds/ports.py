"""What keeping builds needs of the outside world. Adapters are in `automation.adapters`."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from automation.builds.lines import Lines, Tail


class ByteStream(Protocol):
    """Bytes that arrive in pieces."""

    def read(self) -> bytes:
        """Return the next piece, waiting for it; b"" at the end. Raises DependencyUnavailable."""

    def close(self) -> None:
        """Let go, from any thread: a `read` that waits ends, with an error or without."""


class Objects(Protocol):
    """Objects of one bucket by key. Every method but `close` raises DependencyUnavailable."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object in the place of the one before."""

    def get(self, key: str) -> bytes | None:
        """Return an object; None if there is none."""

    def stream(self, key: str) -> ByteStream | None:
        """Return an object to be read piece by piece; None if there is none."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin so, in their order; stopping early spares the rest."""

    def close(self) -> None:
        """Release connections."""


@dataclass(frozen=True)
class LiveLog:
    """The log of a build's container that is there."""

    stream: ByteStream
    ended: bool
    """Whether the container had ended before the log was opened: there is nothing more to come."""


class LiveLogs(Protocol):
    """Logs of builds while their pods are there. Every method but `close` raises DependencyUnavailable."""

    def open(self, job_name: str, *, follow: bool) -> LiveLog | None:
        """Return the log of a Job's build from its beginning; None while, or if, nothing has run.

        With `follow` it ends when the container does, else where it is by now.
        """

    def scanned(self, job_name: str) -> ByteStream | None:
        """Return the log of a Job's scanner from its beginning; None if none has run."""

    def close(self) -> None:
        """Release connections."""


def read_tail(stream: ByteStream, limit: int, *, seconds: float) -> Tail:
    """Return the last `limit` bytes of a log, of what arrives in so many seconds, and close it.

    Raises DependencyUnavailable.
    """
    lines, tail = Lines(), Tail(limit=limit)
    deadline = time.monotonic() + seconds
    try:
        while (piece := stream.read()) and time.monotonic() < deadline:
            tail.add(lines.feed(piece))
    finally:
        stream.close()
    tail.add(lines.end())
    return tail
