"""S3's operations: each takes a request whose signature was verified and returns the HTTP answer."""

import asyncio
import email.utils
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from local.objectstore import documents
from local.objectstore.bodies import Body
from local.objectstore.conditions import byte_range, check_read, check_write
from local.objectstore.errors import S3Error
from local.objectstore.listing import decode_token, page, parse_max_keys
from local.objectstore.multipart import Uploads
from local.objectstore.signature import Verified
from local.objectstore.storage import Meta, Storage, StoredObject

_KEPT_HEADERS = (
    "content-type",
    "content-encoding",
    "content-language",
    "content-disposition",
    "cache-control",
    "expires",
)
_METADATA = "x-amz-meta-"
_MAX_DOCUMENT_BYTES = 2 << 20
"""Of XML bodies; S3 allows 1,000 keys or 10,000 parts in one."""
_STREAM_FROM_BYTES = 1 << 20
_PIECE = 1 << 18
_SUBRESOURCE_NAMES = (
    "accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold"
    " lifecycle location logging metrics notification object-lock ownershipControls policy policyStatus"
    " publicAccessBlock replication requestPayment restore retention select tagging torrent uploadId uploads"
    " versionId versioning versions website"
)
_SUBRESOURCES = frozenset(_SUBRESOURCE_NAMES.split(" "))


@dataclass(frozen=True)
class Request:
    """One verified request.

    `bucket` and `key` are decoded and may be empty; header names are in lower case.
    """

    http: web.BaseRequest
    bucket: str
    key: str
    query: dict[str, str]
    headers: Mapping[str, str]
    verified: Verified | None
    """None for an anonymous request."""

    def body(self, max_bytes: int) -> Body:
        """Open the body, with a limit in bytes."""
        return Body(self.headers, self.http.content, self.verified, max_bytes)

    @property
    def operation(self) -> tuple[str, str, str]:
        """What names the operation: scope, method and subresource."""
        scope = "object" if self.key else "bucket" if self.bucket else "service"
        found = sorted(_SUBRESOURCES.intersection(self.query))
        return scope, self.http.method, found[0] if found else ""


Handler = Callable[[Request], Awaitable[web.StreamResponse]]


