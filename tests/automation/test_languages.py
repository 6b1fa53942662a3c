"""Which language a folder is in, where its handler is, and which versions are built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation import languages, preparation
from automation.code import held
from automation.languages import GO, LANGUAGES, NODEJS, PYTHON, RUNTIMES, UnknownLanguage, detect

NAMES = [
    name for language in LANGUAGES.values() for name in (*language.entries, language.manifest, language.lock)
]


@pytest.mark.parametrize(
    ("paths", "language", "entry"),
    [
        pytest.param(["parser.py", "requirements.txt"], PYTHON, "parser.py", id="python"),
        pytest.param(["main.py"], PYTHON, "main.py", id="python-main"),
        pytest.param(["parser.js", "package.json"], NODEJS, "parser.js", id="nodejs"),
        pytest.param(["index.js"], NODEJS, "index.js", id="nodejs-index"),
        pytest.param(["index.mjs", "package.json"], NODEJS, "index.mjs", id="nodejs-module"),
        pytest.param(["parser.go", "go.mod", "go.sum"], GO, "parser.go", id="go"),
        pytest.param(["main.go", "go.mod", "main_test.go"], GO, "main.go", id="go-main"),
        pytest.param(["only.go", "only_test.go"], GO, "only.go", id="the-only-go-file"),
        pytest.param(["whatever.cjs", "data.json"], NODEJS, "whatever.cjs", id="the-only-js-file"),
        pytest.param(["parser.go", "tools/gen.py", "index.js"], GO, "parser.go", id="parser-wins"),
        pytest.param(["parser.py", "build.js"], PYTHON, "parser.py", id="parser-wins-over-the-only-file"),
    ],
)
def test_a_folder_tells_its_language(paths, language, entry):
    found = detect(paths)

    assert (found.language, found.entry) == (language, entry)


def test_the_language_that_is_named_wins():
    assert detect(["parser.py", "index.js"], "nodejs").entry == "index.js"


@pytest.mark.parametrize(
    ("paths", "language", "problem"),
    [
        pytest.param([], None, "there are no files", id="empty"),
        pytest.param(["index.js", "main.py"], None, "set `language` to one of python, nodejs", id="two"),
        pytest.param(
            ["parser.js", "parser.py"], None, "parser.py, parser.js are of different", id="two-parsers"
        ),
        pytest.param(
            ["a.py", "b.py"], None, "name the file with the handler parser.py or parser.js", id="none"
        ),
        pytest.param(
            ["go.mod", "lib/a.go"], None, "go.mod says go, but none of parser.go, main.go", id="manifest"
        ),
        pytest.param(["parser.py"], "go", "name the file with the handler parser.go", id="other-language"),
        pytest.param(["parser.py"], "ruby", "allowed: python, nodejs, go", id="unknown-language"),
    ],
)
def test_a_folder_that_does_not_tell_is_refused_with_a_remedy(paths, language, problem):
    with pytest.raises(UnknownLanguage) as refused:
        detect(paths, language)

    assert problem in str(refused.value)


@given(
    st.lists(st.sampled_from(NAMES) | st.text(max_size=8), max_size=6),
    st.sampled_from([None, *LANGUAGES, "x"]),
)
def test_any_files_are_of_a_language_or_refused(paths, language):
    try:
        found = detect(paths, language)
    except UnknownLanguage as refused:
        assert str(refused)  # noqa: PT017 - either is right
    else:
        assert found.entry in paths
        assert found.entry.endswith(found.language.suffixes)
        assert language in (None, found.language.name)


@pytest.mark.parametrize(
    ("runtime", "version"),
    [
        ("python3.9", "3.11"),
        ("python3.10", "3.11"),
        ("python3.13", "3.13"),
        ("nodejs18", "20"),
        ("nodejs22", "22"),
        ("go1.20", "1.24"),
        ("go1.21", "1.24"),
        ("go1.25", "1.25"),
    ],
)
def test_versions_that_are_too_old_are_built_as_the_oldest(runtime, version):
    language = next(each for each in LANGUAGES.values() if runtime in each.runtimes)

    assert language.version_of(runtime) == version


def test_every_runtime_of_the_contract_is_accepted():
    contract = ["nodejs18", "nodejs20", "python3.9", "python3.10", "python3.11", "go1.20", "go1.21"]

    assert not [name for name in contract if not any(name in runtimes for runtimes in RUNTIMES.values())]


@pytest.mark.parametrize(
    ("key", "language", "path"),
    [
        ("global/parser/p1", None, "parser.py"),
        ("global/parser/p1", "nodejs", "parser.js"),
        ("global/parser/p1/", "go", "parser.go"),
        ("any/main.go", None, "main.go"),
        ("any/job.mjs", "python", "job.mjs"),
    ],
)
def test_a_single_object_is_a_file_of_its_language(key, language, path):
    code = held({languages.object_name(key): b"code"})

    assert preparation.named(code, language) == {path: b"code"}


@pytest.mark.parametrize(
    ("image", "version", "chosen"),
    [
        ("python:3.11-slim", "3.12", "python:3.12-slim"),
        ("mirror.test:5000/node:22", "20", "mirror.test:5000/node:20"),
        ("golang:1.25.3-alpine3.22", "1.26", "golang:1.26-alpine3.22"),
        ("mirror.test:5000/node", "20", None),
        ("node:lts", "20", None),
        ("node:22@sha256:" + "1" * 64, "20", None),
        ("node:lts", None, "node:lts"),
    ],
)
def test_a_version_takes_the_place_of_the_tags(image, version, chosen):
    assert languages.with_version(image, version) == chosen
