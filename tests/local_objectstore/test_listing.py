import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.objectstore.listing import page

KEYS = ["a", "a.txt", "b/1", "b/2", "b/c/1", "b0", "c/x y"]


@pytest.fixture
def filled(s3):
    for key in KEYS:
        s3.put_object(Bucket="code", Key=key, Body=b"1")
    return s3


def keys(listed) -> list[str]:
    return [item["Key"] for item in listed.get("Contents", ())]


def test_keys_are_listed_in_byte_order(filled):
    filled.put_object(Bucket="code", Key="b.x", Body=b"")

    listed = filled.list_objects_v2(Bucket="code")

    assert keys(listed) == sorted([*KEYS, "b.x"])
    assert listed["KeyCount"] == len(KEYS) + 1
    assert listed["IsTruncated"] is False


def test_a_delimiter_rolls_folders_up(filled):
    listed = filled.list_objects_v2(Bucket="code", Delimiter="/", Prefix="b")

    assert keys(listed) == ["b0"]
    assert [item["Prefix"] for item in listed["CommonPrefixes"]] == ["b/"]


def test_a_prefix_need_not_end_at_a_folder(filled):
    assert keys(filled.list_objects_v2(Bucket="code", Prefix="b/c")) == ["b/c/1"]
    assert keys(filled.list_objects_v2(Bucket="code", Prefix="a")) == ["a", "a.txt"]
    assert keys(filled.list_objects_v2(Bucket="code", Prefix="nosuch/")) == []


@pytest.mark.parametrize("operation", ["list_objects_v2", "list_objects"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_make_up_the_whole(filled, operation, size):
    pages = filled.get_paginator(operation).paginate(Bucket="code", PaginationConfig={"PageSize": size})

    assert [key for listed in pages for key in keys(listed)] == KEYS


@pytest.mark.parametrize("operation", ["list_objects_v2", "list_objects"])
def test_pages_with_a_delimiter_make_up_the_whole(filled, operation):
    pages = filled.get_paginator(operation).paginate(
        Bucket="code", Delimiter="/", PaginationConfig={"PageSize": 1}
    )

    found = [
        (keys(listed), [item["Prefix"] for item in listed.get("CommonPrefixes", ())]) for listed in pages
    ]
    assert found == [(["a"], []), (["a.txt"], []), ([], ["b/"]), (["b0"], []), ([], ["c/"])]


def test_a_listing_can_start_after_a_key(filled):
    assert keys(filled.list_objects_v2(Bucket="code", StartAfter="b/2")) == ["b/c/1", "b0", "c/x y"]


def test_empty_folders_are_not_listed(filled, root):
    (root / "code/empty/deep").mkdir(parents=True)

    assert keys(filled.list_objects_v2(Bucket="code")) == KEYS


@given(
    st.lists(st.text("ab/", min_size=1, max_size=6), unique=True),
    st.sampled_from(["", "/", "ab"]),
    st.text("ab/", max_size=2),
    st.integers(1, 4),
)
def test_pages_of_any_size_hold_what_one_page_holds(keys, delimiter, prefix, size):
    matching = sorted(key for key in keys if key.startswith(prefix))
    whole = page(matching, prefix=prefix, delimiter=delimiter, after="", max_keys=1000)
    objects, prefixes, after, more = [], [], "", True

    while more:
        rest = [key for key in matching if key > after]
        part = page(rest, prefix=prefix, delimiter=delimiter, after=after, max_keys=size)
        objects += part.keys
        prefixes += part.prefixes
        after, more = part.last, part.truncated

    assert (tuple(objects), tuple(prefixes)) == (whole.keys, whole.prefixes)
