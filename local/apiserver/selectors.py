"""Label and field selectors: parsed once into a predicate over objects."""

import re
from collections.abc import Callable
from typing import Any

from local.apiserver.errors import bad_request
from local.apiserver.kinds import JOB, POD, SECRET, Kind
from local.apiserver.watch import Match

Labels = dict[str, str]
Requirement = Callable[[Labels], bool]

SET_BASED = re.compile(r"\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
EQUALITY = re.compile(r"\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)\s*$")
EXISTENCE = re.compile(r"\s*(?P<op>!?)\s*(?P<key>[^\s!=,()]+)\s*$")
FIELD_TERM = re.compile(r"\s*(?P<key>[^\s!=,]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^,]*)$")
COMMA = re.compile(r",(?![^(]*\))")

COMMON_FIELDS = frozenset({"metadata.name", "metadata.namespace"})
FIELDS: dict[str, frozenset[str]] = {
    POD.resource: frozenset(
        {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        }
    ),
    JOB.resource: frozenset({"status.successful"}),
    SECRET.resource: frozenset({"type"}),
    "namespaces": frozenset({"status.phase"}),
    "nodes": frozenset({"spec.unschedulable"}),
    "events": frozenset(
        {f"involvedObject.{part}" for part in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")}
        | {"involvedObject.resourceVersion", "reason", "reportingComponent", "source", "type"}
    ),
}
"""Fields beyond the common two that the real server can select by."""


def compile_selectors(kind: Kind, namespace: str | None, labels: str, fields: str) -> Match:
    """Return the predicate for one list or watch. Raises ApiError 400 for a selector that cannot be read."""
    by_label = parse_labels(labels) if labels else None
    by_field = _parse_fields(kind, fields) if fields else ()

    def matches(obj: dict[str, Any]) -> bool:
        metadata = obj["metadata"]
        if namespace is not None and metadata.get("namespace") != namespace:
            return False
        if by_label is not None and not by_label(metadata.get("labels") or {}):
            return False
        return all((_field(obj, path) == value) is wanted for path, value, wanted in by_field)

    return matches


def parse_labels(text: str) -> Requirement:
    """Return the predicate of a label selector such as `a=b,c in (d,e),!f`."""
    requirements = [_requirement(term, text) for term in COMMA.split(text) if term.strip()]
    return lambda labels: all(requirement(labels) for requirement in requirements)


def _requirement(term: str, whole: str) -> Requirement:
    if match := SET_BASED.match(term):
        values = frozenset(value.strip() for value in match["values"].split(","))
        key = match["key"]
        if match["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := EQUALITY.match(term):
        key, value = match["key"], match["value"]
        if match["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := EXISTENCE.match(term):
        key, wanted = match["key"], not match["op"]
        return lambda labels: (key in labels) is wanted
    raise bad_request(
        f"unable to parse requirement: couldn't parse the selector string {whole!r} at {term!r}"
    )


def _parse_fields(kind: Kind, text: str) -> tuple[tuple[str, str, bool], ...]:
    terms = []
    for term in filter(None, text.split(",")):
        match = FIELD_TERM.match(term)
        if match is None:
            raise bad_request(f"invalid field selector: {text!r}; can't understand {term!r}")
        if match["key"] not in COMMON_FIELDS | FIELDS.get(kind.resource, frozenset()):
            raise bad_request(
                f'Unable to find "{kind.api_version}, Resource={kind.plural}" that match label selector "", '
                f'field selector "{text}": field label not supported: {match["key"]}'
            )
        terms.append((match["key"], match["value"], match["op"] != "!="))
    return tuple(terms)


def _field(obj: dict[str, Any], path: str) -> str:
    if path == "status.successful":
        return str(obj.get("status", {}).get("succeeded", 0))
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return str(value).lower() if isinstance(value, bool) else str(value or "")


def selector_matches(selector: dict[str, Any], labels: Labels) -> bool:
    """Say whether a LabelSelector object (matchLabels and matchExpressions) selects these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(rule, labels) for rule in selector.get("matchExpressions") or ())


def _expression(rule: dict[str, Any], labels: Labels) -> bool:
    key, operator, values = rule["key"], rule["operator"], rule.get("values") or ()
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) is (operator == "Exists")
