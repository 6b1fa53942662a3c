"""Sources of any size: streamed into a context within a bound of memory, and refused by their listing."""

import gzip
import hashlib
import io
import tarfile

import pytest

from automation import code as sources
from automation import context
from automation.code import PIECE_BYTES, Code, Limits, Member
from automation.dockerfiles import Toolchain
from automation.errors import DependencyUnavailable, InvalidEvent
from automation.languages import PYTHON, Detected

RUNTIME = context.Runtime(wrapper={"w.py": b""}, tools=Toolchain(base_image="python:3.11-slim"))
ENTRY = Detected(language=PYTHON, entry="parser.py")


class Store:
    """Makes up files of any size, and remembers what was opened and how much was out at one time."""

    def __init__(self, sizes):
        self.code = Code({path: Member(size=size, place=path) for path, size in sizes.items()}, self.open)
        self.opened = []

    def open(self, wanted):
        for member in wanted:
            self.opened.append(member.place)
            yield self.pieces(member)

    def pieces(self, member):
        for offset in range(0, member.size, PIECE_BYTES):
            yield member.place[-1:].encode() * min(PIECE_BYTES, member.size - offset)


def test_only_manifests_are_read_before_the_rest_is_streamed():
    store = Store({"parser.py": 10, "requirements.txt": 6, "data/a": 3 * PIECE_BYTES + 1})

    context.assemble(store.code, RUNTIME, ENTRY).archive.close()

    assert store.opened == ["requirements.txt", "data/a", "parser.py"]


def test_a_streamed_file_arrives_whole():
    store = Store({"parser.py": 10, "data/a": 3 * PIECE_BYTES + 1})

    with (
        context.assemble(store.code, RUNTIME, ENTRY).archive as archive,
        tarfile.open(fileobj=archive) as tar,
    ):
        assert tar.extractfile("code/data/a").read() == b"a" * (3 * PIECE_BYTES + 1)
        assert tar.getnames() == ["Dockerfile", "code/data/a", "code/parser.py", "wrapper/w.py"]


def test_a_big_archive_is_on_the_disk():
    noise = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(80_000))
    code = sources.held({"parser.py": b"x", "noise": noise})

    with context.assemble(code, RUNTIME, ENTRY).archive as archive:
        assert archive._rolled
        assert len(gzip.decompress(archive.read())) > len(noise)


@pytest.mark.parametrize("found", [9, 11])
def test_a_file_that_changed_its_size_while_it_was_read_is_a_retryable_error(found):
    def opener(wanted):
        return iter([(bytes(found),) for _ in wanted])

    with pytest.raises(DependencyUnavailable, match="10 bytes when listed"):
        context.assemble(Code({"parser.py": Member(size=10, place="p")}, opener), RUNTIME, ENTRY)


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        pytest.param({"a": 101}, "a has 101 bytes; at most 100", id="file"),
        pytest.param({"a": 99, "b": 99}, "198 bytes in all; at most 150", id="total"),
        pytest.param(dict.fromkeys("abcdef", 1), "7 files; at most 5", id="files"),
    ],
)
def test_an_oversized_listing_is_refused_before_anything_is_read(sizes, problem):
    store = Store({"parser.py": 0, **sizes})
    limits = Limits(files=5, file_bytes=100, total_bytes=150)

    with pytest.raises(InvalidEvent, match=problem):
        context.assemble(store.code, RUNTIME, ENTRY, limits)

    assert store.opened == []


def test_the_usual_limits_allow_200_megabytes_in_5000_files():
    assert sources.problems({f"f{n}": 40_000 for n in range(5000)}, Limits()) == []


def test_manifests_that_are_too_big_to_read_as_a_whole_are_refused():
    store = Store({"parser.py": 1, "requirements.txt": sources.MAX_TEXT_BYTES + 1})

    with pytest.raises(InvalidEvent, match=r"requirements.txt .* make them smaller"):
        context.assemble(store.code, RUNTIME, ENTRY)

    assert store.opened == []


def test_a_context_without_room_on_the_disk_is_a_retryable_error(monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(context.tempfile, "SpooledTemporaryFile", lambda size: Full())

    with pytest.raises(DependencyUnavailable, match="No space left"):
        context.assemble(sources.held({"parser.py": b""}), RUNTIME, ENTRY)


def test_the_archive_is_the_one_that_tarfile_writes():
    files = {"Dockerfile": b"FROM x\n", "code/" + "d" * 120 + "/f": b"y" * 513, "code/g": b""}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))

    _, archive = context.pack((path, len(data), [data[:100], data[100:]]) for path, data in files.items())

    with archive:
        assert gzip.decompress(archive.read()) == raw.getvalue()
