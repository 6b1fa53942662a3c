"""Test files have names of their own, where pytest knows them by their names alone: outside of packages."""

from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_test_files_outside_of_packages_share_a_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in TESTS.rglob("test_*.py"):
        if not (file.parent / "__init__.py").exists():
            places[file.name].append(str(file.relative_to(TESTS)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
