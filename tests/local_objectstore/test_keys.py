import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local.objectstore.errors import S3Error
from local.objectstore.keys import check_bucket, from_name, to_path

KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40) | st.text(
    "./%2FE0\x00a", min_size=1, max_size=20
)


def key_of(path: str) -> str | None:
    segments = [from_name(name) for name in path.split("/")]
    return None if None in segments else "/".join(segments)


@given(KEYS)
@example("%2F")
@example("a/%2E%2E/b")
@example("%252F")
def test_every_key_is_found_again_at_its_path(key):
    assert key_of(to_path(key)) == key


@given(KEYS)
@example("../../etc/passwd")
@example("/etc/passwd")
@example("a//b")
def test_no_key_leaves_its_bucket(key):
    path = to_path(key)

    assert posixpath.normpath(f"/bucket/{path}") == f"/bucket/{path}"
    assert not any(ord(character) < 32 for character in path)


@given(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=30))
def test_a_file_name_is_a_key_of_its_own_or_none(name):
    segment = from_name(name)

    assert segment is None or to_path(f"x/{segment}") == f"x/{name}"


def test_ordinary_names_are_kept_for_people_to_find():
    assert to_path("global/parser/Ä b-1_2.py") == "global/parser/Ä b-1_2.py"
    assert to_path("100% sure/a%20b") == "100% sure/a%20b"


@pytest.mark.parametrize("key", ["", "a" * 1025, "é" * 600, "a" * 256, "x/" + "y" * 256, "\udc80"])
def test_keys_that_cannot_be_stored_are_refused(key):
    with pytest.raises(S3Error):
        to_path(key)


@pytest.mark.parametrize("name", ["ab", "A" * 5, "-ab", "ab-", "a..b", ".tmp", "a/b", "a" * 64, "a_b", ""])
def test_bad_bucket_names_are_refused(name):
    with pytest.raises(S3Error, match="no bucket name"):
        check_bucket(name)
