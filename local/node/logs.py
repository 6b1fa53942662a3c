"""Log files of containers: where they are, reading and following them, keeping them small.

Containers write straight into the files, so logging costs the platform nothing. A container has one file
for each start; the one before the latest is `previous`. Lines carry no time stamps.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024
"""A log file that has grown beyond this loses its older half."""
_FOLLOW_SECONDS = 0.05
_CHUNK_BYTES = 64 * 1024


def tail(path: Path, *, max_bytes: int | None = None) -> bytes:
    """Return a file's content, or its last `max_bytes`; empty if it does not exist."""
    try:
        with path.open("rb") as file:
            if max_bytes is not None:
                file.seek(max(0, file.seek(0, os.SEEK_END) - max_bytes))
            return file.read()
    except FileNotFoundError:
        return b""


def last_lines(content: bytes, lines: int | None) -> bytes:
    """Return the last lines of a text, all where `lines` is None."""
    if lines is None:
        return content
    return b"".join(content.splitlines(keepends=True)[-lines:]) if lines > 0 else b""


async def read(path: Path, ended: Callable[[], bool], *, follow: bool = False) -> AsyncIterator[bytes]:
    """Yield the log in pieces; with `follow` until `ended` says that nothing more will be written."""
    position = 0
    while True:
        done = not follow or ended()
        if path.exists() and path.stat().st_size < position:
            # It was cut in the meantime; what is new follows after what was kept.
            position = path.stat().st_size
        while chunk := _chunk(path, position):
            position += len(chunk)
            yield chunk
        if done:
            return
        await asyncio.sleep(_FOLLOW_SECONDS)


def _chunk(path: Path, position: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(position)
        return file.read(_CHUNK_BYTES)


def shorten(path: Path) -> None:
    """Drop the older half of a file beyond MAX_BYTES. What is written at that very moment may be lost."""
    if path.stat().st_size > MAX_BYTES:
        kept = tail(path, max_bytes=MAX_BYTES // 2)
        with path.open("r+b") as file:
            # Containers hold the file open for appending, so they go on after what is written here.
            file.truncate(0)
            file.write(kept[kept.find(b"\n") + 1 :])
