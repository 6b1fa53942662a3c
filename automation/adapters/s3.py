"""The source store over the S3 API. One client for all: making one costs 150 ms, sharing it is safe."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import boto3
import botocore.session
from botocore import handlers
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from automation.context import MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES
from automation.errors import DependencyUnavailable, InvalidEvent, SourceNotFound
from automation.languages import object_name
from automation.ports import Source
from automation.settings import AutomationSettings

_CONNECTIONS: Final = 32
_READERS: Final = 16
_NOT_THERE: Final = {"NoSuchKey", "NoSuchBucket", "404"}
_TEXT_CHARACTERS: Final = 256
_USER_AGENT: Final = "knative-lambda"


class S3Store:
    """Reads code from any bucket that the credentials open; keeps contexts in one bucket."""

    def __init__(self, settings: AutomationSettings) -> None:
        self._context_bucket = settings.context_bucket
        self._client = client(settings)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="s3")

    def read(self, source: Source) -> Mapping[str, bytes]:
        """See SourceStore."""
        folder = source.key.rstrip("/") + "/"
        with _translated(f"s3://{source.bucket}/{source.key}"):
            keys = self._list(source.bucket, folder)
            if not keys:
                return {object_name(source.key): self._get(source.bucket, source.key.rstrip("/"))}
            # A single file, the usual case, is read here: handing it to a thread and back gains nothing.
            read_all = map if len(keys) == 1 else self._readers.map
            bodies = read_all(lambda key: self._get(source.bucket, key), keys)
            return {key.removeprefix(folder): body for key, body in zip(keys, bodies, strict=True)}

    def put_context(self, key: str, archive: bytes) -> None:
        """See SourceStore."""
        with _translated(f"s3://{self._context_bucket}/{key}", ours=True):
            self._client.put_object(
                Bucket=self._context_bucket, Key=key, Body=archive, ContentType="application/gzip"
            )

    def remove_contexts(self, prefix: str) -> None:
        """See SourceStore."""
        with _translated(f"s3://{self._context_bucket}/{prefix}", ours=True):
            for page in self._pages(self._context_bucket, prefix):
                keys = [{"Key": item["Key"]} for item in page]
                if keys:
                    answer = self._client.delete_objects(
                        Bucket=self._context_bucket, Delete={"Objects": keys, "Quiet": True}
                    )
                    _refuse_leftovers(answer)

    def check(self) -> None:
        """See SourceStore."""
        with _translated(f"s3://{self._context_bucket}", ours=True):
            self._client.head_bucket(Bucket=self._context_bucket)

    def close(self) -> None:
        """Close all connections; calls that are under way may fail."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _list(self, bucket: str, folder: str) -> list[str]:
        """Return the keys of all files in the folder, refusing too much of it before any of it is read."""
        items: list[dict[str, Any]] = []
        for page in self._pages(bucket, folder):
            items += [item for item in page if not item["Key"].endswith("/")]
            if len(items) > MAX_FILES:
                raise InvalidEvent(f"{folder} holds more than {MAX_FILES} files, which is the limit")
        if sum(item["Size"] for item in items) > MAX_TOTAL_BYTES:
            raise InvalidEvent(f"{folder} holds more than {MAX_TOTAL_BYTES} bytes, which is the limit")
        return [item["Key"] for item in items]

    def _pages(self, bucket: str, prefix: str) -> Iterator[list[dict[str, Any]]]:
        more: dict[str, str] = {}
        while True:
            page = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
            yield page.get("Contents", [])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _get(self, bucket: str, key: str) -> bytes:
        with _translated(f"s3://{bucket}/{key}"):
            data: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise InvalidEvent(f"{key} has more than {MAX_FILE_BYTES} bytes, which is the limit")
        return data


def client(settings: AutomationSettings) -> Any:
    """Return a client of the S3 API for many threads."""
    keys = {}
    if settings.access_key_id:
        keys = {
            "aws_access_key_id": settings.access_key_id,
            "aws_secret_access_key": settings.secret_access_key,
        }
    config = Config(
        max_pool_connections=_CONNECTIONS,
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "max_attempts": 3},
        s3={"addressing_style": "path"} if settings.s3_endpoint else {},
        # The content is addressed by its own SHA-256; further checksums cost time, and not every store
        # knows them.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        parameter_validation=False,
        # A name of our own: the one that the client puts together anew for each request costs as much as
        # signing it.
        user_agent=_USER_AGENT,
    )
    endpoint = settings.s3_endpoint or None
    session = boto3.Session(botocore_session=_session())
    made = session.client("s3", region_name=settings.region, endpoint_url=endpoint, config=config, **keys)
    # Contexts are small: asking leave before sending one costs a round trip and spares nothing.
    made.meta.events.unregister("before-call.s3", handlers.add_expect_header)
    return made


def _session() -> botocore.session.Session:
    """Return a session that leaves times in answers as texts: parsing one costs 0.3 ms, and none is used."""
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    return session


def _refuse_leftovers(answer: dict[str, Any]) -> None:
    for failed in answer.get("Errors", ())[:1]:
        raise DependencyUnavailable(f"storage did not delete {failed.get('Key')}: {failed.get('Message')}")


@contextmanager
def _translated(place: str, ours: bool = False) -> Iterator[None]:
    """Turn the client's errors into ours; what our own bucket lacks is not the sender's fault."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _NOT_THERE and not ours:
            raise SourceNotFound(
                f"there is no code at {place}; put parser.py there and send it again"
            ) from error
        raise DependencyUnavailable(f"storage refused {place}: {str(error)[:_TEXT_CHARACTERS]}") from error
    except (BotoCoreError, OSError) as error:
        raise DependencyUnavailable(
            f"storage did not answer for {place}: {str(error)[:_TEXT_CHARACTERS]}"
        ) from error
