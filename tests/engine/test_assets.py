"""Hashes of assets and archives equal those that Pulumi's CLI 3.259 recorded for the same programs."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from engine import Unsupported
from engine.assets import with_hash
from engine.values import Archive, Asset

ONE, TWO = Asset(text="1"), Asset(text="2")
LONG = "/".join(["p" * 50] * 3 + ["q" * 90])


def archive(**members: Asset | Archive) -> Archive:
    return Archive(assets=members)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({}, "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef", id="none"),
        pytest.param(
            {"b": ONE, "a": TWO}, "0bdeaf893207d4bb4d2ccd6e94c14877f2885c36894bd2ae57e1623b0d4f10d7", id="two"
        ),
        pytest.param(
            {"a": archive(x=ONE), "a/x": TWO},
            "546ae17d163efa8f5357da409899b06b8bad8dddccfad14777457765fde0c9df",
            id="the first of a name counts",
        ),
        pytest.param(
            {"a": Archive(assets={"../y": TWO}), "b": ONE},
            "c646e324c104045452881444af6fffd20f04301382cddb585278689602f4032d",
            id="names inside are cleaned",
        ),
        pytest.param(
            {"a//b": ONE}, "a61431f38f241d207d4e0276276925900f9c3aae1e30fc8fef51555cd8775394", id="others not"
        ),
        pytest.param(
            {"Z": Archive(assets={"/a/b": ONE})},
            "dd541c12d051a3d8c82a54935c91e44eebefb1de4f2c2245f57038593c74ced5",
            id="absolute inside",
        ),
        pytest.param(
            {"b": ONE, "é": Asset(text="3")},
            "76dd38f59cec5e32c1cae257870d90740b042254e8166ceba3c9a8d247f279f8",
            id="not ASCII",
        ),
        pytest.param(
            {"s" * 40 + "/" + "é" * 60 + "/x": ONE},
            "5d53b8c160aae9ada1a61987aca68b43e7c9f8f9c8067f842d54a7382914b475",
            id="not ASCII in a folder",
        ),
        pytest.param(
            {"r" * 101: ONE, "b": ONE},
            "28ee565defd97875a8ca510f58403f8492123f6629a8df8bce23bb7e18915d3d",
            id="longer than a header's name",
        ),
        pytest.param(
            {"u" * 100: ONE, "v" * 99 + "/" + "w" * 60: TWO},
            "fd77ba46eb4ffdf7148bc710e756eb806dd0ca751f77972c10177a4077cb4e8d",
            id="just fitting",
        ),
        pytest.param(
            {
                "k" * 156 + "/y": ONE,
                "k" * 155 + "/" + "y" * 100: TWO,
                "k" * 155 + "/" + "y" * 101: TWO,
            },
            "80b3cac4353e1fa8b0245b7c7b972ea90e28a92f139003f6a760c8cc3da74e88",
            id="around the longest split",
        ),
        pytest.param(
            {LONG: ONE},
            "cdfedd980c75c7721ba0441d326bbbb02cf98f025b4f18c33ece43d66cd62a98",
            id="several splits",
        ),
    ],
)
def test_archives_of_assets(members: dict[str, Asset | Archive], expected: str) -> None:
    assert with_hash(Archive(assets=members)).hash == expected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder that has all that archives of folders treat specially."""
    top = tmp_path / "dir"
    for name, text in (
        ("a/b", "1\n"),
        ("a.txt", "2\n"),
        (".pulumi/x", "3\n"),
        ("real/f", "4\n"),
        ("ünï.txt", "5\n"),
        ("l" * 120 + "/" + "m" * 60 + "/" + "n" * 90, "6\n"),
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    (top / "link").symlink_to("real")
    (top / "filelink").symlink_to("a.txt")
    return top


def test_folders(folder: Path) -> None:
    """In the order of each folder; links to files count, links to folders and Pulumi's own do not."""
    assert (
        with_hash(Archive(path=str(folder))).hash
        == "88d8eb1b27e64bf80dfb794eb08ea033a51c90e9b2afee038c1ae7392545f18c"
    )


def test_packed_members_are_unpacked(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as packed:
        packed.writestr("./a/b", "1")
        packed.writestr("d/", "")
        packed.writestr("q", "2" * 700)
    with tarfile.open(tmp_path / "t.tgz", "w:gz") as stream:
        stream.add(folder / "a", arcname="./a")
        stream.add(folder / "a.txt", arcname="a.txt")

    both = archive(z=Archive(path=str(tmp_path / "z.zip")), t=Archive(uri=f"file://{tmp_path}/t.tgz"))
    assert with_hash(both).hash == "93e043ab86677bc5fe12ebe3bdf616e68fa9ce2f3b1e6df454e1820d87061582"
    mixed = archive(z=Archive(path=str(tmp_path / "z.zip")), f=Archive(path=str(folder)))
    assert with_hash(mixed).hash == "0b6d222e6a79b737121eb683e182de1072772e2d76e61f8b6c2e3fb182da90ca"


def test_a_packed_file_by_itself_is_hashed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"anything")
    (tmp_path / "x").write_bytes(b"anything")

    assert (
        with_hash(Archive(path=str(tmp_path / "x.tar"))).hash
        == with_hash(Asset(path=str(tmp_path / "x"))).hash
    )


def test_assets(tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("x")
    of_text = with_hash(Asset(text="x")).hash

    assert of_text == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert with_hash(Asset(path=str(tmp_path / "a b"))).hash == of_text
    assert with_hash(Asset(uri=f"file://{tmp_path}/a%20b")).hash == of_text
    assert with_hash(Asset(text="")).hash.startswith("e3b0c442")
    assert with_hash(Asset(hash="given", path="/nowhere")).hash == "given"


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (
            Asset(uri="https://example.com/a"),
            Unsupported,
            "the asset at 'https://example.com/a': remote assets",
        ),
        (Archive(uri="http://example.com/a.zip"), Unsupported, "the archive at .*: remote assets"),
        (Asset(uri="file://elsewhere/a"), Unsupported, "remote assets"),
        (Asset(path="nowhere"), ValueError, "cannot read the asset at 'nowhere'"),
        (Asset(path="."), ValueError, "is a directory; try using an archive"),
        (Archive(path="nowhere"), ValueError, "neither a recognized archive type nor a directory"),
        (Archive(path="nowhere.zip"), ValueError, "cannot read the archive at 'nowhere.zip'"),
    ],
)
def test_what_cannot_be_read_is_refused(
    value: Asset | Archive, error: type[Exception], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(error, match=text):
        with_hash(value)


def test_a_damaged_archive_inside_another_is_refused(tmp_path: Path) -> None:
    for name in ("bad.zip", "bad.tgz"):
        (tmp_path / name).write_bytes(b"no archive")
        with pytest.raises(ValueError, match="cannot read the archive"):
            with_hash(archive(x=Archive(path=str(tmp_path / name))))
