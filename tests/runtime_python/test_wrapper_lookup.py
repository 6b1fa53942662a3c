"""Which function is called, and with what; and what is refused at the start, with a text that helps."""

import pytest
from wrapper_process import Start

ONE = "def {name}(event): return '{name} of ' + __name__\n"


@pytest.mark.parametrize(
    ("files", "wanted", "called"),
    [
        pytest.param({"parser.py": ONE.format(name="handler")}, "", "handler of parser", id="default"),
        pytest.param({"parser.py": ONE.format(name="run")}, "parser.run", "run of parser", id="as named"),
        pytest.param({"parser.py": ONE.format(name="run")}, "run", "run of parser", id="function only"),
        pytest.param(
            {"main.py": ONE.format(name="handler")},
            "index.handler",
            "handler of main",
            id="conventional file",
        ),
        pytest.param({"jobs.py": ONE.format(name="run")}, "jobs.run", "run of jobs", id="own file"),
        pytest.param(
            {"pkg/__init__.py": "", "pkg/jobs.py": ONE.format(name="run")},
            "pkg.jobs.run",
            "run of pkg.jobs",
            id="dotted",
        ),
        pytest.param({"pkg/__init__.py": ONE.format(name="run")}, "pkg.run", "run of pkg", id="package"),
        pytest.param({"parser.py": ONE.format(name="main")}, "", "main of parser", id="fallback main"),
        pytest.param(
            {"parser.py": ONE.format(name="parse")}, "parser.nope", "parse of parser", id="fallback parse"
        ),
        pytest.param(
            {"json.py": ONE.format(name="run")}, "json.run", "run of json", id="name of the library"
        ),
        pytest.param(
            {"wrapper.py": ONE.format(name="run")}, "wrapper.run", "run of wrapper", id="name of ours"
        ),
    ],
)
def test_the_handler_is_found_by_the_rule(
    run: Start, files: dict[str, str], wanted: str, called: str
) -> None:
    assert run(files, HANDLER=wanted).send({}).data["result"]["body"] == called


def test_taking_another_function_than_the_one_named_is_logged(run: Start) -> None:
    function = run(ONE.format(name="main"), HANDLER="parser.nope")

    record = function.wait_for_record(level="warning", logger="wrapper.handlers")
    assert (record["wanted"], record["found"]) == ("parser.nope", "parser.main")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("def handler(event): return event['a']", 1, id="one argument"),
        pytest.param("def handler(event, context): return context.function_name", "lambda-acme-p1", id="two"),
        pytest.param(
            "def handler(event, context=None): return context is not None", True, id="optional context"
        ),
        pytest.param("def handler(event, ctx=None): return ctx is not None", True, id="optional ctx"),
        pytest.param("def handler(event, retries=3): return retries", 3, id="an option of its own"),
        pytest.param("def handler(*args): return len(args)", 2, id="variadic"),
        pytest.param("def handler(event, **options): return len(options)", 0, id="keywords"),
        pytest.param("async def handler(event): return event['a']", 1, id="async"),
        pytest.param(
            "async def handler(event, context): return context.parser_id", "p1", id="async with context"
        ),
        pytest.param(
            "async def later(e): return e['a']\nhandler = lambda event: later(event)",
            1,
            id="awaitable result",
        ),
        pytest.param(
            "class H:\n  def __call__(self, event): return event['a']\nhandler = H()", 1, id="callable object"
        ),
        pytest.param("def handler(event): return event['data']['a']", 1, id="data of the envelope"),
        pytest.param("def handler(event): return event['type']", "t.parser.start", id="type of the envelope"),
        pytest.param("def handler(event): return list(event)", ["a"], id="only data when iterated"),
        pytest.param("def handler(event): return event.get('nope', 5)", 5, id="default"),
        pytest.param(
            "import os\ndef handler(event): return os.path.exists('wrapper')", True, id="working folder"
        ),
    ],
)
def test_arguments_follow_the_signature(run: Start, code: str, expected: object) -> None:
    assert run(code).send({"a": 1}).data["result"]["body"] == expected


