import contextlib
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.builder.dockerfile import KNOWN, parse
from local.builder.errors import DockerfileError
from local.builder.lexer import expand, split_words


def test_comments_empty_lines_and_continuations_are_joined():
    parsed = parse("# syntax=x\n\nFROM a\n  # note\nRUN one \\\n# between\n\n   two \\\n three\nUSER me")

    assert parsed.stages[0].base.words == ("a",)
    assert [(step.line, step.name) for step in parsed.stages[0].steps] == [(5, "RUN"), (10, "USER")]
    assert parsed.stages[0].steps[0].text.split() == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("", 1, "no FROM"),
        ("RUN x\nFROM a", 1, "RUN before FROM"),
        ("FROM a\n\nNONSENSE x", 3, "unknown instruction: NONSENSE"),
        ("FROM a\nVOLUME /x", 2, "VOLUME is not supported"),
        ("FROM a\nCOPY --link x y", 2, "COPY --link is not supported"),
        ("FROM a\nCOPY *.py ./", 2, "wildcard in COPY '*.py'"),
        ("FROM a\nCOPY a b c", 2, "destination that ends with a /"),
        ("FROM a\nCOPY a", 2, "at least two arguments"),
        ("FROM a\nCOPY --chmod=rwx a b", 2, "octal"),
        ("FROM a\nRUN --mount=type=cache x", 2, "RUN --mount=type=cache is not supported"),
        ("FROM a\nRUN <<EOF\nx\nEOF", 2, "heredoc"),
        ("FROM a\nRUN", 2, "RUN requires at least one argument"),
        ("FROM a\nRUN []", 2, "nothing to run"),
        ("FROM --platform=x a", 1, "FROM --platform=x is not supported"),
        ("FROM a b", 1, "one or three arguments"),
        ("FROM a\nENV x", 2, "ENV must have two arguments"),
        ('FROM a\nENV a="b', 2, "not closed"),
        ("FROM a\nARG 1x", 2, "expected one name"),
        ("# escape=`\nFROM a", 1, "escape character"),
    ],
)
def test_what_is_wrong_or_not_supported_is_named_with_its_line(text, line, expected):
    with pytest.raises(DockerfileError, match=f"on line {line}: .*") as caught:
        parse(text)
    assert expected in str(caught.value)


def test_the_json_form_is_told_from_the_shell_form():
    steps = parse('FROM a\nRUN ["a", "b c"]\nRUN [ -f x ] && y\nCMD [1]\nENTRYPOINT []').stages[0].steps

    assert [step.exec for step in steps] == [("a", "b c"), None, None, ()]


def test_a_stage_may_have_a_name():
    assert parse("FROM python:3.11-slim AS build").stages[0].base.words == ("python:3.11-slim", "build")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$A-$B", "1-"),
        ("${A}x", "1x"),
        ("${B:-two}", "two"),
        ("${A:+set}${B:+set}", "set"),
        ("${B:-${A}}", "1"),
        ('"$A \\$A \\n"', "1 $A \\n"),
        ("'$A'", "$A"),
        ("\\$A", "$A"),
        ("a\\ b", "a b"),
        ("$", "$"),
        ("$1", "$1"),
        ('"it\'s"', "it's"),
    ],
)
def test_words_are_expanded_as_docker_does(word, expected):
    assert expand(word, {"A": "1"}) == expected


@pytest.mark.parametrize("word", ["${A", "${A:?no}", "'x", '"x', "${}"])
def test_broken_words_are_refused(word):
    with pytest.raises(ValueError, match=r"not closed|supported"):
        expand(word, {})


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8), max_size=4))
def test_quoted_words_come_back_whatever_is_in_them(words):
    line = " ".join(shlex.quote(word) for word in words)

    assert [expand(word, {}) for word in split_words(line)] == words


@given(st.text("FROMaRUNENV\\\n #\"'$ {}[]=:-<", max_size=80))
def test_any_text_is_parsed_or_refused(text):
    steps = ()
    with contextlib.suppress(DockerfileError):
        steps = [step for stage in parse("FROM base\n" + text).stages for step in stage.steps]

    assert all(step.name in KNOWN for step in steps)
