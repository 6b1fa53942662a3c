"""JSON without the traps of JSON: no duplicate keys, no NaN or infinity, no bottomless nesting. Pure."""

import json
import math
from collections.abc import Iterable
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 64
"""Deepest nesting of objects and lists; far below the interpreter's limit, so that it is always the same."""


class InvalidJson(ValueError):
    """The text is not acceptable JSON. The message says what is wrong and repeats no data."""


def loads(text: bytes | str) -> Any:
    """Return the document, or raise InvalidJson."""
    try:
        value = _DECODER.decode(text.decode("utf-8") if isinstance(text, bytes) else text)
    except InvalidJson:
        raise
    except UnicodeDecodeError as error:
        raise InvalidJson(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InvalidJson(f"malformed JSON at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise InvalidJson(_TOO_DEEP) from None
    except ValueError:
        raise InvalidJson("a number has too many digits") from None
    _check_depth(value)
    return value


_TOO_DEEP: Final = f"nested too deeply; allowed: {MAX_DEPTH} levels"


def _check_depth(value: Any) -> None:
    level = _containers((value,))
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = _containers(
            item for parent in level for item in (parent.values() if isinstance(parent, dict) else parent)
        )
    if level:
        raise InvalidJson(_TOO_DEEP)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise InvalidJson("an object has two members of the same name")
    return keys


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidJson("a number is too large")
    return number


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
)
