"""Buckets: addresses, errors, retries, and how many requests an update takes."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import IncompleteReadError
from botocore.response import StreamingBody

from engine import BackendError, Engine, StackRef, open_backend, s3, s3_address
from engine.s3_address import S3Address
from tests.engine import s3server
from tests.engine.fake import Thing, World

Server = Callable[[object], AWSResponse | None]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://bucket", S3Address(bucket="bucket")),
        ("s3://bucket/", S3Address(bucket="bucket")),
        ("s3://bucket/pre/fix", S3Address(bucket="bucket", prefix="pre/fix/")),
        ("s3://bucket/pre/fix/", S3Address(bucket="bucket", prefix="pre/fix/")),
        ("s3://b?region=eu-west-1&profile=me", S3Address(bucket="b", region="eu-west-1", profile="me")),
        ("s3://b?s3ForcePathStyle=true&awssdk=v2", S3Address(bucket="b", path_style=True)),
        ("s3://b?use_path_style=true", S3Address(bucket="b", path_style=True)),
        ("s3://b?endpoint=minio:9000", S3Address(bucket="b", endpoint="https://minio:9000")),
        (
            "s3://b?endpoint=minio:9000&disableSSL=true",
            S3Address(bucket="b", endpoint="http://minio:9000", https=False),
        ),
        (
            "s3://b?endpoint=https%3A%2F%2Fminio%3A9000&disable_https=false",
            S3Address(bucket="b", endpoint="https://minio:9000"),
        ),
        ("s3://b?ssetype=aws:kms&kmskeyid=k", S3Address(bucket="b", encryption="aws:kms", kms_key="k")),
        (
            "s3://b?anonymous=1&fips=true&dualstack=t",
            S3Address(bucket="b", anonymous=True, fips=True, dualstack=True),
        ),
    ],
)
def test_addresses_are_read_as_pulumi_reads_them(url: str, address: S3Address) -> None:
    assert s3_address.parse(url) == address


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://b?regoin=eu-west-1", "unknown query parameter 'regoin'; allowed are .*region"),
        ("s3://b?disableSSL=banana", "'disableSSL': 'banana' is no boolean"),
        ("s3://b?awssdk=v9", "awssdk"),
        ("s3://b?profile=nobody", "nobody"),
        ("s3://b?endpoint=http://:::", "cannot open s3://b: "),
    ],
)
def test_addresses_that_make_no_sense_are_refused(s3_credentials: None, url: str, text: str) -> None:
    with pytest.raises(BackendError, match=text):
        open_backend(url)


def test_addresses_in_errors_show_no_credentials(s3_credentials: None) -> None:
    assert open_backend("s3://bucket/pre?endpoint=http://user:word@minio:9000").url == "s3://bucket/pre"


def test_keys_are_those_of_pulumis_own_backend(s3_server: str, s3_credentials: None, world: World) -> None:
    place = s3server.fresh(s3_server, "pre/fix")
    Engine(open_backend(place), {"fake": world.provider}).up(StackRef("proj", "dev"), lambda: Thing("a"))

    client = s3server.opened(place).client
    [bucket] = [entry["Name"] for entry in client.list_buckets()["Buckets"] if f"/{entry['Name']}/" in place]
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert all(key.startswith("pre/fix/.pulumi/") for key in keys)
    assert {"pre/fix/.pulumi/meta.yaml", "pre/fix/.pulumi/stacks/proj/dev.json"} <= set(keys)


def test_a_missing_bucket_is_an_error_that_says_so(s3_server: str, s3_credentials: None) -> None:
    backend = open_backend(s3server.url(s3_server, "nobody-made-it", "pre"))

    for attempt in (
        lambda: backend.read("a"),
        lambda: backend.write("a", b""),
        lambda: backend.list("a"),
        lambda: backend.copy("a", "b"),
    ):
        with pytest.raises(BackendError, match=r"s3://nobody-made-it/pre/.: NoSuchBucket: .*make the bucket"):
            attempt()


def test_missing_credentials_are_an_error_that_says_what_to_set(
    s3_server: str, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    with pytest.raises(BackendError, match="no AWS credentials were found; set AWS_ACCESS_KEY_ID"):
        open_backend(s3_url).read("a")


class Ill:
    """Has a server answer some of the requests with an error."""

    def __init__(self, backend: s3.S3Backend, status: int, code: str, times: int) -> None:
        self.refused = 0
        self._answer = (status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
        self._times = times
        backend.client.meta.events.register("before-send.s3", self._refuse)

    def _refuse(self, request: Any, **_: object) -> AWSResponse | None:
        if self.refused >= self._times:
            return None
        self.refused += 1
        status, body = self._answer
        return AWSResponse(request.url, status, {}, _Raw(body))


class _Raw(io.BytesIO):
    def stream(self, **_: object) -> Any:
        yield self.read()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try as often as ever, but do not wait in between."""
    monkeypatch.setattr("engine.s3.DURABLE_DELAYS", (0.0,) * 10)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)


