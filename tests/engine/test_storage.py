"""Files of stacks: packed or not, kept or not, and at what cost."""

import gzip
import itertools
import os
from pathlib import Path
from typing import Any, Literal

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from engine import CheckpointRefused, Engine, FileBackend, StackRef, compression
from engine.storage import Keeping, Storage
from tests.engine import states
from tests.engine.fake import Thing, World

STACK = StackRef("proj", "dev")
Kind = Literal["none", "gzip", "zstd"]
MAGIC: dict[Kind, bytes] = {"none": b"{", "gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


def engine_of(root: Path, world: World, kind: Kind = "none", **kept: Any) -> Engine:
    return Engine(FileBackend(root), {"fake": world.provider}, compression=kind, **kept)


def names(root: Path, folder: str) -> list[str]:
    """Return the file names in a folder, times left out."""
    found = (root / ".pulumi" / folder / "proj").rglob("*")
    parts = (path.name for path in found if path.is_file())
    return sorted(".".join(part for part in name.split(".") if not part.isdigit()) for name in parts)


@given(data=st.binary(max_size=2000))
def test_packing_is_undone_by_unpacking(data: bytes) -> None:
    for kind in MAGIC:
        if kind != "none" or not data.startswith((MAGIC["gzip"], MAGIC["zstd"])):
            assert compression.unpack(compression.pack(data, kind), "x") == data


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [5, 20, -1])
def test_a_damaged_file_is_refused_and_named(kind: Kind, cut: int) -> None:
    packed = compression.pack(b'{"version":3}' * 100, kind)

    with pytest.raises(CheckpointRefused, match=f"place: the {kind}-compressed file is damaged"):
        compression.unpack(packed[:cut], "place")


def test_zstd_of_other_writers_is_read() -> None:
    """Some say how much there is and some do not."""
    for writer in (zstandard.ZstdCompressor(), zstandard.ZstdCompressor(write_content_size=False)):
        assert compression.unpack(writer.compress(b"state" * 1000), "x") == b"state" * 1000


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_everything_is_packed_where_it_is_asked_for(root: Path, world: World, kind: Kind) -> None:
    engine = engine_of(root, world, kind)
    engine.up(STACK, lambda: Thing("a", size=1))
    engine.up(STACK, lambda: Thing("a", size=2))

    ending = compression.EXTENSIONS[kind]
    assert names(root, "stacks") == [f"dev.json{ending}", f"dev.json{ending}.bak"]
    assert set(names(root, "backups")) == {f"dev.json{ending}"}
    packed = [path for path in (root / ".pulumi").rglob("*dev*") if path.is_file()]
    assert len(packed) == 2 + 4 + 2
    assert all(path.read_bytes().startswith(MAGIC[kind]) for path in packed)
    assert engine.outputs(STACK).version
    assert [entry["kind"] for entry in engine.history(STACK)] == ["update", "update"]


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(MAGIC, 2)))
def test_packing_can_be_changed_at_any_time(root: Path, world: World, first: Kind, second: Kind) -> None:
    engine_of(root, world, first).up(STACK, lambda: Thing("a", size=1))

    engine = engine_of(root, world, second)
    assert engine.stacks("proj") == ["dev"]
    assert engine.up(STACK, lambda: Thing("a", size=2)).changes == {"same": 1, "update": 1}

    present = [name for name in names(root, "stacks") if not name.endswith(".bak")]
    assert present == [f"dev.json{compression.EXTENSIONS[second]}"]
    assert len(engine_of(root, world, first).history(STACK)) == 2
    engine.remove(STACK, force=True)
    assert engine.stacks("proj") == []


