"""Code in one archive: what is in it, and everything in it that is refused."""

import contextlib
import gzip
import io
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation import archives
from automation.code import Limits, held
from automation.errors import InvalidEvent

FILES = {"parser.py": b"def handler(event): ...\n", "lib/data.bin": bytes(range(256)) * 9000}


def tar(*members, mode="w"):
    """Pack (name, content) and TarInfo members."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode=mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return raw.getvalue()


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return raw.getvalue()


def unpacked(data, limits=Limits()):  # noqa: B008 - frozen
    with archives.opened(held({"parser": data}), limits) as code:
        return {path: b"".join(pieces) for path, pieces in zip(sorted(code), code.stream(), strict=True)}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(tar(*FILES.items()), id="tar"),
        pytest.param(tar(*FILES.items(), mode="w:gz"), id="tar.gz"),
        pytest.param(zipped(*FILES.items()), id="zip"),
        pytest.param(tar(*((f"./{name}", data) for name, data in FILES.items()), mode="w:gz"), id="dot"),
        pytest.param(tar(*((f"my-parser/{name}", data) for name, data in FILES.items())), id="folder"),
        pytest.param(zipped(("top/", b""), *((f"top/{n}", d) for n, d in FILES.items())), id="zip-folder"),
    ],
)
def test_an_archive_is_the_folder_that_was_packed(data):
    assert unpacked(data) == FILES


def test_a_source_file_is_no_archive():
    assert unpacked(b"def handler(event): ...\n") == {"parser": b"def handler(event): ...\n"}


def test_several_files_of_which_one_is_an_archive_are_files():
    files = {"parser.py": b"x", "data.zip": zipped(("a", b"b"))}

    with archives.opened(held(files), Limits()) as code:
        assert code == files


def test_a_link_within_the_folder_is_the_file_that_it_leads_to():
    data = tar(
        ("parser.py", b"x"),
        special("lib/sym.py", tarfile.SYMTYPE, "../parser.py"),
        special("hard.py", tarfile.LNKTYPE, "parser.py"),
        special("twice.py", tarfile.SYMTYPE, "lib/sym.py"),
    )

    assert unpacked(data) == dict.fromkeys(["parser.py", "lib/sym.py", "hard.py", "twice.py"], b"x")


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        pytest.param(special("a", tarfile.SYMTYPE, "/etc/passwd"), "link out of the folder", id="absolute"),
        pytest.param(special("a/b", tarfile.SYMTYPE, "../../x"), "link out of the folder", id="upwards"),
        pytest.param(special("a", tarfile.LNKTYPE, "../x"), "link out of the folder", id="hard"),
        pytest.param(special("a", tarfile.SYMTYPE, "none"), "which is no file of the archive", id="dangling"),
        pytest.param(special("a", tarfile.SYMTYPE, "a"), "leads in circles", id="circle"),
        pytest.param(special("a", tarfile.CHRTYPE), "a device or a pipe", id="device"),
        pytest.param(special("a", tarfile.FIFOTYPE), "a device or a pipe", id="pipe"),
    ],
)
def test_a_member_that_is_no_file_of_the_folder_is_refused(member, problem):
    with pytest.raises(InvalidEvent, match=problem):
        unpacked(tar(("parser.py", b""), member))


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py"])
@pytest.mark.parametrize("pack", [tar, zipped])
async def test_a_path_out_of_the_folder_is_refused(world, pack, name):
    world.store.objects.clear()
    world.put(pack(("parser.py", b"x"), (name, b"")), name="all")

    with pytest.raises(InvalidEvent, match="is not allowed"):
        await world.send(world.build_start())

    assert world.contexts() == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(tar(("a", bytes(101))), "a has 101 bytes", id="file"),
        pytest.param(zipped(("a", bytes(101))), "a has 101 bytes", id="zip-file"),
        pytest.param(tar(*((f"f{n}", bytes(60)) for n in range(3))), "180 bytes in all", id="total"),
        pytest.param(tar(*((f"f{n}", b"") for n in range(4))), "4 files; at most 3", id="files"),
        pytest.param(tar(*((f"f{n}", b"") for n in range(9))), "more than 6 members", id="members"),
        pytest.param(gzip.compress(tar(("a", bytes(1_000_000)))), "unpacks to more than", id="bomb"),
        pytest.param(zipped(*((f"f{n:0200}", b"") for n in range(30))), "directory is too big", id="list"),
        pytest.param(tar(special("a", tarfile.DIRTYPE)), "holds no files", id="empty"),
    ],
)
def test_an_oversized_or_empty_archive_is_refused(data, problem):
    with pytest.raises(InvalidEvent, match=problem):
        unpacked(data, Limits(files=3, file_bytes=100, total_bytes=150))


def test_links_cannot_multiply_what_is_there():
    data = tar(("a", bytes(60)), *(special(f"l{n}", tarfile.LNKTYPE, "a") for n in range(3)))

    with pytest.raises(InvalidEvent, match="240 bytes in all"):
        unpacked(data, Limits(files=9, file_bytes=100, total_bytes=150))


def test_a_zip_whose_directory_lies_about_a_size_is_refused():
    data = zipped(("a", b"x" * 1000))
    lying = data.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))

    with pytest.raises(InvalidEvent, match="cannot be read"):
        unpacked(lying)


def test_an_encrypted_zip_is_refused():
    data = bytearray(zipped(("a", b"x")))
    data[data.index(b"PK\x01\x02") + 8] |= 1

    with pytest.raises(InvalidEvent, match="encrypted"):
        unpacked(bytes(data))


@given(st.sampled_from([tar(*FILES.items(), mode="w:gz"), zipped(*FILES.items())]), st.data())
def test_a_damaged_archive_is_read_or_refused(data, draw):
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        damaged[draw.draw(st.integers(4, len(data) - 1))] = draw.draw(st.integers(0, 255))

    with contextlib.suppress(InvalidEvent):
        unpacked(bytes(damaged[: draw.draw(st.integers(4, len(data)))]))


async def test_an_archive_in_the_contracts_place_is_built(world):
    folder = await world.send(world.build_start())
    world.store.objects.clear()
    world.store.objects[world.settings.source_bucket, "global/parser/p1"] = tar(
        ("parser.py", b"def handler(event):\n    return event\n"), mode="w:gz"
    )

    archive = await world.send(world.build_start())

    assert archive.fields["content_hash"] == folder.fields["content_hash"]
