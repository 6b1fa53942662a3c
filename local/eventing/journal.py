"""What a broker has accepted and not yet delivered, on disk: an append-only file of JSON lines.

    {"put": 7, "queues": ["t1", "t2"], "message": {…}}    accepted for these triggers
    {"ack": 7, "queue": "t1"}                             delivered, dead-lettered or given up there

Lines are handed to the operating system before an event is acknowledged: they survive the end of the
process, however it comes. They are not synced to the disk, so a machine that loses power may lose events;
RabbitMQ's quorum queues would not.
"""

import errno
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

Message = dict[str, Any]
_COMPACT_FROM_BYTES = 4 << 20


class Journal:
    """One broker's journal. Synchronous; for one process and one thread."""

    def __init__(self, path: Path, *, compact_from_bytes: int = _COMPACT_FROM_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._pending: dict[int, tuple[set[str], Message]] = {}
        self._next = 1
        self._compact_from = compact_from_bytes
        self._threshold = compact_from_bytes
        self._file = -1
        self._size = 0
        if path.exists():
            self._replay(path.read_bytes())
        self._rewrite()

    def put(self, message: Message, queues: Collection[str]) -> int:
        """Record a message for some queues and return its number.

        Raises OSError: then nothing is accepted.
        """
        number = self._next
        self._append({"put": number, "queues": list(queues), "message": message})
        self._next += 1
        self._pending[number] = set(queues), message
        return number

    def ack(self, number: int, queue: str) -> None:
        """Record that a queue is done with a message; one that is not pending there is no error."""
        waiting = self._pending.get(number)
        if waiting is None or queue not in waiting[0]:
            return
        waiting[0].discard(queue)
        if not waiting[0]:
            del self._pending[number]
        self._append({"ack": number, "queue": queue})
        if self._size > self._threshold:
            self._rewrite()

    def pending(self) -> Iterator[tuple[int, str, Message]]:
        """Yield number, queue and message of everything that is not done, in the order of arrival."""
        for number, (queues, message) in self._pending.items():
            for queue in sorted(queues):
                yield number, queue, message

    def close(self) -> None:
        """Close the file; the journal cannot be used after that."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Close the journal and delete its file: the broker is gone."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        written = os.write(self._file, line)
        self._size += written
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def _replay(self, content: bytes) -> None:
        for line in content.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the last line of a process that was killed while it wrote
            if "put" in entry:
                self._pending[entry["put"]] = set(entry["queues"]), entry["message"]
                self._next = max(self._next, entry["put"] + 1)
            elif entry["ack"] in self._pending:
                self._forget(entry["ack"], entry["queue"])

    def _forget(self, number: int, queue: str) -> None:
        queues = self._pending[number][0]
        queues.discard(queue)
        if not queues:
            del self._pending[number]

    def _rewrite(self) -> None:
        """Write what is pending to a new file and go on in it."""
        self.close()
        staging = self._path.with_suffix(".new")
        self._file = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._size = 0
        for number, (queues, message) in self._pending.items():
            self._append({"put": number, "queues": sorted(queues), "message": message})
        staging.replace(self._path)
        # Twice what had to stay: the work of rewriting stays in proportion to what is appended.
        self._threshold = max(self._compact_from, 2 * self._size)
