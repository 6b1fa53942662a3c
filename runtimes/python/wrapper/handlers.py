"""Finding the parser's function.

The rule, in full:

1. HANDLER is `module.function`; the module may be dotted. Without a dot it names the function alone.
2. The module is looked up in the code folder. When HANDLER names none, or one of the conventional names
   (parser, main, handler, index) that is not there, the first of those that exists is taken. Any other has to
   exist.
3. The function is the one named, else the first of handler, main, parse that the module has (with a warning).
4. It takes one argument, the event (`events.Event`), or two, the event and the context (`context.Context`).
   The second is passed when it is required, when its name is `context` or `ctx`, or to `*args`. The function
   may be async; it is no generator and no class.

Importing the module must not end the process: a plain script, which does its work when imported, is refused
with an explanation, as is a module that cannot be imported.
"""

import importlib.util
import inspect
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .context import Context
from .events import Event

CONVENTIONAL_MODULES = ("parser", "main", "handler", "index")
FALLBACK_FUNCTIONS = ("handler", "main", "parse")

_SHAPES = "write `def handler(event):` or `def handler(event, context):` (async is fine)"
_log = logging.getLogger("wrapper.handlers")


class HandlerError(Exception):
    """There is no function to call; the text says what was looked for, what is there and what to do."""


@dataclass(frozen=True)
class Handler:
    """A parser's function, ready to be called."""

    name: str
    """`module.function` as it was found."""
    function: Callable[..., Any]
    takes_context: bool

    def __call__(self, event: Event, context: Context) -> Any:
        """Call the function with as many arguments as it takes; the result may be awaitable."""
        return self.function(event, context) if self.takes_context else self.function(event)


def load(wanted: str, code: Path) -> Handler:
    """Import the module from the code folder and find its function. Raises HandlerError."""
    module_name, _, function_name = wanted.rpartition(".")
    module = _import(_find_module(module_name, code), code)
    name, function = _find_function(module, function_name)
    if f"{module.__name__}.{name}" != wanted:
        _log.warning(
            "the handler is not the one named", extra={"wanted": wanted, "found": f"{module.__name__}.{name}"}
        )
    return Handler(
        f"{module.__name__}.{name}", function, _takes_context(function, f"{module.__name__}.{name}")
    )


def _find_module(wanted: str, code: Path) -> str:
    conventional = not wanted or wanted in CONVENTIONAL_MODULES
    candidates = [wanted] if wanted else []
    if conventional:
        candidates += CONVENTIONAL_MODULES
    found = next((name for name in candidates if _file_of(name, code)), None)
    if found is None:
        present = sorted(path.stem for path in code.glob("*.py")) if code.is_dir() else []
        raise HandlerError(
            f"no module {' or '.join(dict.fromkeys(candidates))} in the code folder; "
            f"there is {', '.join(present) or 'no Python file'}: "
            "name the file parser.py or set HANDLER to module.function"
        )
    return found


def _file_of(name: str, code: Path) -> Path | None:
    stem = code.joinpath(*name.split("."))
    return next(
        (path for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py") if path.is_file()), None
    )


def _import(name: str, code: Path) -> ModuleType:
    try:
        return _import_file(name, code) if "." not in name else importlib.import_module(name)
    except SystemExit as error:
        raise HandlerError(
            f"{name} ended itself with sys.exit({error.code!r}) when it was imported; "
            f"it seems to be a plain script: {_SHAPES}"
        ) from error
    except Exception as error:  # the parser's own code: whatever it raises is reported
        raise HandlerError(f"{name} cannot be imported: {_import_problem(error)}") from error


def _import_file(name: str, code: Path) -> ModuleType:
    """Import by file, so that no module of the standard library or the wrapper hides the parser's own."""
    path = _file_of(name, code)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _import_problem(error: Exception) -> str:
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    if isinstance(error, ModuleNotFoundError):
        return f"{text}{place}; is it in requirements.txt?"
    return f"{text}{place}"


def _find_function(module: ModuleType, wanted: str) -> tuple[str, Callable[..., Any]]:
    for name in dict.fromkeys((wanted, *FALLBACK_FUNCTIONS)):
        function = getattr(module, name, None)
        if callable(function) and not inspect.isclass(function):
            return name, function
    own = sorted(
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    )
    if own:
        raise HandlerError(
            f"{module.__name__} has no function {wanted}, handler, main or parse; it has {', '.join(own)}: "
            "name one of them so or set HANDLER to module.function"
        )
    raise HandlerError(f"{module.__name__} defines no function; it seems to be a plain script: {_SHAPES}")


def _takes_context(function: Callable[..., Any], name: str) -> bool:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise HandlerError(
            f"{name} is a generator; return the whole result instead of yielding it: {_SHAPES}"
        )
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError) as error:
        raise HandlerError(f"the arguments of {name} cannot be told; wrap it: {_SHAPES}") from error
    required = [
        item.name for item in parameters if item.kind is item.KEYWORD_ONLY and item.default is item.empty
    ]
    if required:
        raise HandlerError(f"{name} needs the keyword argument {required[0]}, which nobody gives: {_SHAPES}")
    return _wants_second(
        [item for item in parameters if item.kind not in (item.KEYWORD_ONLY, item.VAR_KEYWORD)], name
    )


def _wants_second(parameters: list[inspect.Parameter], name: str) -> bool:
    variadic = any(item.kind is item.VAR_POSITIONAL for item in parameters)
    positional = [item for item in parameters if item.kind is not item.VAR_POSITIONAL]
    needed = sum(item.default is item.empty for item in positional)
    if needed > 2 or not (positional or variadic):
        raise HandlerError(
            f"{name} takes {needed} arguments; it is called with the event, or event and context: {_SHAPES}"
        )
    if len(positional) < 2:
        return variadic
    return needed == 2 or positional[1].name in ("context", "ctx")
