"""The pauses between tries, as numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.broker import Answer, delay_seconds, retry_after

FAILED = Answer(503, "")


def test_pauses_double_up_to_half_a_minute() -> None:
    assert [delay_seconds(tries, FAILED, 0) for tries in range(1, 10)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_chance_takes_off_up_to_half() -> None:
    assert delay_seconds(4, FAILED, 1) == 1


def test_a_refusal_is_tried_again_at_the_slowest_pace() -> None:
    assert delay_seconds(1, Answer(400, ""), 0) == 30


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 1e9), st.none() | st.integers(100, 599))
def test_a_pause_is_never_longer_than_half_a_minute(
    tries: int, jitter: float, wish: float, status: int
) -> None:
    pause = delay_seconds(tries, Answer(status, "", wish), jitter)

    assert 0.1 < pause <= 30
    assert pause >= min(wish, 30)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("7", 7),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 50),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0),
        ("soon", 0),
        ("-1", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(header: str | None, seconds: float) -> None:
    assert retry_after(header, now=50) == seconds
