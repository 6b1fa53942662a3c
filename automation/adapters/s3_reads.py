"""Reads many objects of S3 in order, some ahead of who takes them, within a bound of memory.

An object is read in pieces, each for its own: one that breaks off is read again, and none is mixed out of two
versions. Small objects, of which folders of code consist, are got by a signed request without the rest of the
client, which costs twice the CPU; whatever is not a plain success goes to the client, which knows retries,
redirects and errors.
"""

import itertools
import urllib.parse
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any, Final, NamedTuple

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from automation.adapters.s3_errors import translated
from automation.code import PIECE_BYTES, Member
from automation.errors import DependencyUnavailable

AHEAD_BYTES: Final = 8 * 1024 * 1024
"""Most that is read ahead of whoever takes it, in each of several reads."""
_AHEAD_PIECES: Final = 32
_TRIES: Final = 3
_ELSEWHERE: Final = frozenset({301, 307, 400, 403})
"""Answers that the next object of the bucket would get as well: another region, another signature."""


class Piece(NamedTuple):
    """A part of an object, or the whole."""

    member: Member
    offset: int
    length: int


class QuickReads:
    """Whole small objects by one signed request each."""

    def __init__(self, client: Any, credentials: Any, session: URLLib3Session) -> None:
        self._client = client
        self._credentials = credentials
        self._session = session
        self._bases: dict[str, str] = {}
        """By bucket its URL; empty: not this way."""

    def get(self, bucket: str, member: Member) -> bytes | None:
        """Return the object, if this version of it came as listed and at once; None says: ask the client."""
        base = self._base(bucket)
        if not base:
            return None
        request = AWSRequest("GET", base + urllib.parse.quote(member.place, safe="/~"))
        S3SigV4Auth(self._credentials.get_frozen_credentials(), "s3", self._client.meta.region_name).add_auth(
            request
        )
        try:
            response = self._session.send(request.prepare())
        except BotoCoreError:
            return None
        if response.status_code in _ELSEWHERE:
            self._bases[bucket] = ""
        is_it = response.status_code == 200 and _etag(response.headers.get("ETag")) == member.version
        data: bytes = response.content
        return data if is_it and len(data) == member.size else None

    def _base(self, bucket: str) -> str:
        if bucket not in self._bases:
            url = "" if self._credentials is None else self._presigned(bucket)
            self._bases[bucket] = url.partition("?")[0].removesuffix("key")
        return self._bases[bucket]

    def _presigned(self, bucket: str) -> str:
        """Return an object's URL as the client makes it from endpoint, region and the style of addresses."""
        url: str = self._client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
        return url


class Reads:
    """Ordered reads over one client and the threads that all of them share."""

    def __init__(self, client: Any, quick: QuickReads, threads: Executor) -> None:
        self._client = client
        self._quick = quick
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
        data = self._quick.get(bucket, member) if whole else None
        return self._by_client(bucket, piece) if data is None else data

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
