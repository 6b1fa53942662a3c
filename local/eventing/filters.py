"""Which events a Trigger wants: `spec.filter.attributes` and the dialects of `spec.filters`. Pure.

As in Knative: a non-empty `spec.filters` makes `spec.filter` void; an attribute that the event does not
have never matches; the empty value in `spec.filter.attributes` means any value. The CloudEvents SQL dialect
is refused by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Attributes = Mapping[str, str]
Predicate = Callable[[Attributes], bool]


class FilterError(ValueError):
    """The filter cannot be used; the text says why, for the Trigger's status."""


@dataclass(frozen=True)
class Filter:
    """A compiled filter. With `exact` set it is nothing but these equal attributes, which can be indexed."""

    predicate: Predicate
    exact: tuple[tuple[str, str], ...] | None = None


def compile_filter(spec: Mapping[str, Any]) -> Filter:
    """Compile the filter of a Trigger's spec; no filter matches everything. Raises FilterError."""
    if spec.get("filters"):
        return Filter(_all(spec["filters"]))
    attributes = (spec.get("filter") or {}).get("attributes") or {}
    exact = None if "" in attributes.values() else tuple(sorted(attributes.items()))
    return Filter(_attributes(attributes), exact)


def _attributes(wanted: Attributes) -> Predicate:
    items = tuple(wanted.items())
    return lambda event: all(
        event.get(name, "") != "" and value in ("", event[name]) for name, value in items
    )


def _dialect(expression: Any) -> Predicate:
    if not isinstance(expression, Mapping) or len(expression) != 1:
        raise FilterError(f"each entry of spec.filters has exactly one dialect, of {', '.join(_DIALECTS)}")
    ((name, argument),) = expression.items()
    if name in ("cesql", "sql"):
        raise FilterError(
            f"the filter dialect {name!r} is not supported by the local platform; use exact, any…"
        )
    if name not in _DIALECTS:
        raise FilterError(f"unknown filter dialect {name!r}; allowed are {', '.join(_DIALECTS)}")
    return _DIALECTS[name](argument)


def _exact(argument: Any) -> Predicate:
    items = _pairs("exact", argument)
    return lambda event: all(event.get(name) == value for name, value in items)


def _prefix(argument: Any) -> Predicate:
    items = _pairs("prefix", argument)
    return lambda event: all(name in event and event[name].startswith(value) for name, value in items)


def _suffix(argument: Any) -> Predicate:
    items = _pairs("suffix", argument)
    return lambda event: all(name in event and event[name].endswith(value) for name, value in items)


def _all(argument: Any) -> Predicate:
    predicates = _nested("all", argument)
    return lambda event: all(predicate(event) for predicate in predicates)


def _any(argument: Any) -> Predicate:
    predicates = _nested("any", argument)
    return lambda event: any(predicate(event) for predicate in predicates)


def _not(argument: Any) -> Predicate:
    predicate = _dialect(argument)
    return lambda event: not predicate(event)


_DIALECTS: dict[str, Callable[[Any], Predicate]] = {
    "exact": _exact,
    "prefix": _prefix,
    "suffix": _suffix,
    "all": _all,
    "any": _any,
    "not": _not,
}


def _pairs(name: str, argument: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(argument, Mapping) or not argument:
        raise FilterError(f"the filter {name!r} needs attributes and their values")
    if not all(isinstance(value, str) and value for value in argument.values()):
        raise FilterError(f"the filter {name!r} needs non-empty texts as values")
    return tuple(argument.items())


def _nested(name: str, argument: Any) -> tuple[Predicate, ...]:
    if not isinstance(argument, list) or not argument:
        raise FilterError(f"the filter {name!r} needs a non-empty list of filters")
    return tuple(_dialect(expression) for expression in argument)
