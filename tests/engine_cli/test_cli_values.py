"""Configuration values: keys, paths, secure leaves, and the texts that programs get."""

from typing import Any

import pytest

from engine.cli import configuration, values
from engine.cli.errors import CliError
from engine.paths import ABSENT


def shout(token: str) -> str:
    return token.upper()


@pytest.mark.parametrize(
    ("text", "key"),
    [("size", "shop:size"), ("aws:region", "aws:region"), ("aws:config:region", "aws:region")],
)
def test_keys_are_of_the_project_unless_they_say_otherwise(text: str, key: str) -> None:
    assert values.full_key(text, "shop") == key


@pytest.mark.parametrize("text", ["a:b:c", ":", "a:", "", "a:b:c:d"])
def test_a_malformed_key_is_refused_in_pulumis_words(text: str) -> None:
    with pytest.raises(CliError, match="could not parse"):
        values.full_key(text, "shop")


def test_a_path_begins_with_the_name() -> None:
    assert values.key_path('aws:tags["a.b"][0]', "shop") == ("aws:tags", ("a.b", 0))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (4, "4"),
        (True, "true"),
        (1.5, "1.5"),
        ({"b": [1, True], "a": "x"}, '{"a":"x","b":[1,true]}'),
    ],
)
def test_programs_get_texts_as_they_are_and_all_else_as_json(value: Any, text: str) -> None:
    assert values.text_of(value) == text


def test_secrets_are_opened_at_any_depth_and_masked_when_shown() -> None:
    value = {"a": [{"secure": "x"}], "secure": 1}

    assert values.contains_secure(value)
    assert values.revealed(value, shout) == {"a": ["X"], "secure": 1}
    assert values.masked(value) == {"a": ["[secret]"], "secure": 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("12", 12), ("-3", -3), ("007", "007"), ("0", 0), ("1.5", "1.5"), ("x", "x"), ("", "")],
)
def test_texts_put_into_structures_become_numbers_and_booleans_as_pulumi_does(text: str, value: Any) -> None:
    assert values.coerced(text) == value


def test_a_path_makes_what_it_needs_on_the_way() -> None:
    root = values.placed(None, ("a", 0, "b"), 1)

    assert root == {"a": [{"b": 1}]}
    assert values.placed(root, ("a", 1), "x") == {"a": [{"b": 1}, "x"]}
    assert root == {"a": [{"b": 1}]}, "the old value is left as it was"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("list", 5), "out of range"),
        (("list", "x"), "must be an int"),
        (("map", 0), "must be a string"),
        (("map", "text", "deeper"), "expected a map"),
    ],
)
def test_a_path_that_does_not_fit_is_refused(path: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(CliError, match=message):
        values.placed({"list": [1], "map": {"text": "x"}}, path, 1)


def test_removing_leaves_nothing_that_looks_like_a_secret() -> None:
    assert values.removed({"a": [1, 2]}, ("a", 0)) == {"a": [2]}
    assert values.removed({"a": 1}, ("b", "c")) == {"a": 1}
    with pytest.raises(CliError, match="reserved"):
        values.removed({"secure": "x", "a": 1}, ("a",))


def test_a_secret_has_no_inside() -> None:
    assert values.at({"a": {"secure": "x"}}, ("a", "secure")) is ABSENT


def resolve(declared: dict[str, Any], given: dict[str, Any]) -> configuration.Configuration:
    return configuration.resolve("dev", "shop", declared, given, shout)


def test_the_projects_defaults_fill_in_and_the_stack_wins() -> None:
    declared = {"size": {"type": "integer", "default": 1}, "aws:region": "eu", "color": {"value": "red"}}

    found = resolve(declared, {"shop:size": "5"})

    assert found.plain == {"shop:size": "5", "aws:region": "eu", "shop:color": "red"}


def test_what_holds_a_secret_anywhere_is_secret_as_a_whole() -> None:
    found = resolve({}, {"shop:a": {"x": {"secure": "s"}, "y": 1}, "shop:b": "plain"})

    assert found.secret == {"shop:a": '{"x":"S","y":1}'}
    assert found.shown() == {"shop:a": "[secret]", "shop:b": "plain"}


@pytest.mark.parametrize(
    ("declared", "given", "message"),
    [
        ({"a": {"type": "string"}, "b": {"type": "string"}}, {}, "missing configuration values 'a', 'b'"),
        ({"a": {"type": "integer"}}, {"shop:a": "many"}, "must be of type 'integer'"),
        ({"a": {"type": "array"}}, {"shop:a": {"x": 1}}, "must be of type 'array'"),
        ({"a": {"type": "integer"}}, {"shop:a": True}, "must be of type 'integer'"),
        ({"a": {"type": "string", "secret": True}}, {"shop:a": "x"}, "must be encrypted"),
        ({"a": {"type": "text"}}, {"shop:a": "x"}, "allowed are string"),
    ],
)
def test_configuration_that_breaks_the_projects_declaration_is_refused(
    declared: dict[str, Any], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(CliError, match=message):
        resolve(declared, given)
