"""Project and stack files: what go-yaml would read, and what it would write."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cli import yamlfile
from engine.cli.errors import CliError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("on", "on", id="yes and no are texts"),
        pytest.param("12:30:45", "12:30:45", id="no sexagesimal numbers"),
        pytest.param("2026-11-23", "2026-11-23", id="dates are texts"),
        pytest.param("0644", 420, id="old octal"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("1_000", 1000, id="grouped digits"),
        pytest.param("1.5e3", 1500.0, id="real"),
        pytest.param("TRUE", True, id="bool"),
        pytest.param("", None, id="nothing"),
        pytest.param('"4"', "4", id="quoted"),
        pytest.param("08", 8.0, id="no octal digit"),
    ],
)
def test_scalars_mean_what_they_mean_to_pulumi(text: str, value: Any) -> None:
    found = yamlfile.load(f"key: {text}\n", "here")["key"]

    assert (found, type(found)) == (value, type(value))


def test_a_broken_file_is_named() -> None:
    with pytest.raises(CliError, match=r"Pulumi\.yaml is no valid YAML"):
        yamlfile.load("a: [", "Pulumi.yaml")


def test_what_is_written_looks_as_if_pulumi_had_written_it() -> None:
    value = {
        "a": "4",
        "b": ["x", {"c": True}],
        "d": "true",
        "e": "one\ntwo\n",
        "f": "",
        "g": "plain text",
        "h": 1.5,
    }

    assert yamlfile.dump(value) == (
        'a: "4"\nb:\n  - x\n  - c: true\nd: "true"\ne: |\n  one\n  two\nf: ""\ng: plain text\nh: 1.5\n'
    )


COMMENTED = """\
# who owns this
encryptionsalt: v1:x
config:
  # the size
  shop:size: "4" # in rooms
  shop:tree:
    a: 1 # one

    # two
    b: [1, 2]
  # last
# the end
"""


def test_a_changed_value_leaves_every_comment_elsewhere() -> None:
    document = yamlfile.load(COMMENTED, "here")
    document["config"]["shop:tree"]["a"] = 2

    assert yamlfile.edited(COMMENTED, document) == COMMENTED.replace("a: 1 # one", "a: 2")


def test_a_new_value_comes_last_and_a_removed_one_leaves_its_lines() -> None:
    document = yamlfile.load(COMMENTED, "here")
    document["config"]["shop:new"] = {"x": "y"}
    del document["config"]["shop:size"]

    assert yamlfile.edited(COMMENTED, document) == COMMENTED.replace(
        '  shop:size: "4" # in rooms\n', ""
    ).replace("    b: [1, 2]\n", "    b: [1, 2]\n  shop:new:\n    x: y\n")


def test_a_file_in_flow_style_is_written_anew() -> None:
    assert yamlfile.edited("{a: 1}", {"a": 2}) == "a: 2\n"


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
    st.sampled_from(
        ["yes", "0644", "1:30", "2026-01-01", "~", "a: b", "# no", "x\ny", " ", "1e3", "0x1", "-"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc:_", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text("abc", min_size=1, max_size=3), VALUES, min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_an_edited_document_says_what_it_is_to_say(old: dict[str, Any], new: dict[str, Any]) -> None:
    text = yamlfile.dump(old)

    assert yamlfile.load(text, "old") == old
    assert yamlfile.load(yamlfile.edited(text, new), "new") == new


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS)
def test_other_readers_of_yaml_see_the_same_texts(document: dict[str, Any]) -> None:
    texts = {key: value for key, value in document.items() if isinstance(value, str)}

    assert yaml.safe_load(yamlfile.dump(texts)) == texts
