"""What every source store promises: in memory, and over the S3 API against the local object store."""

import asyncio
import io
import threading

import pytest

from automation import context
from automation.adapters.memory import MemoryStore
from automation.adapters.s3 import S3Store
from automation.code import Limits
from automation.errors import DependencyUnavailable, InvalidEvent, SourceNotFound
from automation.ports import Source
from automation.settings import AutomationSettings
from local.objectstore.server import ObjectStore

BUCKET, CONTEXTS = "code", "contexts"


def settings(endpoint, **values):
    return AutomationSettings(
        environment="local",
        backend_url="file:///nowhere",
        registry="registry.test",
        executor_image="k",
        monitor_image="m",
        s3_endpoint=endpoint,
        access_key_id="local",
        secret_access_key="local-secret",
        context_bucket=CONTEXTS,
        **values,
    )


class MemoryBench:
    """The memory store, and a way to look behind it."""

    def __init__(self):
        self.store = MemoryStore(CONTEXTS)

    def limit(self, limits):
        self.store._limits = limits

    def put(self, key, data):
        self.store.objects[BUCKET, key] = data

    def contexts(self):
        return {key: data for (bucket, key), data in self.store.objects.items() if bucket == CONTEXTS}


class S3Bench:
    """The S3 store, and a way to look behind it: the folder of the local object store."""

    def __init__(self, endpoint, root):
        self.store = S3Store(settings(endpoint))
        self._root = root

    def limit(self, limits):
        self.store._limits = limits

    def put(self, key, data):
        path = self._root / BUCKET / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def contexts(self):
        folder = self._root / CONTEXTS
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }


@pytest.fixture(scope="module")
def object_store(tmp_path_factory):
    """A running object store: (endpoint, folder)."""
    root = tmp_path_factory.mktemp("buckets")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ObjectStore(root)
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    yield server.url, root
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture(params=["memory", "s3"])
def bench(request, tmp_path):
    if request.param == "memory":
        yield MemoryBench()
        return
    endpoint, root = request.getfixturevalue("object_store")
    for bucket in (BUCKET, CONTEXTS):
        (root / bucket).mkdir(exist_ok=True)
    made = S3Bench(endpoint, root)
    yield made
    made.store.close()
    for bucket in (BUCKET, CONTEXTS):
        (root / bucket).rename(tmp_path / bucket)


def test_a_folder_is_its_files_by_relative_path(bench):
    bench.put("global/parser/p1/parser.py", b"code")
    bench.put("global/parser/p1/lib/util.py", b"")
    bench.put("global/parser/p12/parser.py", b"another parser")

    files = bench.store.read(Source(bucket=BUCKET, key="global/parser/p1/"))

    assert files == {"parser.py": b"code", "lib/util.py": b""}


def test_a_folder_may_be_named_without_its_slash(bench):
    bench.put("global/parser/p1/parser.py", b"code")

    assert bench.store.read(Source(bucket=BUCKET, key="global/parser/p1")) == {"parser.py": b"code"}


@pytest.mark.parametrize("key", ["global/parser/p1", "global/parser/p1/"])
def test_a_single_object_is_one_file(bench, key):
    bench.put("global/parser/p1", b"code")

    assert bench.store.read(Source(bucket=BUCKET, key=key)) == {"parser": b"code"}


def test_a_single_python_object_keeps_its_name(bench):
    bench.put("any/main.py", b"code")

    assert bench.store.read(Source(bucket=BUCKET, key="any/main.py")) == {"main.py": b"code"}


@pytest.mark.parametrize(("bucket", "key"), [(BUCKET, "global/parser/none/"), ("no-such-bucket", "p/")])
def test_missing_code_is_the_senders_to_know(bench, bucket, key):
    with pytest.raises(SourceNotFound, match=key.rstrip("/")):
        bench.store.read(Source(bucket=bucket, key=key))


@pytest.mark.parametrize(
    ("limit", "value"),
    [("files", 2), ("total_bytes", 25), ("file_bytes", 9)],
)
def test_too_much_code_is_refused(bench, limit, value):
    bench.limit(Limits(**{limit: value}))
    for number in range(3):
        bench.put(f"global/parser/big/f{number}.py", bytes(10))

    with pytest.raises(InvalidEvent):
        bench.store.read(Source(bucket=BUCKET, key="global/parser/big/"))


