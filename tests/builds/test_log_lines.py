"""A build's log as numbered lines: the same lines whenever and in whatever pieces it is read."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.builds.lines import MAX_LINE_BYTES, Lines, Tail

TEXT = st.binary(max_size=200) | st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"step 1"])).map(
    b"".join
)


def read(*pieces):
    lines = Lines()
    return [line for piece in pieces for line in lines.feed(piece)] + list(lines.end())


def texts(*pieces):
    return [line.text for line in read(*pieces)]


@given(TEXT, st.lists(st.integers(0, 200)))
def test_the_pieces_that_a_log_arrives_in_change_no_line(log, cuts):
    cuts = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    pieces = [log[start:end] for start, end in pairwise(cuts)]

    assert read(*pieces) == read(log)


@given(TEXT, st.integers(1, 50))
def test_a_kept_log_has_the_numbers_and_texts_of_the_log(log, limit):
    tail = Tail(limit=limit)
    tail.add(read(log))
    kept = read(tail.body())

    whole = read(log)
    cut = kept[1:] if whole and kept[0] != whole[0] else kept
    assert cut == whole[len(whole) - len(cut) :]


@given(TEXT)
def test_lines_are_counted_from_one_without_a_gap(log):
    assert [line.number for line in read(log)] == list(range(1, len(read(log)) + 1))


def test_a_progress_bar_is_several_lines():
    assert texts(b"10 %\r20 %\r", b"\ndone") == ["10 %", "20 %", "done"]


@pytest.mark.parametrize("size", [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 3 * MAX_LINE_BYTES])
def test_a_line_without_an_end_is_never_held_as_a_whole(size):
    line = b"x" * size

    at_once, in_pieces = read(line + b"\n"), read(*(bytes([byte]) for byte in line[:10]), line[10:], b"\n")

    assert at_once == in_pieces
    assert max(len(one.text) for one in at_once) <= MAX_LINE_BYTES
    assert "".join(one.text for one in at_once) == line.decode()


def test_secrets_and_control_characters_are_not_shown():
    key = b"a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----\nb"

    assert texts(b"\x1b[31mred\x1b[0m https://user:pw@host/ AKIAABCDEFGHIJKLMNOP") == [
        "red https://***@host/ ***"
    ]
    assert texts(key) == ["a", "***", "***", "***", "***", "b"]


def test_the_end_of_a_long_log_is_kept_and_says_what_is_left_out():
    tail = Tail(limit=20)
    tail.add(read(b"".join(b"line %d\n" % number for number in range(1, 101))))

    assert tail.body() == b"[98 earlier lines are left out]\nline 99\nline 100\n"
