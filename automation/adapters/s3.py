"""The source store over the S3 API. One client for all: making one costs 150 ms, sharing it is safe."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, Final

import boto3
import botocore.session
from botocore import handlers
from botocore.config import Config

from automation.adapters.s3_errors import translated
from automation.adapters.s3_reads import Reads, listed_member
from automation.adapters.s3_signed import Signed
from automation.code import PIECE_BYTES, Code, Member
from automation.errors import DependencyUnavailable, InvalidEvent
from automation.languages import object_name
from automation.ports import Source
from automation.settings import AutomationSettings

_CONNECTIONS: Final = 32
_READERS: Final = 16
_CONNECT_SECONDS: Final = 2
_READ_SECONDS: Final = 10
_USER_AGENT: Final = "knative-lambda"


class S3Store:
    """Reads code from any bucket that the credentials open; keeps contexts in one bucket."""

    def __init__(self, settings: AutomationSettings) -> None:
        self._context_bucket = settings.context_bucket
        self._source_bucket = settings.source_bucket
        self._limits = settings.source_limits
        self._client, self._signed = clients(settings)
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="s3")
        self._reads = Reads(self._client, self._signed, self._threads)

    def read(self, source: Source) -> Code:
        """See SourceStore."""
        folder = source.key.rstrip("/") + "/"
        foreign = source.bucket != self._source_bucket
        with translated(f"s3://{source.bucket}/{source.key}", foreign=foreign):
            members = self._list(source.bucket, folder)
            code = self._folder(source.bucket, members) if members else self._single(source)
        self._limits.refuse(code.sizes)
        return code

    def put_context(self, key: str, archive: IO[bytes]) -> None:
        """See SourceStore."""
        with translated(f"s3://{self._context_bucket}/{key}", ours=True):
            small = archive.seek(0, io.SEEK_END) <= PIECE_BYTES
            archive.seek(0)
            if small and self._signed.send(
                "PUT", self._context_bucket, key, archive.read(), "application/gzip"
            ):
                return
            archive.seek(0)
            # One request and not several parts: it is stored or it is not, and nothing is left of a failure.
            self._client.put_object(
                Bucket=self._context_bucket, Key=key, Body=archive, ContentType="application/gzip"
            )

    def remove_context(self, key: str) -> None:
        """See SourceStore."""
        with translated(f"s3://{self._context_bucket}/{key}", ours=True):
            if not self._signed.send("DELETE", self._context_bucket, key):
                self._client.delete_object(Bucket=self._context_bucket, Key=key)

    def remove_contexts(self, prefix: str) -> None:
        """See SourceStore."""
        with translated(f"s3://{self._context_bucket}/{prefix}", ours=True):
            for page in self._pages(self._context_bucket, prefix):
                keys = [{"Key": item["Key"]} for item in page]
                if keys:
                    answer = self._client.delete_objects(
                        Bucket=self._context_bucket, Delete={"Objects": keys, "Quiet": True}
                    )
                    _refuse_leftovers(answer)

    def check(self) -> None:
        """See SourceStore."""
        with translated(f"s3://{self._context_bucket}", ours=True):
            self._client.head_bucket(Bucket=self._context_bucket)

    def close(self) -> None:
        """Close all connections, after the reads that are under way."""
        self._threads.shutdown(cancel_futures=True)
        self._signed.close()
        self._client.close()

    def _folder(self, bucket: str, members: dict[str, Member]) -> Code:
        return Code(members, lambda wanted: self._reads.contents(bucket, wanted))

    def _single(self, source: Source) -> Code:
        """Return one object; the request that finds it brings a small one with it."""
        key = source.key.rstrip("/")
        answer = self._client.get_object(Bucket=source.bucket, Key=key)
        member = listed_member({"Key": key, "Size": answer["ContentLength"], "ETag": answer.get("ETag")})
        code = self._folder(source.bucket, {object_name(key): member})
        if member.size <= PIECE_BYTES:
            code.held[object_name(key)] = answer["Body"].read()
        answer["Body"].close()
        return code

    def _list(self, bucket: str, folder: str) -> dict[str, Member]:
        """Return all files in the folder, refusing too many of them before the listing is at its end."""
        found: dict[str, Member] = {}
        for page in self._pages(bucket, folder):
            found |= {
                item["Key"].removeprefix(folder): listed_member(item)
                for item in page
                if not item["Key"].endswith("/")
            }
            if len(found) > self._limits.files:
                raise InvalidEvent(f"{folder} holds more than {self._limits.files} files, which is the limit")
        return found

    def _pages(self, bucket: str, prefix: str) -> Iterator[list[dict[str, Any]]]:
        more: dict[str, str] = {}
        while True:
            page = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
            yield page.get("Contents", [])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}


def _session(settings: AutomationSettings) -> boto3.Session:
    """Return a session that leaves times in answers as texts: parsing one costs 0.3 ms, and none is used."""
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    return boto3.Session(
        aws_access_key_id=settings.access_key_id or None,
        aws_secret_access_key=settings.secret_access_key or None,
        region_name=settings.region,
        botocore_session=session,
    )


def clients(settings: AutomationSettings) -> tuple[Any, Signed]:
    """Return a client of the S3 API, and what sends plain requests in its place; both for many threads."""
    session = _session(settings)
    made = _client(settings, session)
    return made, Signed(made, session, connect=_CONNECT_SECONDS, read=_READ_SECONDS)


def _client(settings: AutomationSettings, session: boto3.Session) -> Any:
    config = Config(
        max_pool_connections=_CONNECTIONS,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
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
    made = session.client("s3", endpoint_url=endpoint, config=config)
    # Contexts are small as a rule: asking leave before sending one costs a round trip and spares nothing.
    made.meta.events.unregister("before-call.s3", handlers.add_expect_header)
    return made


def _refuse_leftovers(answer: dict[str, Any]) -> None:
    for failed in answer.get("Errors", ())[:1]:
        raise DependencyUnavailable(f"storage did not delete {failed.get('Key')}: {failed.get('Message')}")
