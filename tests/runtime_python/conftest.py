"""Inputs: a parser's files and the environment; outputs: HTTP answers, log lines and the exit status.

Nothing is mocked: every function is a process of its own, as in its image.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from wrapper_process import Function, Start

ECHO = """
def handler(event):
    subject = event.get("subject")
    return {"data": event.data, "type": event.type, "source": event["source"], "subject": subject}
"""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Start]:
    """Start a function from files and do not wait for it."""
    numbers, functions = itertools.count(), []

    def start(files: dict[str, str] | str, **env: str) -> Function:
        folder = tmp_path / f"app-{next(numbers)}"
        folder.mkdir()
        function = Function(folder, {"parser.py": files} if isinstance(files, str) else files, env)
        functions.append(function)
        return function

    yield start
    for function in functions:
        function.close()


@pytest.fixture
def run(launch: Start) -> Start:
    """Start a function from files and wait until it serves."""
    return lambda files, **env: launch(files, **env).started()


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    """A function that answers with what it got, shared by the tests of a module."""
    function = Function(tmp_path_factory.mktemp("echo"), {"parser.py": ECHO}).started()
    yield function
    function.close()
