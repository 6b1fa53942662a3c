"""Paths in strings, and `$(NAME)` in values."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.node.environment import expand
from local.node.objects import quantity
from local.node.paths import PathMap

MOUNTS = {
    "/tmp": Path("/real/tmp"),
    "/workspace": Path("/real/ws"),
    "/workspace/deep": Path("/real/deep"),
    "/dev/termination-log": Path("/real/message"),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "--digest-file=/dev/termination-log", "--digest-file=/real/message", id="after an equals sign"
        ),
        pytest.param("/workspace", "/real/ws", id="the mount itself"),
        pytest.param("/workspace/", "/real/ws/", id="a trailing slash"),
        pytest.param("/workspace/a/b", "/real/ws/a/b", id="below it"),
        pytest.param("/workspace/deep/x", "/real/deep/x", id="the longest mount wins"),
        pytest.param("/workspaces/x", "/workspaces/x", id="a longer name is another folder"),
        pytest.param("/tmp:/usr/bin", "/real/tmp:/usr/bin", id="a search path"),
        pytest.param('{"dir": "/tmp/x"}', '{"dir": "/real/tmp/x"}', id="inside JSON"),
        pytest.param("http://host/tmp/x", "http://host/tmp/x", id="a URL"),
        pytest.param("s3://bucket/tmp", "s3://bucket/tmp", id="an S3 address"),
        pytest.param("name/tmp", "name/tmp", id="a relative path"),
        pytest.param("cat /tmp/a > /tmp/b", "cat /real/tmp/a > /real/tmp/b", id="a shell script"),
        pytest.param("no path", "no path", id="none at all"),
    ],
)
def test_paths_of_volumes_are_replaced(text: str, expected: str) -> None:
    assert PathMap(MOUNTS, Path("/nowhere")).translate(text) == expected


def test_paths_of_the_image_are_replaced_where_it_has_them(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    paths = PathMap({}, tmp_path)

    assert paths.translate("/app /opt /") == f"{tmp_path}/app /opt /"


def test_an_images_own_paths_of_this_machine_stay(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    paths = PathMap({str(tmp_path): Path("/real/volume")}, Path("/nowhere"))

    assert paths.translate_image(f"{tmp_path}/bin:{tmp_path}/absent") == f"{tmp_path}/bin:/real/volume/absent"
    assert paths.translate_image(str(tmp_path)) == "/real/volume"
    assert paths.translate(f"{tmp_path}/bin") == "/real/volume/bin"


@given(st.text(alphabet="ab/.:= ", max_size=30))
def test_nothing_changes_without_mounts_and_image(text: str) -> None:
    assert PathMap({}, Path("/nowhere")).translate(text) == text


@given(st.text(alphabet="$()AB", max_size=12))
def test_expansion_leaves_no_known_reference(text: str) -> None:
    result = expand(text, {"A": "1", "B": "2"})

    if "$$" not in text:
        assert "$(A)" not in result
        assert "$(B)" not in result


@pytest.mark.parametrize(
    ("text", "value"), [("500m", 0.5), ("2", 2.0), ("64Mi", 64 * 1024**2), ("1G", 1e9), ("1.5", 1.5)]
)
def test_quantities_are_understood(text: str, value: float) -> None:
    assert quantity(text) == value


def test_a_bad_quantity_says_what_is_allowed() -> None:
    with pytest.raises(ValueError, match=r"'12 pigs' is no quantity"):
        quantity("12 pigs")
