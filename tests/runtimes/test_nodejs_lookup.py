"""Which function of a JavaScript parser is called; and what is refused at the start, with a text that helps.

The rest of the suite is for all languages. What Go calls is decided before it is compiled
(tests/automation/test_dockerfiles.py), what Python calls is in tests/runtime_python.
"""

import itertools
import json
from pathlib import Path

import pytest

ONE = "exports.{name} = (event) => '{name}';\n"


@pytest.fixture
def begin(runtimes, tmp_path: Path):
    """Start a function from files and do not wait for it."""
    runtime = runtimes["nodejs"]
    if runtime.missing():
        pytest.skip(runtime.missing())
    numbers, functions = itertools.count(), []

    def start(files: dict[str, str], **env: str):
        folder = tmp_path / str(next(numbers))
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        functions.append(runtime.start_folder(folder, env))
        return functions[-1]

    yield start
    for function in functions:
        function.close()


@pytest.mark.parametrize(
    ("files", "wanted", "called"),
    [
        pytest.param({"parser.js": ONE.format(name="handler")}, "", "handler", id="default"),
        pytest.param({"parser.js": ONE.format(name="run")}, "parser.run", "run", id="as-named"),
        pytest.param({"parser.js": ONE.format(name="run")}, "run", "run", id="function-only"),
        pytest.param({"main.js": ONE.format(name="handler")}, "index.handler", "handler", id="other-file"),
        pytest.param({"jobs/index.js": ONE.format(name="run")}, "jobs.run", "run", id="folder"),
        pytest.param({"lib/jobs.cjs": ONE.format(name="run")}, "lib/jobs.run", "run", id="path"),
        pytest.param({"parser.js": ONE.format(name="parse")}, "parser.nope", "parse", id="fallback-parse"),
        pytest.param({"parser.js": "module.exports = () => 'itself'"}, "", "itself", id="module-itself"),
        pytest.param({"parser.mjs": "export default () => 'default'"}, "", "default", id="default-export"),
        pytest.param({"parser.mjs": "export const handler = () => 'esm'"}, "", "esm", id="ecmascript"),
        pytest.param(
            {
                "parser.js": "await 0; export const handler = () => 'esm'",
                "package.json": '{"type": "module"}',
            },
            "",
            "esm",
            id="type-module",
        ),
        pytest.param(
            {"parser.js": "exports.__esModule = true; exports.default = () => 'ts'"},
            "",
            "ts",
            id="transpiled",
        ),
        pytest.param(
            {
                "parser.js": "const mine = require('mine'); exports.handler = () => mine + require('./own')",
                "own.js": "module.exports = 2",
                "node_modules/mine/index.js": "module.exports = 1",
            },
            "",
            3,
            id="packages-and-own-modules",
        ),
    ],
)
def test_the_function_that_is_called(begin, files, wanted, called) -> None:
    function = begin(files, HANDLER=wanted).started()

    assert function.send({}).data["result"]["body"] == called


@pytest.mark.parametrize(
    ("files", "wanted", "text"),
    [
        pytest.param(
            {"parser.js": "console.log(1)"}, "", "parser exports no function; it seems", id="script"
        ),
        pytest.param({"parser.js": "process.exit(3)"}, "", "ended itself with process.exit(3)", id="exits"),
        pytest.param({"parser.js": "exports.work = () => 1"}, "", "it exports work", id="other-name"),
        pytest.param({"parser.js": "\nrequire('nope')"}, "", "is it in package.json?", id="missing"),
        pytest.param({"parser.js": "\nrequire('nope')"}, "", "(parser.js, line 2)", id="place"),
        pytest.param({"parser.js": "exports.handler = ("}, "", "SyntaxError", id="syntax"),
        pytest.param(
            {"parser.js": "throw new Error('bad')"}, "", "Error: bad (parser.js, line 1)", id="throws"
        ),
        pytest.param({"parser.js": "throw 'bad'"}, "", "thrown: bad", id="throws-text"),
        pytest.param({"other.js": ""}, "", "there is other.js", id="no-module"),
        pytest.param({"parser.js": ""}, "jobs.run", "no module jobs in the code folder", id="named-module"),
        pytest.param({"parser.js": ""}, "../wrapper/main.x", "no module ../wrapper/main", id="outside"),
        pytest.param(
            {"parser.js": "exports.handler = (e, c, done) => 1"}, "", "takes 3 arguments", id="callback"
        ),
        pytest.param(
            {"parser.js": "exports.handler = function* () {}"}, "", "is a generator", id="generator"
        ),
        pytest.param({"parser.js": "exports.handler = class {}"}, "", "exports no function", id="class"),
    ],
)
def test_what_cannot_be_called_ends_the_start_with_a_reason(begin, files, wanted, text) -> None:
    function = begin(files, HANDLER=wanted)

    assert function.exit_status() == 1
    last = function.records()[-1]
    assert last["level"] == "critical"
    assert text in last["message"]


def test_an_error_outside_of_any_call_replaces_the_instance(begin) -> None:
    code = "exports.handler = (event) => { setImmediate(() => { throw new Error('astray'); }); return 1; }"
    function = begin({"parser.js": code}).started()

    assert function.send({}).status == 200
    assert function.exit_status() == 1
    record = function.wait_for_record(
        message="an error was thrown outside of any call; the instance ends to be replaced"
    )
    assert (record["level"], record["error"]) == ("error", "astray")


def test_data_keeps_its_own_values_and_the_envelope_stays_behind(begin) -> None:
    code = """
exports.handler = (event) => {
  const before = event.type;
  event.id = 'mine';
  const text = JSON.stringify(event);
  return { before, keys: Object.keys(event), spread: { ...event }, source: event.source, text };
};
"""
    function = begin({"parser.js": code}).started()

    found = function.send({"type": "own", "a": 1}).data["result"]["body"]

    assert found == {
        "before": "own",
        "keys": ["type", "a", "id"],
        "spread": {"type": "own", "a": 1, "id": "mine"},
        "source": "network.notifi.acme",
        "text": json.dumps({"type": "own", "a": 1, "id": "mine"}, separators=(",", ":")),
    }
