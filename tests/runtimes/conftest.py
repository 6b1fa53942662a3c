"""One suite for every runtime: each test gets a `runtime` and drives its functions over HTTP.

Inputs: the parsers in `parsers/<language>/<name>/`, which do the same in every language, and the environment;
outputs: HTTP answers, log lines and the exit status. Nothing is mocked: a function is a process of its own.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.runtimes.process import FunctionProcess
from tests.runtimes.toolchains import Compiled, Interpreted, toolchains

LANGUAGES = ("python", "nodejs", "go")
Runtime = Interpreted | Compiled
Start = Callable[..., FunctionProcess]


@pytest.fixture(scope="session")
def runtimes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runtime]:
    """All runtimes by language."""
    return toolchains(tmp_path_factory.mktemp("runtimes"))


@pytest.fixture(scope="session", params=LANGUAGES)
def runtime(request: pytest.FixtureRequest, runtimes: dict[str, Runtime]) -> Runtime:
    """One runtime after the other."""
    chosen = runtimes[request.param]
    if chosen.missing():
        pytest.skip(chosen.missing())
    return chosen


@pytest.fixture
def launch(runtime: Runtime) -> Iterator[Start]:
    """Start a parser by its name and do not wait for it."""
    functions = []

    def start(parser: str = "actions", **env: str) -> FunctionProcess:
        functions.append(runtime.start(parser, env))
        return functions[-1]

    yield start
    for function in functions:
        function.close()


@pytest.fixture
def run(launch: Start) -> Start:
    """Start a parser by its name and wait until it serves."""
    return lambda parser="actions", **env: launch(parser, **env).started()


def _shared(parser: str) -> Callable[[Runtime], Iterator[FunctionProcess]]:
    def fixture(runtime: Runtime) -> Iterator[FunctionProcess]:
        function = runtime.start(parser, {}).started()
        yield function
        function.close()

    fixture.__doc__ = f"The parser `{parser}`, shared by all tests of a runtime."
    return fixture


actions = pytest.fixture(scope="session", name="actions")(_shared("actions"))
plain = pytest.fixture(scope="session", name="plain")(_shared("plain"))
whole = pytest.fixture(scope="session", name="whole")(_shared("whole"))
