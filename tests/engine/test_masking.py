"""Secrets in texts are replaced, however they are quoted."""

import json

from hypothesis import given
from hypothesis import strategies as st

from engine.masking import hidden_in, masked
from engine.values import Secret


@given(st.text(min_size=4), st.text(), st.text())
def test_a_secret_does_not_survive_in_the_clear_or_as_json(secret: str, before: str, after: str) -> None:
    for quoted in (secret, json.dumps(secret, ensure_ascii=False)):
        assert masked(f"{before}{quoted}{after}", [secret]) != f"{before}{quoted}{after}"


def test_short_words_stay_readable() -> None:
    assert masked("no such key: abc", ["abc", "no"]) == "no such key: abc"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert masked("hunter2hunter2", ["hunter2", "hunter2hunter2"]) == "[secret]"


def test_only_what_is_secret_is_hidden() -> None:
    value = {"plain": "seen", "list": [Secret({"deep": ["hidden", 7]})]}

    assert list(hidden_in(({"inputs": value},))) == ["hidden"]
