"""How many builds are taken in a second, from everybody and from each third party."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.app import create_app
from service.rate_limits import MAX_KEYS, SOURCE, THIRD_PARTY, TOTAL, Rate, RateLimited, RateLimits

NONE = Rate(0, 1)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def taken(limits, tries, whose="acme"):
    return sum(admitted(limits, whose) for _ in range(tries))


def admitted(limits, whose="acme"):
    try:
        limits.admit(whose)
    except RateLimited:
        return False
    return True


def test_a_burst_is_taken_and_then_the_rate(clock):
    limits = RateLimits(NONE, Rate(10, 20), clock)

    assert taken(limits, 30) == 20
    clock.now += 0.5
    assert taken(limits, 30) == 5


def test_third_parties_do_not_use_up_each_others_share(clock):
    limits = RateLimits(NONE, Rate(10, 20), clock)
    taken(limits, 30)

    assert taken(limits, 30, "other") == 20


def test_everybody_together_is_limited_too_and_a_refused_one_costs_nothing(clock):
    limits = RateLimits(Rate(5, 10), Rate(10, 8), clock)

    assert taken(limits, 9, "a") == 8
    assert taken(limits, 9, "b") == 2
    with pytest.raises(RateLimited) as refused:
        limits.admit("c")
    assert refused.value.limit == TOTAL
    clock.now += 10
    assert taken(limits, 9, "c") == 8


def test_who_comes_back_when_told_is_taken(clock):
    limits = RateLimits(NONE, Rate(2, 3), clock)
    taken(limits, 3)
    with pytest.raises(RateLimited, match="acme may ask for 2 builds a second, 3 at once") as refused:
        limits.admit("acme")

    assert refused.value.limit == THIRD_PARTY
    clock.now += refused.value.retry_after
    assert admitted(limits)


def test_an_event_that_was_let_in_is_let_in_again_and_costs_nothing(clock):
    limits = RateLimits(NONE, Rate(1, 1), clock)
    limits.admit("acme", "event-1")
    limits.admit("acme", "event-1")

    with pytest.raises(RateLimited):
        limits.admit("acme", "event-2")
    clock.now += 1
    limits.admit("acme", "event-1")
    limits.admit("acme", "event-2")


def test_a_rate_of_zero_is_no_limit(clock):
    assert taken(RateLimits(NONE, NONE, clock), 1000) == 1000


def test_any_number_of_third_parties_takes_bounded_memory(clock):
    limits = RateLimits(NONE, Rate(1, 1), clock)
    for number in range(MAX_KEYS + 100):
        limits.admit(str(number), number)

    assert len(limits._own) == len(limits._admitted) == MAX_KEYS


@given(pauses=st.lists(st.floats(0, 3), max_size=60), rate=st.floats(0.1, 50), burst=st.integers(1, 20))
def test_never_more_than_burst_and_rate_allow(pauses, rate, burst):
    clock = Clock()
    limits = RateLimits(NONE, Rate(rate, burst), clock)
    begin, count = clock.now, 0
    for pause in pauses:
        clock.now += pause
        count += admitted(limits)

    assert count <= burst + rate * (clock.now - begin) + 1e-6


async def test_a_sender_beyond_its_rate_is_told_when_to_come_back(
    automation, app_settings, open_client, binary
):
    app = create_app(automation, app_settings(third_party_build_rate=Rate(0.1, 1)))
    async with open_client(app) as client:
        first, second = [await client.post("/", **binary(ce_id=name)) for name in ("a", "b")]
        other = await client.post("/", **binary("network.notifi.lambda.job.start"))
        metrics = (await client.get("/metrics")).text

    assert (first.status_code, second.status_code, other.status_code) == (200, 429, 200)
    assert second.json()["error_type"] == "rate_limit_exceeded"
    assert 9 <= int(second.headers["retry-after"]) <= 10
    assert (second.headers["x-ratelimit-limit"], second.headers["x-ratelimit-remaining"]) == ("1", "0")
    assert 'rate_limit_rejected_total{limit_type="third_party"} 1.0' in metrics
    assert [event.meta.id for event in automation.events] == ["a", "event-1"]


def test_events_of_a_source_are_limited_and_other_sources_go_on(clock):
    limits = RateLimits(NONE, NONE, clock, Rate(1, 2))
    limits.receive("a", 1)
    limits.receive("a", 2)
    limits.receive("a", 1)  # a repetition

    with pytest.raises(RateLimited, match='source "a" may send 1 events a second, 2 at once') as refused:
        limits.receive("a", 3)
    assert refused.value.limit == SOURCE
    limits.receive("b", 3)
    clock.now += refused.value.retry_after
    limits.receive("a", 3)


def test_without_a_rate_sources_are_not_even_remembered(clock):
    limits = RateLimits(NONE, NONE, clock)
    for number in range(1000):
        limits.receive("a", number)


async def test_a_notice_counts_for_its_source(automation, app_settings, open_client, binary):
    settings = app_settings(source_rate=Rate(0.001, 1))
    async with open_client(create_app(automation, settings)) as client:
        first = await client.post("/", **binary("network.notifi.lambda.job.start"))
        second = await client.post("/", **binary("network.notifi.lambda.job.start", ce_id="event-2"))
        metrics = (await client.get("/metrics")).text

    assert (first.status_code, second.status_code) == (200, 429)
    assert second.headers["x-ratelimit-limit"] == "1"
    assert 'rate_limit_rejected_total{limit_type="source"} 1.0' in metrics
