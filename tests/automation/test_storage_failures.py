"""What S3 may answer, and what becomes of it: a real server, and a proxy before it that fails."""

import io

import boto3
import pytest
from moto.server import ThreadedMotoServer

from automation.adapters import s3
from automation.code import PIECE_BYTES
from automation.errors import DependencyUnavailable, SourceDenied, SourceNotFound
from automation.ports import Source
from automation.settings import AutomationSettings
from tests.automation.failing_proxy import proxy

OURS, THEIRS, CONTEXTS = "our-code", "their-code", "contexts"
KEY = "global/parser/p1/"
FILES = {"parser.py": b"def handler(event): ...\n", "big.bin": bytes(range(256)) * (PIECE_BYTES // 100)}
BUSY = [(503, "SlowDown"), (500, "InternalError"), (503, "ServiceUnavailable")]


@pytest.fixture(scope="module")
def server():
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **KEYS)
    for bucket in (OURS, THEIRS, CONTEXTS):
        client.create_bucket(Bucket=bucket)
    for bucket in (OURS, THEIRS):
        for name, data in FILES.items():
            client.put_object(Bucket=bucket, Key=KEY + name, Body=data)
    client.close()
    yield address
    made.stop()


KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}


@pytest.fixture
def faults(server):
    with proxy(server) as made:
        yield made


@pytest.fixture
def store(faults, monkeypatch):
    monkeypatch.setattr(s3, "_READ_SECONDS", 0.5)
    made = s3.S3Store(
        AutomationSettings(
            environment="local",
            backend_url="file:///nowhere",
            registry="registry.test",
            executor_image="k",
            monitor_image="m",
            region="us-east-1",
            s3_endpoint=faults[1],
            access_key_id="key",
            secret_access_key="secret",
            source_bucket=OURS,
            context_bucket=CONTEXTS,
        )
    )
    yield made
    faults[0].ended.set()
    made.close()


def everything(store, bucket=OURS):
    code = store.read(Source(bucket=bucket, key=KEY))
    return {path: b"".join(pieces) for path, pieces in zip(sorted(code), code.stream(), strict=True)}


def contexts(server):
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1", **KEYS)
    found = client.list_objects_v2(Bucket=CONTEXTS).get("Contents", [])
    client.close()
    return [item["Key"] for item in found]


@pytest.mark.parametrize(("status", "code"), BUSY)
@pytest.mark.parametrize("part", ["list-type=2", "parser.py", "big.bin"])
def test_an_error_that_passes_is_not_seen(store, faults, status, code, part):
    faults[0].fail("GET", part, faults[0].refuse(status, code), times=2)

    assert everything(store) == FILES


@pytest.mark.parametrize("how", ["drop", "break_off"])
@pytest.mark.parametrize("part", ["parser.py", "big.bin"])
def test_a_connection_that_breaks_is_tried_again(store, faults, how, part):
    faults[0].fail("GET", part, getattr(faults[0], how), times=2)

    assert everything(store) == FILES


@pytest.mark.parametrize(("status", "code"), BUSY)
@pytest.mark.parametrize("part", ["list-type=2", "big.bin"])
def test_an_error_that_stays_is_a_retryable_one(store, faults, status, code, part):
    faults[0].fail("GET", part, faults[0].refuse(status, code))

    with pytest.raises(DependencyUnavailable, match=code) as down:
        everything(store)

    assert down.value.retry_after


@pytest.mark.parametrize("how", ["drop", "break_off", "stall"])
def test_storage_that_never_finishes_an_answer_is_a_retryable_error(store, faults, how):
    faults[0].fail("GET", "parser.py", getattr(faults[0], how))

    with pytest.raises(DependencyUnavailable, match="did not answer") as down:
        everything(store)

    assert down.value.retry_after


@pytest.mark.parametrize("part", ["list-type=2"])
def test_a_bucket_of_the_senders_that_is_closed_to_us_is_the_senders_to_open(store, faults, part):
    faults[0].fail("GET", part, faults[0].refuse(403, "AccessDenied"))

    with pytest.raises(SourceDenied, match=r"give its role s3:GetObject") as denied:
        everything(store, THEIRS)

    assert denied.value.retry_after is None


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_our_own_bucket_that_is_closed_to_us_is_the_platforms_to_mend(store, faults, code):
    faults[0].fail("GET", "list-type=2", faults[0].refuse(403, code))

    with pytest.raises(DependencyUnavailable, match=code):
        everything(store)


def test_a_missing_bucket_is_the_senders_fault_only_if_the_sender_named_it(store, faults):
    faults[0].fail("GET", "list-type=2", faults[0].refuse(404, "NoSuchBucket"))

    with pytest.raises(SourceNotFound):
        everything(store, THEIRS)
    with pytest.raises(DependencyUnavailable, match="NoSuchBucket"):
        everything(store)


def test_a_file_that_went_away_after_it_was_listed_is_a_retryable_error(store, faults):
    faults[0].fail("GET", "parser.py", faults[0].refuse(404, "NoSuchKey"))

    with pytest.raises(DependencyUnavailable, match="changed while it was read"):
        everything(store)


@pytest.mark.parametrize("how", ["drop", "stall"])
def test_a_context_is_stored_as_a_whole_or_not_at_all(store, faults, server, how):
    faults[0].fail("PUT", CONTEXTS, getattr(faults[0], how))

    with pytest.raises(DependencyUnavailable):
        store.put_context("build-context/c", io.BytesIO(bytes(3_000_000)))

    assert contexts(server) == []


def test_a_context_is_sent_again_from_its_beginning(store, faults, server):
    faults[0].fail("PUT", CONTEXTS, faults[0].refuse(503, "SlowDown"), times=2)
    archive = io.BytesIO(b"0123456789" * 1000)
    archive.seek(5)

    store.put_context("build-context/c", archive)

    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1", **KEYS)
    stored = client.get_object(Bucket=CONTEXTS, Key="build-context/c")["Body"].read()
    client.delete_object(Bucket=CONTEXTS, Key="build-context/c")
    client.close()
    assert stored == archive.getvalue()


def test_small_files_are_got_with_one_request_each(store, faults):
    everything(store)

    assert [request for request in faults[0].requests if "parser.py" in request] == [
        f"GET /{OURS}/{KEY}parser.py"
    ]