class Operations:
    """The operations on one storage."""

    def __init__(self, storage: Storage, *, max_object_bytes: int) -> None:
        self._storage = storage
        self._uploads = Uploads(storage)
        self._max_object_bytes = max_object_bytes
        self._table: dict[tuple[str, str, str], Handler] = {
            ("service", "GET", ""): self._list_buckets,
            ("bucket", "PUT", ""): self._create_bucket,
            ("bucket", "HEAD", ""): self._head_bucket,
            ("bucket", "DELETE", ""): self._delete_bucket,
            ("bucket", "GET", ""): self._list_objects,
            ("bucket", "GET", "location"): self._bucket_location,
            ("bucket", "POST", "delete"): self._delete_objects,
            ("object", "PUT", ""): self._put_object,
            ("object", "GET", ""): self._get_object,
            ("object", "HEAD", ""): self._get_object,
            ("object", "DELETE", ""): self._delete_object,
            ("object", "POST", "uploads"): self._create_upload,
            ("object", "PUT", "uploadId"): self._upload_part,
            ("object", "POST", "uploadId"): self._complete_upload,
            ("object", "DELETE", "uploadId"): self._abort_upload,
        }

    async def run(self, request: Request) -> web.StreamResponse:
        """Carry the request out. Raises S3Error, OSError, asyncio.IncompleteReadError."""
        scope, method, subresource = request.operation
        handler = self._table.get(request.operation)
        if handler is not None:
            return await handler(request)
        if subresource:
            raise S3Error(
                "NotImplemented", f"{method} ?{subresource} of a {scope} is not in the local object store"
            )
        raise S3Error("MethodNotAllowed", f"{method} is not an operation of a {scope}")

    async def _list_buckets(self, request: Request) -> web.Response:
        buckets = [
            ("Bucket", [("Name", name), ("CreationDate", documents.timestamp(created))])
            for name, created in self._storage.buckets()
        ]
        owner = [("ID", "local"), ("DisplayName", "local")]
        return _xml(documents.document("ListAllMyBucketsResult", [("Owner", owner), ("Buckets", buckets)]))

    async def _create_bucket(self, request: Request) -> web.Response:
        await _read_document(request)
        self._storage.create_bucket(request.bucket)
        return web.Response(headers={"Location": f"/{request.bucket}"})

    async def _head_bucket(self, request: Request) -> web.Response:
        self._storage.bucket(request.bucket)
        return web.Response()

    async def _delete_bucket(self, request: Request) -> web.Response:
        self._storage.delete_bucket(request.bucket)
        return web.Response(status=204)

    async def _bucket_location(self, request: Request) -> web.Response:
        self._storage.bucket(request.bucket)
        return _xml(documents.document("LocationConstraint"))

    async def _list_objects(self, request: Request) -> web.Response:
        query = request.query
        prefix, after = query.get("prefix", ""), _after(query)
        found = page(
            self._storage.keys(request.bucket, prefix, after),
            prefix=prefix,
            delimiter=query.get("delimiter", ""),
            after=after,
            max_keys=parse_max_keys(query.get("max-keys")),
        )
        objects = [item for key in found.keys if (item := self._storage.find(request.bucket, key))]
        return _xml(documents.listing_document(request.bucket, query, found, objects))

    async def _delete_objects(self, request: Request) -> web.Response:
        keys, quiet = documents.parse_deletes(await _read_document(request))
        self._storage.bucket(request.bucket)
        fields: list[tuple[str, object]] = []
        for key in keys:
            try:
                self._storage.delete(request.bucket, key)
            except S3Error as error:
                fields.append(("Error", [("Key", key), ("Code", error.code), ("Message", error.message)]))
            else:
                fields += [] if quiet else [("Deleted", [("Key", key)])]
        return _xml(documents.document("DeleteResult", fields))

    async def _get_object(self, request: Request) -> web.StreamResponse:
        found = self._storage.describe(request.bucket, request.key)
        headers = _object_headers(found)
        if check_read(request.headers, found):
            return web.Response(status=304, headers=headers)
        span = byte_range(request.headers.get("range"), found.size)
        first, last = span or (0, found.size - 1)
        status = 206 if span else 200
        if span is not None:
            headers["Content-Range"] = f"bytes {first}-{last}/{found.size}"
        elif request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            # Only with the whole: clients hold them against whatever body comes.
            headers |= found.meta.checksums
        headers["Content-Length"] = str(last - first + 1)
        if request.http.method == "HEAD":
            return web.Response(status=status, headers=headers)
        return await _send(request.http, found.path, first, last - first + 1, status, headers)

    async def _put_object(self, request: Request) -> web.Response:
        if "x-amz-copy-source" in request.headers:
            return await self._copy_object(request)
        self._storage.bucket(request.bucket)
        with self._storage.staging() as staged:
            etag, checksums = await self._receive(request, staged)
            meta = Meta(etag, _kept(request.headers), checksums)
            check_write(request.headers, self._storage.find(request.bucket, request.key))
            self._storage.put(request.bucket, request.key, staged, meta)
        return web.Response(headers={"ETag": f'"{etag}"', **checksums})

    async def _copy_object(self, request: Request) -> web.Response:
        bucket, _, key = unquote(request.headers["x-amz-copy-source"].removeprefix("/")).partition("/")
        source = self._storage.describe(bucket, key)
        replace = request.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
        meta = Meta(
            source.meta.etag,
            _kept(request.headers) if replace else source.meta.headers,
            source.meta.checksums,
        )
        with self._storage.staging() as staged:
            await asyncio.to_thread(shutil.copyfile, source.path, staged)
            self._storage.put(request.bucket, request.key, staged, meta)
        copied = self._storage.describe(request.bucket, request.key)
        fields = [("LastModified", documents.timestamp(copied.modified)), ("ETag", f'"{meta.etag}"')]
        return _xml(documents.document("CopyObjectResult", fields))

    async def _delete_object(self, request: Request) -> web.Response:
        self._storage.delete(request.bucket, request.key)
        return web.Response(status=204)

    async def _create_upload(self, request: Request) -> web.Response:
        upload_id = self._uploads.create(request.bucket, request.key, _kept(request.headers))
        fields = [("Bucket", request.bucket), ("Key", request.key), ("UploadId", upload_id)]
        return _xml(documents.document("InitiateMultipartUploadResult", fields))

    async def _upload_part(self, request: Request) -> web.Response:
        if "x-amz-copy-source" in request.headers:
            raise S3Error(
                "NotImplemented", "UploadPartCopy is not in the local object store; upload the bytes"
            )
        number = documents.part_number(request.query.get("partNumber", ""))
        with self._storage.staging() as staged:
            etag, checksums = await self._receive(request, staged)
            upload_id = request.query["uploadId"]
            self._uploads.add_part(request.bucket, request.key, upload_id, number, staged, etag)
        return web.Response(headers={"ETag": f'"{etag}"', **checksums})

    async def _complete_upload(self, request: Request) -> web.Response:
        parts = documents.parse_parts(await _read_document(request))
        check_write(request.headers, self._storage.find(request.bucket, request.key))
        etag = self._uploads.complete(request.bucket, request.key, request.query["uploadId"], parts)
        fields = [("Bucket", request.bucket), ("Key", request.key), ("ETag", f'"{etag}"')]
        return _xml(documents.document("CompleteMultipartUploadResult", fields))

    async def _abort_upload(self, request: Request) -> web.Response:
        self._uploads.abort(request.bucket, request.key, request.query["uploadId"])
        return web.Response(status=204)

    async def _receive(self, request: Request, staged: Path) -> tuple[str, dict[str, str]]:
        body = request.body(self._max_object_bytes)
        with staged.open("wb") as file:
            async for data in body:
                file.write(data)
        return body.finish()


