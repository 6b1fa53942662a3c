"""Which errors are tried again within one event, and when."""

import random

import pytest

from automation import retry
from automation.errors import DependencyUnavailable, DeployFailed, InvalidEvent, StackBusy
from automation.ports import StackMoved


@pytest.mark.parametrize(
    ("error", "tries", "final"),
    [
        pytest.param(StackMoved("x"), 1, False, id="moved"),
        pytest.param(StackMoved("x"), 7, False, id="moved-again"),
        pytest.param(StackMoved("x"), 8, True, id="keeps-moving"),
        pytest.param(StackBusy("x"), 3, False, id="busy"),
        pytest.param(StackBusy("x"), 4, True, id="stays-busy"),
        pytest.param(DependencyUnavailable("x"), 1, True, id="dependency"),
        pytest.param(DeployFailed("x"), 1, True, id="deploy"),
        pytest.param(InvalidEvent("x"), 1, True, id="sender"),
    ],
)
def test_only_contention_is_tried_again(error, tries, final):
    outcome = retry.after(error, tries, random.Random(1))

    assert outcome.final is final
    assert outcome.error is error


def test_waits_double_with_up_to_half_added_by_chance():
    for tries, base in ((1, 0.1), (2, 0.2), (3, 0.4)):
        waits = [retry.after(StackBusy("x"), tries, random.Random(seed)).delay_seconds for seed in range(50)]
        assert base <= min(waits) < max(waits) <= 1.5 * base