def test_contexts_are_stored_and_removed_by_folder(bench):
    for key in ("build-context/p1/a/c", "build-context/p1/b/c", "build-context/p12/a/c"):
        bench.store.put_context(key, io.BytesIO(b"archive"))
    bench.store.put_context("build-context/p1/a/c", io.BytesIO(b"archive"))

    bench.store.remove_contexts("build-context/p1/")
    bench.store.remove_contexts("build-context/p1/")

    assert bench.contexts() == {"build-context/p12/a/c": b"archive"}


def test_one_context_is_removed_by_its_key_and_no_other_whose_key_begins_so(bench):
    for key in ("build-context/p1/a/c", "build-context/p1/a/c2"):
        bench.store.put_context(key, io.BytesIO(b"archive"))

    bench.store.remove_context("build-context/p1/a/c")
    bench.store.remove_context("build-context/p1/a/c")

    assert bench.contexts() == {"build-context/p1/a/c2": b"archive"}


def test_a_store_that_answers_is_ready(bench):
    bench.store.check()


def test_more_files_than_one_page_are_all_read(bench):
    expected = {f"f{number:03}.py": b"x" for number in range(120)}
    for name, data in expected.items():
        bench.put(f"global/parser/many/{name}", data)

    assert bench.store.read(Source(bucket=BUCKET, key="global/parser/many/")) == expected


@pytest.fixture
def nobody():
    """An S3 store at an address where nobody listens."""
    store = S3Store(settings("http://127.0.0.1:1"))
    yield store
    store.close()


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda store: store.read(Source(bucket=BUCKET, key="x/")), id="read"),
        pytest.param(lambda store: store.put_context("k", io.BytesIO(b"")), id="put"),
        pytest.param(lambda store: store.remove_contexts("k"), id="remove"),
        pytest.param(lambda store: store.remove_context("k"), id="remove one"),
        pytest.param(lambda store: store.check(), id="check"),
    ],
)
def test_storage_that_does_not_answer_is_a_retryable_error(nobody, call):
    with pytest.raises(DependencyUnavailable) as down:
        call(nobody)

    assert down.value.retry_after


def test_a_missing_context_bucket_is_not_the_senders_fault(object_store):
    store = S3Store(settings(object_store[0]))

    with pytest.raises(DependencyUnavailable, match="contexts"):
        store.put_context("k", io.BytesIO(b""))
    store.close()


def test_what_is_listed_is_read_when_it_is_asked_for(bench):
    bench.put("global/parser/p1/parser.py", b"code")
    big = bytes(range(256)) * 12_000
    bench.put("global/parser/p1/data.bin", big)

    code = bench.store.read(Source(bucket=BUCKET, key="global/parser/p1/"))

    assert code.sizes == {"parser.py": 4, "data.bin": len(big)}
    assert [b"".join(pieces) for pieces in code.stream()] == [big, b"code"]
    assert code.held == {}


def test_many_small_files_and_an_empty_one_come_in_order(bench):
    for number in range(200):
        bench.put(f"global/parser/p1/f{number:03}", b"%d" % number if number else b"")

    code = bench.store.read(Source(bucket=BUCKET, key="global/parser/p1/"))

    assert [b"".join(pieces) for pieces in code.stream()] == [b"", *(b"%d" % n for n in range(1, 200))]


def test_a_big_single_object_is_streamed(bench):
    bench.put("any/parser.py", bytes(3_000_000))

    code = bench.store.read(Source(bucket=BUCKET, key="any/parser.py"))

    assert [sum(map(len, pieces)) for pieces in code.stream()] == [3_000_000]


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_file_that_is_replaced_while_it_is_read_is_a_retryable_error(bench, size):
    bench.put("global/parser/p1/parser.py", bytes(size))
    bench.put("global/parser/p1/other.py", b"x")
    code = bench.store.read(Source(bucket=BUCKET, key="global/parser/p1/"))
    bench.put("global/parser/p1/parser.py", b"\x01" * (size + 1))

    with pytest.raises(DependencyUnavailable, match=r"read"):
        context.pack(
            (path, code.sizes[path], pieces) for path, pieces in zip(sorted(code), code.stream(), strict=True)
        )
