"""What parsers depend on, read from their manifests; and what Go's wrapper has to know of the code.

Pure, and deliberately shallow: enough to order the steps of a Dockerfile and to refuse early what the package
managers would refuse minutes later. Nothing here changes a manifest; the tools read the user's own bytes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from automation.dockerfiles import GO_MODULE, Dependencies

GO_MAIN: Final = "knative_lambda_main.go"
"""The file with `func main` that is put beside the user's; they cannot have one of that name."""

_LOCAL_REQUIREMENT: Final = re.compile(
    r"^\s*(?:-r|-c|-e|--requirement|--constraint|--editable|\.{0,2}/|\.\s*$|file:|[^#]*@\s*file:)",
    re.MULTILINE,
)
_LOCAL_PACKAGE: Final = re.compile(r"(?:file:|link:|\.{1,2}/|/|~/)")
_DEPENDENCIES: Final = ("dependencies", "optionalDependencies", "peerDependencies")
_COMMENT: Final = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_MODULE: Final = re.compile(
    r'^[ \t]*module[ \t]+"?([A-Za-z0-9][A-Za-z0-9._~/-]{0,254})"?[ \t]*$', re.MULTILINE
)
_REQUIRE: Final = re.compile(r"^[ \t]*require\b", re.MULTILINE)
_LOCAL_REPLACE: Final = re.compile(r"=>[ \t]*\"?\.{0,2}/")
_PACKAGE: Final = re.compile(r"^[ \t]*package[ \t]+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
_HAS_MAIN: Final = re.compile(r"^func[ \t]+main[ \t]*\(", re.MULTILINE)
_GO_HANDLERS: Final = ("Handler", "Handle", "Parse", "handler", "handle", "parse")


class InvalidManifest(Exception):
    """A manifest or the code that goes with it cannot be built; the text says why."""


@dataclass(frozen=True, kw_only=True)
class GoProgram:
    """How the wrapper and a Go parser become one program."""

    handler: str
    """Name of the function that is called."""
    in_code: bool
    """The parser's package is `main`: its `func main` goes in there, for nobody can import it."""
    main: str
    """Source of the file with `func main`."""


def python(code: Mapping[str, bytes]) -> Dependencies:
    """Return what requirements.txt asks for. Raises InvalidManifest."""
    text = _text(code, "requirements.txt")
    return Dependencies(
        manifests=("requirements.txt",),
        install=bool(text.strip()),
        local=_LOCAL_REQUIREMENT.search(text) is not None,
    )


def nodejs(code: Mapping[str, bytes]) -> Dependencies:
    """Return what package.json asks for; its lock is installed exactly. Raises InvalidManifest."""
    if "package.json" not in code:
        if "package-lock.json" in code:
            raise InvalidManifest("package-lock.json is there without its package.json; add that")
        return Dependencies()
    wanted = _wanted(_json(code, "package.json"))
    if wanted and any(path.startswith("node_modules/") for path in code):
        raise InvalidManifest(
            "node_modules is in the folder, and package.json names dependencies; leave node_modules out, "
            "the build installs them"
        )
    locked = "package-lock.json" in code
    return Dependencies(
        manifests=("package.json", "package-lock.json") if locked else ("package.json",),
        install=bool(wanted),
        local=any(_LOCAL_PACKAGE.match(version) for version in wanted.values()),
    )


def go(code: Mapping[str, bytes]) -> Dependencies:
    """Return what go.mod asks for. Raises InvalidManifest."""
    text = _COMMENT.sub("", _text(code, "go.mod"))
    install = _REQUIRE.search(text) is not None
    local = _LOCAL_REPLACE.search(text) is not None
    if install and not local and "go.sum" not in code:
        raise InvalidManifest("go.mod requires modules but there is no go.sum; run `go mod tidy` and add it")
    manifests = tuple(name for name in ("go.mod", "go.sum") if name in code)
    return Dependencies(manifests=manifests, install=install, local=local)


def go_program(code: Mapping[str, bytes], entry: str) -> GoProgram:
    """Return how the parser is called, and the `func main` that does it. Raises InvalidManifest."""
    sources = {
        path: _COMMENT.sub("", _text(code, path))
        for path in code
        if path.endswith(".go") and "/" not in path and not path.endswith("_test.go")
    }
    package = _PACKAGE.search(sources[entry])
    if package is None:
        raise InvalidManifest(f"{entry} has no package clause; begin it with `package parser`")
    in_code = package[1] == "main"
    handler = _go_handler(sources, entry, exported=not in_code)
    if in_code and any(_HAS_MAIN.search(text) for text in sources.values()):
        raise InvalidManifest(
            f"there is a func main, and the platform's wrapper has its own; take it away and keep {handler}"
        )
    if GO_MAIN in code:
        raise InvalidManifest(f"the name {GO_MAIN} is the wrapper's; give that file another one")
    return GoProgram(handler=handler, in_code=in_code, main=_main(_module(code), handler, in_code))


def _go_handler(sources: Mapping[str, str], entry: str, *, exported: bool) -> str:
    names = [name for name in _GO_HANDLERS if not exported or name[0].isupper()]
    for name in names:
        if any(re.search(rf"^func[ \t]+{name}[ \t]*\(", text, re.MULTILINE) for text in sources.values()):
            return name
    raise InvalidManifest(
        f"{entry} has none of the functions {', '.join(names)}; "
        "write `func Handler(event map[string]any) (map[string]any, error)`"
    )


def _main(module: str, handler: str, in_code: bool) -> str:
    imports = f'\twrapper "{GO_MODULE}"\n'
    if not in_code:
        imports += f'\n\tparser "{module}"\n'
    call = handler if in_code else f"parser.{handler}"
    return (
        "// Code generated by Knative Lambda. DO NOT EDIT.\n\n"
        f"package main\n\nimport (\n{imports})\n\n"
        f"func main() {{\n\twrapper.Main({call})\n}}\n"
    )


def _module(code: Mapping[str, bytes]) -> str:
    match = _MODULE.search(_COMMENT.sub("", _text(code, "go.mod")))
    if match is None:
        raise InvalidManifest(
            "go.mod names no module of letters, digits and ._~/-; begin it with `module parser`"
        )
    if match[1] == GO_MODULE:
        raise InvalidManifest(f"the module {GO_MODULE} is the wrapper's; give go.mod another name")
    return match[1]


def _wanted(package: Any) -> dict[str, str]:
    groups = [package.get(key) or {} for key in _DEPENDENCIES] if isinstance(package, dict) else []
    if not groups or not all(isinstance(group, dict) for group in groups):
        raise InvalidManifest("package.json is no object with objects of dependencies; npm cannot read it")
    return {name: str(version) for group in groups for name, version in group.items()}


def _json(code: Mapping[str, bytes], name: str) -> Any:
    try:
        return json.loads(_text(code, name))
    except (ValueError, RecursionError) as error:
        raise InvalidManifest(f"{name} is not JSON: {str(error)[:200]}") from error


def _text(code: Mapping[str, bytes], name: str) -> str:
    try:
        return code.get(name, b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidManifest(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}") from error
