"""JSON documents compared by what they mean: IAM policies, ECR lifecycle policies, redrive policies; pure.

AWS returns policies in another form than they were given: single items without their list, lists in another
order, accounts as ARNs. What counts as the same is terraform's (hashicorp/awspolicyequivalence, and
`policyUnmarshal` in internal/service/ecr/lifecycle_policy.go).
"""

import json
import re
from typing import Any

_ACCOUNT = re.compile(r"arn:[^:]+:iam::(\d{12}):root")
_LISTED = ("Action", "NotAction", "Resource", "NotResource")
_SORTED_SELECTIONS = ("tagPrefixList", "tagPatternList")


def policy(text: str) -> Any:
    """Return an IAM policy's canonical form; another text as it is."""
    parsed = _parsed(text)
    if not isinstance(parsed, dict):
        return parsed
    statements = [_statement(item) for item in _list(parsed.get("Statement", []))]
    rest = {key: value for key, value in parsed.items() if key != "Statement" and value != ""}
    return {**rest, "Statement": sorted(statements, key=_order)}


def lifecycle_policy(text: str) -> Any:
    """Return an ECR lifecycle policy's canonical form: rules by priority, tags in order, no empty members."""
    parsed = _parsed(text)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("rules"), list):
        return parsed
    return {**parsed, "rules": sorted(map(_lifecycle_rule, parsed["rules"]), key=_priority)}


def plain(text: str) -> Any:
    """Return any JSON document's canonical form: numbers and booleans in it may be given as texts."""
    return _scalars(_parsed(text))


def _statement(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    result = {key: value for key, value in statement.items() if value not in ("", None, [], {})}
    result.setdefault("Effect", "Allow")
    for key in _LISTED:
        if key in result:
            result[key] = sorted(map(str, _list(result[key])))
    for key in ("Principal", "NotPrincipal"):
        if key in result:
            result[key] = _principal(result[key])
    if "Condition" in result:
        result["Condition"] = _condition(result["Condition"])
    return result


def _principal(value: Any) -> Any:
    if value == "*":
        value = {"AWS": "*"}
    if not isinstance(value, dict):
        return value
    return {
        kind: sorted(_ACCOUNT.sub(r"\1", str(item)) for item in _list(items)) for kind, items in value.items()
    }


def _condition(value: Any) -> Any:
    """Return conditions with lists of texts; operators and keys are not case-sensitive."""
    if not isinstance(value, dict):
        return value
    return {
        operator.lower(): {key.lower(): sorted(map(_scalar, _list(items))) for key, items in tests.items()}
        for operator, tests in value.items()
        if isinstance(tests, dict)
    }


def _lifecycle_rule(rule: Any) -> Any:
    if not isinstance(rule, dict):
        return rule
    selection = dict(rule.get("selection") or {})
    for key in _SORTED_SELECTIONS:
        if key in selection:
            selection[key] = sorted(_list(selection[key]))
    selection = {key: value for key, value in selection.items() if value not in ("", [], None)}
    return {**{key: value for key, value in rule.items() if value not in ("", None)}, "selection": selection}


def _priority(rule: Any) -> Any:
    return rule.get("rulePriority", 0) if isinstance(rule, dict) else 0


def _scalars(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _scalars(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_scalars(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _order(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text
