"""The autoscaler and what it reads from annotations; the clock is a number."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.serving.scaling import Autoscaler, Scaling, parse_duration


def revision(limit: int = 0, **annotations: str) -> dict[str, Any]:
    notes = {f"autoscaling.knative.dev/{name.replace('_', '-')}": text for name, text in annotations.items()}
    return {"metadata": {"annotations": notes}, "spec": {"containerConcurrency": limit}}


def scaling(limit: int = 0, **annotations: str) -> Scaling:
    return Scaling.of(revision(limit, **annotations), idle_seconds=30.0)


def test_a_functions_annotations_are_read() -> None:
    read = scaling(
        10, min_scale="0", max_scale="10", target="100", scale_down_delay="30s", metric="concurrency"
    )

    assert read == Scaling(
        min_scale=0,
        max_scale=10,
        initial_scale=1,
        activation_scale=1,
        target=7.0,
        concurrency_limit=10,
        idle_seconds=30.0,
    )


def test_the_longest_of_the_idle_times_holds() -> None:
    assert scaling().idle_seconds == 30.0
    assert scaling(window="6s").idle_seconds == 6.0
    assert scaling(window="6s", scale_down_delay="1m30s").idle_seconds == 90.0
    assert scaling(scale_down_delay="0s", scale_to_zero_pod_retention_period="1m").idle_seconds == 60.0


def test_nonsense_counts_as_absent() -> None:
    assert scaling(target="many", max_scale="", scale_down_delay="soon") == scaling()


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1m30s", 90), ("1.5h", 5400), ("250ms", 0.25)])
def test_durations_are_gos(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["30", "s", "1d", "1m x"])
def test_a_bad_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


def test_growing_is_at_once_and_shrinking_after_the_idle_time() -> None:
    scaler = Autoscaler(scaling(10, target_utilization_percentage="100"))

    assert scaler.observe(0, 35) == 4
    assert scaler.observe(1, 0) == 4
    assert scaler.observe(29.9, 12) == 4
    assert scaler.observe(31.1, 0) == 2
    assert scaler.observe(59, 0) == 2
    assert scaler.observe(60, 0) == 0


def test_one_request_now_and_then_keeps_one_pod() -> None:
    scaler = Autoscaler(scaling(10))

    assert [scaler.observe(moment, 1 if moment % 20 == 0 else 0) for moment in range(0, 100, 10)] == [1] * 10


@given(
    st.lists(st.tuples(st.floats(0.1, 20), st.floats(0, 500)), min_size=1, max_size=40),
    st.integers(0, 3),
    st.integers(3, 9),
)
def test_the_scale_stays_within_its_bounds_and_covers_the_load(
    steps: list[tuple[float, float]], least: int, most: int
) -> None:
    scaler = Autoscaler(scaling(10, min_scale=str(least), max_scale=str(most)))
    now = 0.0
    for pause, concurrency in steps:
        now += pause
        wanted = scaler.observe(now, concurrency)
        assert least <= wanted <= most
        assert wanted >= min(most, concurrency / 7.0 - 0.01)
    assert scaler.observe(now + 31, 0) in range(least, most + 1)
    assert scaler.observe(now + 62, 0) == least