def test_a_name_in_the_data_wins_over_the_envelope(run: Start) -> None:
    function = run("def handler(event): return [event['type'], event.get('source')]")

    assert function.send({"type": "mine", "source": None}).data["result"]["body"] == ["mine", None]


def test_dependencies_and_own_modules_are_importable(run: Start) -> None:
    files = {
        "parser.py": "import dependency, helper\ndef handler(event): return [dependency.N, helper.N]",
        "helper.py": "N = 1",
        "packages/dependency.py": "N = 2",
    }

    assert run(files).send({}).data["result"]["body"] == [2, 1]


@pytest.mark.parametrize(
    ("files", "wanted", "text"),
    [
        pytest.param(
            {"parser.py": "print('done')"},
            "",
            "parser defines no function; it seems to be a plain script",
            id="script",
        ),
        pytest.param(
            {"parser.py": "import sys; sys.exit(3)"}, "", "ended itself with sys.exit(3)", id="exits"
        ),
        pytest.param({"parser.py": "def work(e): pass"}, "", "it has work", id="other name"),
        pytest.param(
            {"parser.py": "import nope"},
            "",
            "No module named 'nope' (parser.py, line 1); is it in requirements.txt?",
            id="missing dependency",
        ),
        pytest.param({"parser.py": "def handler(:"}, "", "SyntaxError", id="syntax"),
        pytest.param(
            {"parser.py": "1/0"}, "", "ZeroDivisionError: division by zero (parser.py, line 1)", id="raises"
        ),
        pytest.param({"other.py": ""}, "", "there is other", id="no module"),
        pytest.param(
            {"parser.py": ""},
            "jobs.run",
            "no module jobs in the code folder; there is parser",
            id="module named is not there",
        ),
        pytest.param({"parser.py": "def handler(): pass"}, "", "takes 0 arguments", id="no argument"),
        pytest.param(
            {"parser.py": "def handler(a, b, c): pass"}, "", "takes 3 arguments", id="three arguments"
        ),
        pytest.param(
            {"parser.py": "def handler(a, *, b): pass"},
            "",
            "needs the keyword argument b",
            id="keyword needed",
        ),
        pytest.param({"parser.py": "def handler(event): yield 1"}, "", "is a generator", id="generator"),
        pytest.param(
            {"parser.py": "async def handler(event): yield 1"}, "", "is a generator", id="async generator"
        ),
        pytest.param(
            {"parser.py": "class handler:\n  def __init__(self, e): pass"},
            "",
            "defines no function",
            id="class",
        ),
    ],
)
def test_what_cannot_be_called_ends_the_start_with_a_reason(
    launch: Start, files: dict[str, str], wanted: str, text: str
) -> None:
    function = launch(files, HANDLER=wanted)

    assert function.exit_status() == 1
    last = function.records()[-1]
    assert last["level"] == "critical"
    assert text in last["message"]
    assert "Traceback" not in "".join(function.lines)


def test_all_wrong_settings_are_reported_at_once(launch: Start) -> None:
    function = launch(
        "", PORT="x", TIMEOUT_SECONDS="-1", LOG_LEVEL="loud", FUNCTION_NAME="", FUNCTION_NAMESPACE=""
    )

    assert function.exit_status() == 1
    message = function.records()[-1]["message"]
    for name in ("PORT", "TIMEOUT_SECONDS", "LOG_LEVEL", "FUNCTION_NAME", "FUNCTION_NAMESPACE"):
        assert name in message


def test_a_port_that_is_taken_is_reported(run: Start, launch: Start) -> None:
    first = run(ONE.format(name="handler"))

    second = launch(ONE.format(name="handler"), PORT=str(first.port))

    assert second.exit_status() == 1
    assert "the port cannot be served" in second.records()[-1]["message"]