async def _read_document(request: Request) -> bytes:
    body = request.body(_MAX_DOCUMENT_BYTES)
    content = b"".join([data async for data in body])
    body.finish()
    return content


async def _send(
    http: web.BaseRequest, path: Path, offset: int, size: int, status: int, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with `size` bytes of the file, large ones streamed.

    The opened file stays the same if replaced.
    """
    with path.open("rb") as file:
        file.seek(offset)
        if size <= _STREAM_FROM_BYTES:
            return web.Response(body=file.read(size), status=status, headers=headers)
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(http)
        while size and (piece := file.read(min(_PIECE, size))):
            await response.write(piece)
            size -= len(piece)
        await response.write_eof()
        return response


def _after(query: Mapping[str, str]) -> str:
    if query.get("list-type") != "2":
        return query.get("marker", "")
    token = query.get("continuation-token")
    return decode_token(token) if token else query.get("start-after", "")


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    kept |= {name: value for name, value in headers.items() if name.startswith(_METADATA)}
    encodings = [part.strip() for part in kept.pop("content-encoding", "").split(",")]
    if encodings := [part for part in encodings if part and part != "aws-chunked"]:
        kept["content-encoding"] = ", ".join(encodings)
    return kept


def _object_headers(found: StoredObject) -> dict[str, str]:
    headers = {"content-type": "binary/octet-stream"} | dict(found.meta.headers)
    return headers | {
        "ETag": f'"{found.meta.etag}"',
        "Last-Modified": email.utils.formatdate(found.modified, usegmt=True),
        "Accept-Ranges": "bytes",
    }


def _xml(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/xml")