def test_the_newest_variant_counts_and_of_equals_the_packed_one(root: Path) -> None:
    storage = Storage(FileBackend(root))
    plain = states.checkpoint_file(root, STACK)
    plain.parent.mkdir(parents=True)
    for name, text, moment in (
        ("dev.json", "plain", 9),
        ("dev.json.gz", "gzip", 5),
        ("dev.json.zst", "zstd", 3),
    ):
        (plain.parent / name).write_bytes(compression.pack(text.encode(), "gzip"))
        os.utime(plain.parent / name, (moment, moment))
    assert storage.load(STACK) == b"plain"

    os.utime(plain.with_name("dev.json.gz"), (9, 9))
    assert storage.load(STACK) == b"gzip"
    os.utime(plain.with_name("dev.json.zst"), (9, 9))
    assert storage.load(STACK) == b"zstd"


def test_a_crash_while_packing_is_changed_loses_nothing(root: Path) -> None:
    """Until the new variant is there the old one stays, and then the new one is the newest."""
    plain = Storage(FileBackend(root))
    plain.save(STACK, b"one")
    os.utime(states.checkpoint_file(root, STACK), (1, 1))

    class Dying(FileBackend):
        def delete(self, key: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Storage(Dying(root), Keeping(compression="gzip")).save(STACK, b"two")

    assert plain.load(STACK) == b"two"
    assert (
        gzip.decompress(states.checkpoint_file(root, STACK).with_name("dev.json.gz").read_bytes()) == b"two"
    )


def test_backups_can_be_left_out(root: Path, world: World) -> None:
    engine_of(root, world, backups=False).up(STACK, lambda: Thing("a"))

    assert names(root, "backups") == []
    assert len(names(root, "history")) == 2


def test_every_checkpoint_can_be_kept(root: Path, world: World) -> None:
    engine = engine_of(root, world, retain_checkpoints=True)
    engine.up(STACK, lambda: Thing("a"))

    kept = [
        path for path in states.checkpoint_file(root, STACK).parent.iterdir() if path.suffix[1:].isdigit()
    ]
    assert len(kept) >= 2
    assert max(kept).read_bytes() == states.checkpoint_file(root, STACK).read_bytes()
    assert engine.stacks("proj") == ["dev"]
    assert engine.outputs(STACK).version


class Counting(FileBackend):
    """A folder that notes which calls are made, and what they list."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls: list[str] = []

    def read(self, key: str) -> bytes | None:
        self.calls.append("read")
        return super().read(key)

    def write(self, key: str, data: bytes, *, durable: bool = True, forced: bool = True) -> None:
        self.calls.append("write")
        super().write(key, data, durable=durable, forced=forced)

    def create(self, key: str, data: bytes) -> None:
        self.calls.append("create")
        super().create(key, data)

    def copy(self, source: str, target: str) -> None:
        self.calls.append("copy")
        super().copy(source, target)

    def delete(self, key: str) -> None:
        self.calls.append("delete")
        super().delete(key)

    def list(self, folder: str) -> list[str]:
        found = super().list(folder)
        self.calls.append(f"list of {len(found)}")
        return found

    def modified(self, *keys: str) -> dict[str, float]:
        self.calls.append("modified")
        return super().modified(*keys)


@pytest.mark.parametrize("change", ["none", "one resource", "a new stack", "destroy"])
def test_an_update_costs_the_same_among_a_thousand_stacks(root: Path, world: World, change: str) -> None:
    """The same calls, and no listing that is longer."""

    def calls_of(others: int) -> list[str]:
        folder = root / str(others)
        backend = Counting(folder)
        engine = Engine(backend, {"fake": world.provider}, parallel=1)
        engine.up(STACK, lambda: Thing("a", size=1))
        data = states.checkpoint_file(folder, STACK).read_bytes()
        for number in range(others):
            ref = StackRef("proj", f"other-{number}")
            Storage(FileBackend(folder)).backend.write(ref.checkpoint_key, data, durable=False)
            (folder / ref.locks_folder).mkdir(parents=True)
            (folder / ref.history_folder).mkdir(parents=True)
        backend.calls.clear()
        if change == "destroy":
            engine.destroy(STACK)
        else:
            ref = StackRef("proj", "new") if change == "a new stack" else STACK
            engine.up(ref, lambda: Thing("a", size=1 if change == "none" else 2))
        return backend.calls

    assert calls_of(1000) == calls_of(0)
