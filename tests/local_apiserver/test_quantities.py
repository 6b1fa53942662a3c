"""Quantities: their values and the form in which they are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.apiserver.schemas.quantities import canonical, parse


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1024Mi", "1Gi"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5Gi", "512Mi"),
        ("1.1Gi", "1181116006400m"),
        ("1000k", "1M"),
        ("1000Ki", "1000Ki"),
        ("2Ki", "2Ki"),
        ("1e3", "1e3"),
        (2, "2"),
        (0.1, "100m"),
        ("0", "0"),
        ("0Mi", "0"),
    ],
)
def test_the_kept_form_is_the_real_servers(text: str | int | float, kept: str):
    assert canonical(text) == kept


@pytest.mark.parametrize("text", ["", "Mi", "1Q", "one", "1 Gi", "--1"])
def test_what_is_no_quantity_has_no_value(text: str):
    assert parse(text) is None
    assert canonical(text) is None


@given(st.integers(0, 10**6), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_the_kept_form_has_the_same_value_and_stays(number: int, suffix: str):
    text = f"{number}{suffix}"

    kept = canonical(text)

    assert kept is not None
    assert parse(kept) == parse(text)
    assert canonical(kept) == kept
