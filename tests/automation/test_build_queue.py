"""Whose build is next: limits, fairness between third parties, priority and age; and what is refused."""

import datetime
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.build_queue import BuildJob, Limits, Line
from automation.events import FunctionId
from tests.automation.worlds import at

LIMITS = Limits(running=5, third_party=3, waiting=10)


def job(name, third_party="a", *, since=0, priority="normal", waits=True):
    function = FunctionId(third_party, name)
    return BuildJob(name=name, function=function, since=at(since), priority=priority, waits=waits)


def running(third_party, count):
    return [job(f"{third_party}-runs-{n}", third_party, waits=False) for n in range(count)]


def names(jobs):
    return [one.name for one in jobs]


def line(*jobs, limits=LIMITS):
    return Line(jobs=tuple(jobs), limits=limits)


def test_builds_of_one_third_party_begin_in_the_order_in_which_they_came():
    assert names(line(job("late", since=2), job("early", since=1)).turns()) == ["early", "late"]


def test_no_more_begin_than_are_allowed_at_one_time():
    found = line(*running("a", 2), *running("b", 2), *(job(f"c{n}", "c", since=n) for n in range(4)))

    assert names(found.turns()) == ["c0"]


def test_a_third_party_never_has_more_than_its_own_limit():
    assert len(line(*(job(f"a{n}") for n in range(9))).turns()) == 3


def test_five_hundred_builds_of_one_do_not_hold_up_another():
    crowd = [job(f"a{n:03}", "a", since=n) for n in range(500)]
    found = line(*running("a", 2), *running("c", 2), *crowd, job("b0", "b", since=1000))

    assert names(found.turns()) == ["b0"]
    assert found.place("b0")["position"] == 1


def test_urgent_builds_go_first_and_low_ones_last_among_those_that_came_together():
    waiting = [job(priority, priority=priority) for priority in ("low", "normal", "urgent", "high")]

    assert names(line(*waiting, limits=Limits(running=9, third_party=0, waiting=0)).turns()) == [
        "urgent",
        "high",
        "normal",
        "low",
    ]


def test_what_has_waited_for_an_hour_and_more_goes_before_an_urgent_build():
    found = line(job("urgent", priority="urgent", since=3700), job("old", since=0), *running("a", 2))

    assert names(found.turns()) == ["old"]


def test_a_build_that_is_passed_over_leaves_its_turn_to_the_next():
    found = line(*running("a", 2), job("a0"), job("a1", since=1))

    assert names(found.turns({"a0"})) == ["a1"]


def test_without_limits_everything_begins():
    waiting = [job(f"a{n}") for n in range(50)]

    assert len(line(*waiting, limits=Limits(running=0, third_party=0, waiting=0)).turns()) == 50


def test_a_third_party_is_refused_when_half_of_all_places_are_its_own():
    found = line(*running("a", 3), *(job(f"a{n}") for n in range(5)))

    assert found.refusal("b") is None
    text = found.refusal("a")
    assert "5 builds of third party a wait, 5 are allowed; 3 builds run, 5 are allowed" in text


def test_everybody_is_refused_when_all_places_are_taken():
    found = line(*(job(f"{whose}{n}", whose) for whose in "abcde" for n in range(2)))

    assert "10 builds wait, 10 are allowed; 0 builds run, 5 are allowed" in found.refusal("z")


@pytest.mark.parametrize(("others", "room"), [(0, True), (1, False)])
def test_there_is_room_only_where_nobody_waits_for_it(others, room):
    waiting = [job(f"c{n}", "c") for n in range(others)]

    assert line(*running("a", 2), *running("b", 2), *waiting).has_room("d") is room


JOBS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 5000),
        st.sampled_from(["low", "normal", "high", "urgent"]),
        st.booleans(),
    ),
    max_size=25,
)


@given(drawn=JOBS, total=st.integers(0, 6), own=st.integers(0, 6))
def test_turns_keep_every_limit_and_leave_no_place_free_that_somebody_could_take(drawn, total, own):
    jobs = [
        job(f"{n}", whose, since=since, priority=priority, waits=waits)
        for n, (whose, since, priority, waits) in enumerate(drawn)
    ]
    found = line(*jobs, limits=Limits(running=total, third_party=own, waiting=0))
    begun = found.turns()

    ran = Counter(one.function.third_party_id for one in jobs if not one.waits)
    after = ran + Counter(one.function.third_party_id for one in begun)
    assert not begun or not total or after.total() <= total
    assert all(not own or after[one.function.third_party_id] <= own for one in begun)
    assert sorted(names(found.order)) == sorted(one.name for one in jobs if one.waits)
    left = [one for one in jobs if one.waits and one not in begun]
    full = total and after.total() >= total
    assert all(full or (own and after[one.function.third_party_id] >= own) for one in left)


def test_waiting_is_measured_in_time_not_in_the_order_of_names():
    found = line(job("z", since=0), job("a", since=datetime.timedelta(minutes=1).seconds), *running("a", 2))

    assert names(found.turns()) == ["z"]
