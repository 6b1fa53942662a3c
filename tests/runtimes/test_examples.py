"""The examples answer as their expected.json says; those with dependencies are tried by `make demo`."""

import json
from pathlib import Path

import pytest

from automation.languages import LANGUAGES, detect
from local.deploy import missing
from tests.runtimes.toolchains import ROOT

EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
ALONE = [path for path in EXAMPLES if path.name in ("hello", "async-fanout", "hello-nodejs", "hello-go")]


def language_of(folder: Path) -> str:
    return detect([path.name for path in folder.iterdir()]).language.name


@pytest.mark.parametrize("folder", [pytest.param(path, id=path.name) for path in ALONE])
def test_an_example_answers_as_expected(runtimes, folder) -> None:
    runtime = runtimes[language_of(folder)]
    if runtime.missing():
        pytest.skip(runtime.missing())
    function = runtime.start_folder(folder, {})

    try:
        reply = function.started().send(json.loads((folder / "event.json").read_text()))
    finally:
        function.close()

    assert missing(json.loads((folder / "expected.json").read_text()), reply.data) == []


@pytest.mark.parametrize("folder", [pytest.param(path, id=path.name) for path in EXAMPLES])
def test_an_example_is_whole(folder) -> None:
    names = {path.name for path in folder.iterdir()}

    assert names >= {"README.md", "event.json", "expected.json"}
    assert json.loads((folder / "expected.json").read_text())["result"]


def test_every_language_has_an_example_with_and_one_without_dependencies() -> None:
    found = {language_of(folder): 0 for folder in EXAMPLES}
    for folder in EXAMPLES:
        found[language_of(folder)] += folder not in ALONE

    assert found == dict.fromkeys(LANGUAGES, 1)


@pytest.mark.parametrize(
    ("sources", "status", "code"), [([], 422, "VALIDATION_ERROR"), (["busy"], 500, "TRANSIENT_ERROR")]
)
def test_the_errors_that_the_fanout_example_shows(runtimes, sources, status, code) -> None:
    function = runtimes["python"].start_folder(ROOT / "examples" / "async-fanout", {})

    try:
        reply = function.started().send({"sources": sources})
    finally:
        function.close()

    assert (reply.status, reply.data["error"]["code"]) == (status, code)
