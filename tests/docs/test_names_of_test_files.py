"""Test files can be collected together: pytest imports those in folders without `__init__.py` by their name alone."""

from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_test_files_outside_of_packages_share_a_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in TESTS.rglob("test_*.py"):
        if not (file.parent / "__init__.py").exists():
            places[file.name].append(str(file.relative_to(TESTS)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
