"""The object store's HTTP server: who may ask, what is asked for, and errors in S3's form."""

import asyncio
import datetime
import logging
import uuid
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from local.objectstore.documents import error_document
from local.objectstore.errors import S3Error
from local.objectstore.operations import Operations, Request
from local.objectstore.signature import HttpRequest, verify
from local.objectstore.storage import Storage

_log = logging.getLogger(__name__)
_MAX_OBJECT_BYTES = 5 << 30
"""S3's own limit of one PutObject."""
_SHUTDOWN_SECONDS = 2.0


class ObjectStore:
    """S3's REST API, path style, on the folder `root`: buckets are its sub-folders, keys are paths in them.

    Requests may be signed with the one key pair (Signature Version 4, header or presigned URL) or not
    signed at all: it is meant for loopback. `port` 0 takes a free one; it is known after `start`.
    """

    def __init__(
        self,
        root: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        access_key: str = "local",
        secret_key: str = "local-secret",  # noqa: S107 - the emulator's well-known key, as in its documentation
        max_object_bytes: int = _MAX_OBJECT_BYTES,
    ) -> None:
        self._root = root
        self._host = host
        self._secrets = {access_key: secret_key}
        self._max_object_bytes = max_object_bytes
        self._runner: web.ServerRunner | None = None
        self.port = port

    @property
    def url(self) -> str:
        """The endpoint's URL; after `start`."""
        return f"http://{self._host}:{self.port}"

    async def start(self) -> None:
        """Make the folder if needed and listen. Raises OSError when the port is taken."""
        self._operations = Operations(Storage(self._root), max_object_bytes=self._max_object_bytes)
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening, give running requests two seconds, and close all connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        request_id = uuid.uuid4().hex[:16]
        try:
            response = await self._answer(http)
        except S3Error as error:
            response = _refusal(http, error, request_id)
        except (asyncio.IncompleteReadError, ConnectionError):
            response = _refusal(http, S3Error("IncompleteBody", "the body ended too early"), request_id)
        except OSError as error:
            _log.exception("object store request failed", extra={"kl_path": http.raw_path})
            response = _refusal(
                http, S3Error("InternalError", f"the folder failed: {error.strerror}"), request_id
            )
        if not response.prepared:
            response.headers["x-amz-request-id"] = request_id
        return response

    async def _answer(self, http: web.BaseRequest) -> web.StreamResponse:
        raw_path, _, raw_query = http.raw_path.partition("?")
        query = parse_qsl(raw_query, keep_blank_values=True, errors="surrogateescape")
        headers = {name.lower(): ",".join(http.headers.getall(name)) for name in http.headers}
        verified = verify(
            HttpRequest(http.method, raw_path, query, headers),
            self._secrets,
            datetime.datetime.now(datetime.UTC),
        )
        await _continue(http, headers)
        bucket, _, key = unquote(raw_path, errors="surrogateescape").removeprefix("/").partition("/")
        return await self._operations.run(Request(http, bucket, key, dict(query), headers, verified))


async def _continue(http: web.BaseRequest, headers: dict[str, str]) -> None:
    # Clients such as boto3 hold the body back until they are told that the headers are fine.
    if headers.get("expect", "").lower() == "100-continue":
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0


def _refusal(http: web.BaseRequest, error: S3Error, request_id: str) -> web.Response:
    _log.info("object store refused a request", extra={"kl_code": error.code, "kl_path": http.raw_path})
    body = (
        b"" if http.method == "HEAD" else error_document(error, http.raw_path.partition("?")[0], request_id)
    )
    return web.Response(body=body, status=error.status, content_type="application/xml")
