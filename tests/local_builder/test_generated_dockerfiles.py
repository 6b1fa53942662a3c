"""Contexts as the service makes them become functions that run with their dependencies, in every language.

The packages come from registries of the test's own, which the mirror settings name.
"""

import subprocess
import tempfile
from pathlib import Path

import pytest

from automation import context
from automation.adapters import wrappers
from automation.code import held
from automation.dockerfiles import Toolchain
from local import toolchains
from local.builder import programs_image
from tests.local_builder import registries as registry
from tests.local_builder.conftest import BASE, REPO
from tests.runtimes.process import FunctionProcess

PARSERS = {
    "python": {
        "parser.py": "import greeting\n\ndef handler(event):\n    return greeting.WORD + 'NUMBER'\n",
        "requirements.txt": "greeting==1.0.0\n",
    },
    "nodejs": {
        "parser.js": "const { word } = require('greeting');\nexports.handler = () => word + 'NUMBER';\n",
        "package.json": '{"dependencies": {"greeting": "1.0.0"}}',
    },
    "go": {
        "parser.go": f'package main\n\nimport greeting "{registry.MODULE}"\n\n'
        'func Handler(event any) string { return greeting.Word + "NUMBER" }\n',
        "go.mod": f"module parser\n\ngo 1.24\n\nrequire {registry.MODULE} v1.0.0\n",
        "go.sum": registry.go_sum(),
    },
}
INSTALLS = {
    "python": "RUN python -m pip install",
    "nodejs": "RUN npm install",
    "go": "RUN cd code && GOWORK=off go mod",
}


@pytest.fixture
def registries(tmp_path: Path):
    """Registries that know one package."""
    folder = tmp_path / "packages"
    folder.mkdir()
    with registry.serving(folder) as made:
        yield made


@pytest.fixture
def environ(tmp_path: Path):
    """Caches of the package managers; Go's is write-protected, so it takes its own command to remove it."""
    yield {
        "NPM_CONFIG_CACHE": str(tmp_path / "npm"),
        "GOMODCACHE": str(tmp_path / "modules"),
        # Kept between runs: compiling the standard library takes half a minute.
        "GOCACHE": str(Path(tempfile.gettempdir()) / "knative-lambda-go-cache"),
        "PIP_NO_INDEX": "0",
        "PIP_FIND_LINKS": "",
    }
    if (tmp_path / "modules").exists():
        subprocess.run(["chmod", "-R", "u+w", tmp_path / "modules"], check=True)


def base_image(builder, language: str) -> str:
    """Register the language's base images and return the one for builds."""
    if language == "python":
        return BASE
    if language in toolchains.missing():
        pytest.skip(toolchains.missing()[language])
    found = toolchains.found()[language]
    for reference in found.images:
        builder.images.register_builtin(reference, programs_image(found.folder))
    return found.images[0]


def make(language: str, number: int, base: str, mirror: str) -> bytes:
    code = {path: text.replace("NUMBER", str(number)).encode() for path, text in PARSERS[language].items()}
    tools = Toolchain(base_image=base, run_image=toolchains.GO_RUN_IMAGE, mirror=mirror)
    wrapper = wrappers.read(REPO / "runtimes" / language / "wrapper")
    parser = held(code)
    made = context.assemble(parser, context.Runtime(wrapper=wrapper, tools=tools), context.detect(parser))
    with made.archive as archive:
        return archive.read()


def answer(builder) -> object:
    """Start the image as the node would, and call it."""
    image = builder.image()
    app = image.rootfs / "app"
    command = [part.replace("/app", str(app)) for part in image.config.entrypoint]
    function = FunctionProcess(command, app, {**image.config.env, "PORT": "0"})
    try:
        return function.started().send({}).data["result"]["body"]
    finally:
        function.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", PARSERS)
def test_a_changed_parser_is_built_on_the_layer_of_its_unchanged_dependencies(
    builder, registries, environ, language, tmp_path
):
    base = base_image(builder, language)
    logs, asked = [], []
    for number in (1, 2):
        archive = tmp_path / f"{number}.tar.gz"
        archive.write_bytes(make(language, number, base, registries.mirror(language)))
        result = builder.run(f"tar://{archive}", "--cache=true", environ=environ, timeout=240)
        assert result.status == 0, result.log
        assert answer(builder) == f"hello{number}"
        logs.append(result.log)
        asked.append(len(registries.asked))

    cached = f"Using caching version of cmd: {INSTALLS[language]}"
    assert [cached in log for log in logs] == [False, True]
    assert 0 < asked[0] == asked[1], "nothing was fetched for the second build"
