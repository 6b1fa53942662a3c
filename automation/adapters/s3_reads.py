"""Reads many objects of S3 in order, some ahead of who takes them, within a bound of memory.

An object is read in pieces, each for its own: one that breaks off is read again, and none is mixed out of two
versions. Small objects, of which folders of code consist, are got by a signed request without the rest of the
client, which costs several times the CPU; whatever is not a plain success goes to the client, which knows
retries, redirects and errors.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError

from automation.adapters.s3_errors import translated
from automation.adapters.s3_signed import Signed
from automation.code import PIECE_BYTES, Member
from automation.errors import DependencyUnavailable

AHEAD_BYTES: Final = 8 * 1024 * 1024
"""Most that is read ahead of whoever takes it, in each of several reads."""
_AHEAD_PIECES: Final = 32
_TRIES: Final = 3


class Piece(NamedTuple):
    """A part of an object, or the whole."""

    member: Member
    offset: int
    length: int


class Reads:
    """Ordered reads over one client and the threads that all of them share."""

    def __init__(self, client: Any, signed: Signed, threads: Executor) -> None:
        self._client = client
        self._signed = signed
        self._threads = threads

    def contents(self, bucket: str, wanted: Sequence[Member]) -> Iterator[Iterable[bytes]]:
        """See code.Opener."""
        if len(wanted) == 1 and wanted[0].size <= PIECE_BYTES:
            # A single file, the usual case: handing it to a thread and back gains nothing.
            yield [self._piece(bucket, piece) for piece in _pieces(wanted[0])]
            return
        ahead = self._ahead(bucket, itertools.chain.from_iterable(map(_pieces, wanted)))
        for member in wanted:
            yield itertools.islice(ahead, _count(member))

    def _ahead(self, bucket: str, pieces: Iterator[Piece]) -> Iterator[bytes]:
        waiting: deque[tuple[Future[bytes], int]] = deque()
        under_way = 0
        try:
            for piece in pieces:
                while waiting and (under_way + piece.length > AHEAD_BYTES or len(waiting) >= _AHEAD_PIECES):
                    future, length = waiting.popleft()
                    yield future.result()
                    under_way -= length
                waiting.append((self._threads.submit(self._piece, bucket, piece), piece.length))
                under_way += piece.length
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            for future, _ in waiting:
                future.cancel()

    def _piece(self, bucket: str, piece: Piece) -> bytes:
        member = piece.member
        whole = piece.length == member.size
        data = self._whole(bucket, member) if whole else None
        return self._by_client(bucket, piece) if data is None else data

    def _whole(self, bucket: str, member: Member) -> bytes | None:
        """Return the object, if this version of it came as listed and at once; None says: ask the client."""
        answer = self._signed.send("GET", bucket, member.place)
        is_it = answer is not None and _etag(answer.headers.get("ETag")) == member.version
        return answer.body if answer and is_it and len(answer.body) == member.size else None

    def _by_client(self, bucket: str, piece: Piece) -> bytes:
        member, place = piece.member, f"s3://{bucket}/{piece.member.place}"
        options = {"IfMatch": f'"{member.version}"'} if member.version else {}
        if piece.length != member.size:
            options["Range"] = f"bytes={piece.offset}-{piece.offset + piece.length - 1}"
        with translated(place, listed=True):
            for tries in range(1, _TRIES + 1):
                body = self._client.get_object(Bucket=bucket, Key=member.place, **options)["Body"]
                try:
                    data: bytes = body.read(piece.length + 1)
                    if len(data) < piece.length:
                        body.read(1)  # at the end it compares with the length that was promised
                except BotoCoreError:
                    # The client tries again until an answer begins, and not when it breaks off.
                    if tries == _TRIES:
                        raise
                    continue
                break
        if len(data) != piece.length:
            raise DependencyUnavailable(f"{place} was changed while it was read; send the event again")
        return data


def listed_member(item: dict[str, Any]) -> Member:
    """Return what a listing says of one object."""
    return Member(size=item["Size"], place=item["Key"], version=_etag(item.get("ETag")))


def _etag(value: str | None) -> str:
    return (value or "").strip('"')


def _count(member: Member) -> int:
    return -(-member.size // PIECE_BYTES)


def _pieces(member: Member) -> Iterator[Piece]:
    """Return the pieces of an object; an empty one has none, and needs no request."""
    for offset in range(0, member.size, PIECE_BYTES):
        yield Piece(member, offset, min(PIECE_BYTES, member.size - offset))
