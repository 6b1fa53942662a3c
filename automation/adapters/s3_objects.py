"""What is kept of builds as objects beside the build contexts, over the S3 API."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from automation.adapters.s3 import clients
from automation.builds.ports import ByteStream
from automation.errors import DependencyUnavailable
from automation.settings import AutomationSettings

PIECE_BYTES: Final = 64 * 1024
_NOT_THERE: Final = frozenset({"NoSuchKey", "404"})
_TEXT_CHARACTERS: Final = 256


class S3Objects:
    """See Objects; in the context bucket."""

    def __init__(self, settings: AutomationSettings) -> None:
        self._bucket = settings.context_bucket
        self._client, self._signed = clients(settings)

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """See Objects."""
        with _translated(key):
            if self._signed.send("PUT", self._bucket, key, body, content_type):
                return
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def get(self, key: str) -> bytes | None:
        """See Objects."""
        with _translated(key):
            body = self._body(key)
            data: bytes | None = body.read() if body else None
        return data

    def stream(self, key: str) -> ByteStream | None:
        """See Objects."""
        with _translated(key):
            body = self._body(key)
        return _Body(key, body) if body else None

    def keys(self, prefix: str) -> Iterator[str]:
        """See Objects."""
        more: dict[str, str] = {}
        while True:
            with _translated(prefix):
                page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **more)
            yield from (item["Key"] for item in page.get("Contents", ()))
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def close(self) -> None:
        """See Objects."""
        self._signed.close()
        self._client.close()

    def _body(self, key: str) -> Any:
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NOT_THERE:
                return None
            raise


class _Body:
    """See ByteStream; reads of storage end by the client's own timeout."""

    def __init__(self, key: str, body: Any) -> None:
        self._key = key
        self._stream = body

    def read(self) -> bytes:
        """See ByteStream."""
        with _translated(self._key):
            data: bytes = self._stream.read(PIECE_BYTES)
        return data

    def close(self) -> None:
        """See ByteStream."""
        self._stream.close()


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, OSError) as error:
        raise DependencyUnavailable(f"storage failed at {key}: {str(error)[:_TEXT_CHARACTERS]}") from error
