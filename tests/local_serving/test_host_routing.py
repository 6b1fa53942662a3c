"""Host headers and traffic splits."""

import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.serving.conditions import Target
from local.serving.routing import Routes, Split, parse_host


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("fn.space.svc.cluster.local", ("space", "fn")),
        ("fn.space.svc.cluster.local:80", ("space", "fn")),
        ("fn.space.svc", ("space", "fn")),
        ("fn.space", ("space", "fn")),
        ("FN.Space.LOCALHOST:8080", ("space", "fn")),
        ("fn.space.localhost.", ("space", "fn")),
        ("127.0.0.1:8080", None),
        ("localhost:8080", None),
        ("[::1]:80", None),
        ("", None),
        ("..localhost", None),
    ],
)
def test_a_host_is_taken_apart(host: str, address: tuple[str, str] | None) -> None:
    assert parse_host(host) == address


@given(st.text(alphabet=string.printable, max_size=40))
def test_any_host_is_an_address_or_none(host: str) -> None:
    parsed = parse_host(host)

    assert parsed is None or all(parsed)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=4))
def test_of_a_hundred_requests_each_revision_gets_its_percent(shares: list[int]) -> None:
    shares = [*shares, max(0, 100 - sum(shares))]
    total = sum(shares)
    split = Split([Target(f"r{index}", share, latest=False) for index, share in enumerate(shares)])

    picked = Counter(split.pick() for _ in range(total))

    assert picked == Counter({f"r{index}": share for index, share in enumerate(shares) if share})


def test_a_forgotten_service_takes_its_tags_along() -> None:
    routes = Routes()
    routes.update("space", "fn", [Target("r1", 100, latest=True, tag="blue")])
    assert routes.find(("space", "blue-fn")) is not None

    routes.remove("space", "fn")

    assert routes.find(("space", "blue-fn")) is None
    assert routes.find(("space", "fn")) is None
