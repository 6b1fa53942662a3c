"""PromQL as promql-parser reads it: which series a query selects, by which labels."""

import re
from dataclasses import dataclass
from typing import Any

import promql_parser

GRAFANA = {"$__rate_interval": "5m", "$__auto": "5m", "$core_hour": "1", "$gib_hour": "1"}
"""What Grafana fills in before it asks."""


@dataclass(frozen=True)
class Matcher:
    label: str
    operator: str
    value: str

    def takes(self, value: str) -> bool:
        """Say whether a label's value passes."""
        found = re.fullmatch(self.value, value) is not None if "~" in self.operator else value == self.value
        return found is not self.operator.startswith("!")


@dataclass(frozen=True)
class Selector:
    metric: str
    matchers: tuple[Matcher, ...]

    def takes(self, labels: dict[str, str]) -> bool:
        """Say whether a series with these labels is selected."""
        return all(matcher.takes(labels.get(matcher.label, "")) for matcher in self.matchers)

    def value(self, label: str) -> str | None:
        """The value that a label has to have exactly, if there is one."""
        return next((m.value for m in self.matchers if (m.label, m.operator) == (label, "=")), None)


def filled(query: str) -> str:
    """Return a query as Grafana asks it."""
    for variable, value in GRAFANA.items():
        query = query.replace(variable, value)
    return query


def selectors(query: str) -> list[Selector]:
    """Return everything that a query selects; raises ValueError for what is no PromQL."""
    found: list[Selector] = []
    _collect(promql_parser.parse(filled(query)), found)
    return found


def _collect(node: Any, found: list[Selector]) -> None:
    if isinstance(node, promql_parser.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, promql_parser.VectorSelector):
        matchers = tuple(Matcher(m.name, _operator(m.op), m.value) for m in node.matchers.matchers)
        found.append(Selector(node.name, matchers))
        return
    for name in ("expr", "lhs", "rhs", "param"):
        child = getattr(node, name, None)
        if isinstance(child, promql_parser.Expr):
            _collect(child, found)
    for child in getattr(node, "args", ()):
        _collect(child, found)


def _operator(operator: promql_parser.MatchOp) -> str:
    return {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}[str(operator).rpartition(".")[2]]
