"""The examples answer as their expected.json says; those with dependencies are tried end to end elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from wrapper_process import Start

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def contains(actual: Any, expected: Any) -> bool:
    """Say whether the answer holds at least what is expected."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            k in actual and contains(actual[k], v) for k, v in expected.items()
        )
    return bool(actual == expected)


@pytest.mark.parametrize("name", ["hello", "async-fanout"])
def test_an_example_answers_as_expected(run: Start, name: str) -> None:
    folder = EXAMPLES / name
    function = run((folder / "parser.py").read_text())

    reply = function.send(json.loads((folder / "event.json").read_text()))

    assert contains(reply.data, json.loads((folder / "expected.json").read_text())), reply.data


@pytest.mark.parametrize(
    "folder", [pytest.param(path, id=path.name) for path in sorted(EXAMPLES.iterdir()) if path.is_dir()]
)
def test_an_example_is_whole(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}

    assert names >= {"parser.py", "requirements.txt", "README.md", "event.json", "expected.json"}
    assert json.loads((folder / "expected.json").read_text())["result"]


@pytest.mark.parametrize(
    ("sources", "status", "code"), [([], 422, "VALIDATION_ERROR"), (["busy"], 500, "TRANSIENT_ERROR")]
)
def test_the_errors_that_the_fanout_example_shows(
    run: Start, sources: list[str], status: int, code: str
) -> None:
    function = run((EXAMPLES / "async-fanout" / "parser.py").read_text())

    reply = function.send({"sources": sources})

    assert (reply.status, reply.data["error"]["code"]) == (status, code)
