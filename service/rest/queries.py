"""Parameters of a query: each known, given once, and allowed."""

from collections.abc import Mapping

from starlette.datastructures import QueryParams

from automation.errors import InvalidEvent
from automation.event_fields import Syntax, shown


def up_to(limit: int) -> Syntax:
    """Return the syntax of how many are asked for."""
    return Syntax(
        f"an integer from 1 to {limit}",
        lambda text: text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= limit,
    )


def checked(parameters: QueryParams, allowed: Mapping[str, Syntax]) -> dict[str, str]:
    """Return the parameters by name. Raises InvalidEvent with everything that is wrong."""
    pairs = parameters.multi_items()
    names = [name for name, _ in pairs]
    problems = [text for name, value in pairs for text in _problems(name, value, allowed)]
    problems += [f"{name}: given more than once" for name in allowed if names.count(name) > 1]
    if problems:
        raise InvalidEvent(f"the query is wrong: {'; '.join(problems)}", details=tuple(problems))
    return dict(pairs)


def _problems(name: str, value: str, allowed: Mapping[str, Syntax]) -> list[str]:
    syntax = allowed.get(name)
    if syntax is None:
        return [f"{shown(name)} is no parameter; allowed: {', '.join(allowed)}"]
    if syntax.accepts(value):
        return []
    return [f"{name}: {shown(value)} is not allowed; allowed: {syntax.allowed}"]