def test_a_checkpoint_is_written_although_the_server_is_ill_for_a_while(s3_url: str, patient: None) -> None:
    backend = s3server.opened(s3_url)
    ill = Ill(backend, 503, "SlowDown", times=20)

    backend.write("a", b"data")

    assert ill.refused == 20
    assert backend.read("a") == b"data"


def test_a_server_that_stays_ill_is_given_up(s3_url: str, patient: None) -> None:
    backend = s3server.opened(s3_url)
    ill = Ill(backend, 500, "InternalError", times=10_000)

    with pytest.raises(BackendError, match="InternalError"):
        backend.write("a", b"data")
    tried = ill.refused
    with pytest.raises(BackendError, match="InternalError"):
        backend.read("a")

    assert tried > 20
    assert ill.refused - tried <= s3.ATTEMPTS


def test_an_answer_that_breaks_off_is_asked_for_again(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = s3server.opened(s3_url)
    backend.write("a", b"data")
    broken = iter([IncompleteReadError(actual_bytes=1, expected_bytes=4)] * (s3.ATTEMPTS - 1))
    read = StreamingBody.read

    def breaks_off(body: StreamingBody, *args: Any) -> bytes:
        for error in broken:
            raise error
        return bytes(read(body, *args))

    monkeypatch.setattr(StreamingBody, "read", breaks_off)

    assert backend.read("a") == b"data"


def test_a_refusal_is_not_asked_for_twice(s3_url: str, patient: None) -> None:
    backend = s3server.opened(s3_url)
    ill = Ill(backend, 403, "AccessDenied", times=10_000)

    with pytest.raises(BackendError, match=r"AccessDenied: no \(the credentials need s3:ListBucket"):
        backend.write("a", b"data")

    assert ill.refused == 1


def test_an_update_takes_few_requests(s3_url: str, world: World) -> None:
    """Pulumi's CLI needs some 17 PUTs and copies, 22 LISTs and 15 HEADs for the first of these."""
    backend = s3server.opened(s3_url)
    engine = Engine(backend, {"fake": world.provider})
    stack = StackRef("proj", "dev")
    counts: list[dict[str, int]] = []
    for size in (1, 1, 2):
        requests = s3server.Requests(backend)
        engine.up(stack, lambda size=size: Thing("a", size=size))
        counts.append(requests.count())

    created, same, changed = counts
    lock, load, record = 4, 2, 3
    assert sum(same.values()) == lock + load + record
    assert sum(changed.values()) <= lock + load + record + 2 * 2
    assert sum(created.values()) <= 22


def test_boto3_is_not_imported_for_folders() -> None:
    import subprocess
    import sys

    code = (
        "import sys, engine; engine.open_backend('state');"
        "sys.exit('boto3' in sys.modules or 'zstandard' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
