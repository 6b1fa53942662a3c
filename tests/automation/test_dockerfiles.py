"""The generated Dockerfiles: dependencies before code, one line an instruction whatever the values are."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automation import context, dockerfiles
from automation.code import held
from automation.dockerfiles import Dependencies, Toolchain
from automation.errors import InvalidEvent

TOOLS = Toolchain(base_image="base:1.2", run_image="run:3")
ANY = st.text(max_size=40) | st.text(alphabet="a1.:/@-_\\\"'$`;|&<>(){}[]#= \n\t\r", max_size=40)


def build(files, tools=TOOLS, language=None):
    code = {path: text.encode() for path, text in files.items()}
    runtime = context.Runtime(wrapper={}, tools=tools)
    return context.detect(code, language), context._own_files(
        code, runtime.tools, context.detect(code, language)
    )


def dockerfile(files, tools=TOOLS):
    return build(files, tools)[1][1]["Dockerfile"].decode().splitlines()


PARSERS = {
    "python": {"parser.py": "def handler(event): ...", "requirements.txt": "six==1.17.0\n"},
    "nodejs": {"parser.js": "exports.handler = 1", "package.json": '{"dependencies": {"ms": "^2"}}'},
    "go": {
        "parser.go": "package parser\n\nfunc Handler(e map[string]any) (any, error) { return nil, nil }\n",
        "go.mod": "module m\n\ngo 1.24\n\nrequire example.com/a v1.0.0\n",
        "go.sum": "example.com/a v1.0.0 h1:x\n",
    },
}
INSTALLS = {"python": "pip install", "nodejs": "npm install", "go": "go mod download"}
CODE = {"python": "COPY code ./code", "nodejs": "COPY code ./", "go": "COPY code ./code"}


def position(lines, text):
    return next(index for index, line in enumerate(lines) if text in line)


@pytest.mark.parametrize("language", PARSERS)
def test_dependencies_are_installed_before_the_code_is_copied(language):
    lines = dockerfile(PARSERS[language])

    manifest = next(line for line in lines if line.startswith("COPY code/"))
    assert lines.index(manifest) < position(lines, INSTALLS[language]) < lines.index(CODE[language])


@pytest.mark.parametrize(
    ("language", "change"),
    [
        pytest.param("python", {"requirements.txt": "-r more.txt\n"}, id="requirements-of-requirements"),
        pytest.param("python", {"requirements.txt": "six\n./lib\n"}, id="folder"),
        pytest.param("python", {"requirements.txt": "-e .\n"}, id="editable"),
        pytest.param("nodejs", {"package.json": '{"dependencies": {"a": "file:./a"}}'}, id="file"),
        pytest.param(
            "go", {"go.mod": "module m\nrequire a.b/c v1.0.0\nreplace a.b/c => ./lib\n"}, id="local-replace"
        ),
    ],
)
def test_dependencies_on_files_of_the_folder_are_installed_after_the_code(language, change):
    lines = dockerfile({**PARSERS[language], **change})

    assert lines.index(CODE[language]) < position(lines, INSTALLS[language])


@pytest.mark.parametrize(
    ("language", "change"),
    [
        pytest.param("python", {"requirements.txt": " \n"}, id="blank-requirements"),
        pytest.param("nodejs", {"package.json": '{"type": "module"}'}, id="package-without-dependencies"),
        pytest.param(
            "go", {"go.mod": "module m\n\n// require nothing\ngo 1.24\n"}, id="module-without-requires"
        ),
    ],
)
def test_without_dependencies_nothing_is_installed(language, change):
    assert INSTALLS[language] not in "".join(dockerfile({**PARSERS[language], **change}))


def test_a_lock_is_installed_exactly():
    lines = dockerfile({**PARSERS["nodejs"], "package-lock.json": "{}"})

    assert "COPY code/package.json code/package-lock.json ./" in lines
    assert "npm ci " in "".join(lines)


@pytest.mark.parametrize(
    ("language", "mirror", "line"),
    [
        ("python", "https://pypi.test:8443/simple/", "--index-url=https://pypi.test:8443/simple/ "),
        ("nodejs", "http://npm.test", "--registry=http://npm.test"),
        (
            "go",
            "https://go.test|https://other.test/x,direct",
            "GOPROXY=https://go.test|https://other.test/x,direct",
        ),
    ],
)
def test_packages_come_from_the_mirror(language, mirror, line):
    tools = Toolchain(base_image="base:1", run_image="run:1", mirror=mirror)

    assert line in "\n".join(dockerfile(PARSERS[language], tools))


@pytest.mark.parametrize(
    ("files", "program"),
    [
        pytest.param({}, 'parser "m"\n)\n\nfunc main() {\n\twrapper.Main(parser.Handler)', id="package"),
        pytest.param(
            {"parser.go": "package main\n\nfunc handler(e any) any { return e }\n"},
            "wrapper.Main(handler)",
            id="main",
        ),
        pytest.param(
            {
                "parser.go": "/*\npackage x\n*/\npackage main // y\n",
                "b.go": "package main\nfunc Parse(e any) {}\n",
            },
            "wrapper.Main(Parse)",
            id="other-file",
        ),
        pytest.param(
            {"go.mod": 'module "example.com/a-b/v2" // x\n'}, 'parser "example.com/a-b/v2"', id="quoted"
        ),
    ],
)
def test_the_go_program_calls_the_parsers_function(files, program):
    _, (_, own) = build({**PARSERS["go"], **files})

    assert program in own["generated/knative_lambda_main.go"].decode()


def test_go_code_without_a_module_gets_one():
    code = held({"parser.go": b"package parser\nfunc Handler(e any) any { return e }\n"})
    made = context.assemble(code, context.Runtime(wrapper={}, tools=TOOLS), context.detect(code))
    made.archive.close()

    assert made.handler == "parser.Handler"
    assert made.language == "go"


@pytest.mark.parametrize(
    ("language", "change", "problem"),
    [
        (
            "go",
            {"parser.go": "package parser\n"},
            "parser.go has none of the functions Handler, Handle, Parse;",
        ),
        ("go", {"parser.go": "package main\nfunc Handler(){}\nfunc main() {}\n"}, "there is a func main"),
        ("go", {"parser.go": "// nothing\n"}, "no package clause"),
        ("go", {"knative_lambda_main.go": "package parser"}, "is the wrapper's; give that file another one"),
        ("go", {"go.mod": "module knative-lambda/wrapper\n"}, "give go.mod another name"),
        ("go", {"go.mod": 'module m"; import "os\n'}, "go.mod names no module"),
        ("go", {"go.sum": None}, "there is no go.sum; run `go mod tidy`"),
        ("go", {"parser.go": b"package \xff"}, "parser.go is not UTF-8 text"),
        ("nodejs", {"package.json": "{"}, "package.json is not JSON"),
        ("nodejs", {"package.json": "[" * 100_000}, "package.json is not JSON"),
        ("nodejs", {"package.json": "[]"}, "package.json is no object"),
        ("nodejs", {"package.json": '{"dependencies": ["a"]}'}, "package.json is no object"),
        ("nodejs", {"package.json": None, "package-lock.json": "{}"}, "without its package.json"),
        ("nodejs", {"node_modules/ms/index.js": "1"}, "leave node_modules out"),
        ("python", {"requirements.txt": b"\xff"}, "requirements.txt is not UTF-8"),
        ("python", {"parser.py": None, "my parser.py": ""}, "its name is not of letters, digits, - and _"),
    ],
)
def test_what_would_fail_in_the_build_is_refused_before_it(language, change, problem):
    changed = {**PARSERS[language], **change}
    code = held(
        {
            path: text if isinstance(text, bytes) else text.encode()
            for path, text in changed.items()
            if text is not None
        }
    )

    with pytest.raises(InvalidEvent) as refused:
        context.assemble(code, context.Runtime(wrapper={}, tools=TOOLS), context.detect(code))

    assert problem in refused.value.message


@given(ANY, ANY, ANY, ANY)
@example("a\nRUN evil", "run", "", "parser.handler")
@example("a", "run AS x", "", "parser.handler")
@example("a", "run", "https://user:secret@host/", "parser.handler")
@example("a", "run", "https://host/$(evil)", "parser.handler")
@example("a", "run", "", 'x" USER="root')
def test_whatever_the_values_are_the_instructions_stay_or_they_are_refused(base, run, mirror, handler):
    tools = Toolchain(base_image=base, run_image=run, mirror=mirror)
    usual = Toolchain(base_image="b", run_image="r", mirror="https://m" if mirror else "")
    dependencies = Dependencies(manifests=("go.mod",), install=True)
    for make in (
        dockerfiles.python,
        dockerfiles.nodejs,
        lambda *values: dockerfiles.go(*values, in_code=True),
    ):
        try:
            text = make(tools, handler, dependencies)
        except ValueError as refused:
            assert "allowed is" in str(refused)  # noqa: PT017 - either is right
            continue
        assert shape(text) == shape(make(usual, "parser.handler", dependencies))


def shape(text):
    """Return the instructions, each with the number of its words and without what quoting is about."""
    assert not set(text) & set("$`\\\r\t;<>#"), text
    return [(line.split(" ")[0], line.count(" "), line.count('"')) for line in text.splitlines()]
