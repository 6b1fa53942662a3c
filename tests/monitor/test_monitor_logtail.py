"""Log text that leaves the pod: limited, printable, and without obvious secrets."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.failures import Exit, classify
from monitor.logtail import MAX_BYTES, MAX_LINES, clean, tail

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # the documentation's well-known example


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (f"using key {KEY} now", KEY),
        (f"AWS_SECRET_ACCESS_KEY={SECRET}", SECRET),
        (f'"aws_secret_access_key": "{SECRET}"', SECRET),
        (f"aws_session_token = '{SECRET}'", SECRET),
        ("Authorization: Bearer abc.def.ghi", "abc.def.ghi"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("--index-url https://user:hunter2@pypi.example/simple", "hunter2"),
        ("DB_PASSWORD=hunter2", "hunter2"),
        ("token: ghp_0123456789abcdef0123456789abcdef0123", "ghp_"),
        ("GET /k?X-Amz-Credential=CRED%2F1&X-Amz-Signature=deadbeef&x=1", "deadbeef"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "eyJzdWIi"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE and the log ends", "MIIE"),
        (f"split by colour: AKIA\x1b[0m{KEY[4:]}", KEY),
    ],
)
def test_secrets_are_masked(text: str, gone: str) -> None:
    assert gone not in clean(text)
    assert "***" in clean(text)


@pytest.mark.parametrize(
    "text",
    ["INFO[0001] Retrieving image manifest python:3.11", "step 3 of 5: done", "ERROR: tokenise failed"],
)
def test_ordinary_lines_stay(text: str) -> None:
    assert clean(text) == text


def test_terminal_sequences_and_control_characters_go() -> None:
    assert clean("\x1b[1;31mred\x1b[0m \x1b]0;title\x07bell\x07\x00 tab\there\r\nnext\rover") == (
        "red bell tab\there\nnext\nover"
    )


def test_the_tail_is_the_last_lines() -> None:
    log = "\n".join(str(n) for n in range(500)) + "\n"

    assert tail(log).split("\n") == [str(n) for n in range(500 - MAX_LINES, 500)]


@given(st.text(max_size=400), st.integers(1, 60))
def test_the_tail_keeps_its_limits_and_nothing_unprintable(text: str, times: int) -> None:
    result = tail(text * times)

    assert len(result.encode()) <= MAX_BYTES
    assert result.count("\n") < MAX_LINES
    assert all(char in "\n\t" or char.isprintable() or ord(char) > 0x9F for char in result)


@given(st.text(max_size=100), st.text(max_size=100))
def test_a_key_is_masked_wherever_it_stands_alone(before: str, after: str) -> None:
    assert KEY not in tail(f"{before} {KEY} {after}")


@pytest.mark.parametrize(
    "unit",
    [
        "secret",
        "x",
        "token=",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ",
        "://",
        "\x1b]",
        "/v2/",
        "a:b@",
        "s3 ",
        "go: ",
    ],
)
def test_hostile_text_takes_no_long_time(unit: str) -> None:
    log = unit * (64 * 1024 // len(unit))
    started = time.process_time()

    tail(log)
    classify(log, Exit(1))

    assert time.process_time() - started < 1
