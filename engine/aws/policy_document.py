"""`aws:iam/getPolicyDocument`: an IAM policy document made of typed statements; pure.

Form and order are terraform's: internal/service/iam/{policy_document_data_source,policy_model}.go.
"""

import json
import zlib
from typing import Any

from engine.aws.spec import Json
from engine.provider import ProviderError

_VERSION = "2012-10-17"
_LISTS = (
    ("actions", "Action"),
    ("notActions", "NotAction"),
    ("resources", "Resource"),
    ("notResources", "NotResource"),
)  # fmt: skip
_PRINCIPALS = (("principals", "Principal"), ("notPrincipals", "NotPrincipal"))


def policy_document(args: Json) -> Json:
    """Return the arguments with `json`, `minifiedJson` and `id`; ProviderError for repeated Sids."""
    own = _merged([], [_statement(item) for item in args.get("statements") or ()], replace=False)
    merged: list[Json] = []
    for source in args.get("sourcePolicyDocuments") or ():
        merged = _merged(merged, _statements_of(source), replace=False)
    merged = _merged(merged, own, replace=True)
    for override in args.get("overridePolicyDocuments") or ():
        merged = _merged(merged, _statements_of(override), replace=True)
    policy_id = args.get("policyId")
    head = {"Version": args.get("version") or _VERSION, **({"Id": policy_id} if policy_id else {})}
    document: Json = {**head, "Statement": merged}
    text = json.dumps(document, indent=2)
    return {
        **args,
        "id": str(zlib.crc32(text.encode())),
        "json": text,
        "minifiedJson": json.dumps(document, separators=(",", ":")),
        "version": document["Version"],
    }


def _statement(statement: Json) -> Json:
    result: Json = {"Sid": statement["sid"]} if statement.get("sid") else {}
    result["Effect"] = statement.get("effect") or "Allow"
    result |= {api: _items(statement[name]) for name, api in _LISTS if statement.get(name)}
    result |= {api: _principal(statement[name]) for name, api in _PRINCIPALS if statement.get(name)}
    if statement.get("conditions"):
        result["Condition"] = _conditions(statement["conditions"])
    return result


def _items(values: list[str]) -> Any:
    """Return one item as itself, several in descending order, as terraform writes them."""
    texts = [_variables(value) for value in values]
    return texts[0] if len(texts) == 1 else sorted(texts, reverse=True)


def _variables(value: str) -> str:
    """Return a text with IAM's variables, which are written `&{...}` so that nobody else expands them."""
    return value.replace("&{", "${")


def _principal(principals: list[Json]) -> Any:
    found: dict[str, list[str]] = {}
    for item in principals:
        found.setdefault(item["type"], []).extend(item["identifiers"])
    if found == {"*": ["*"]}:
        return "*"
    return {kind: _items(found[kind]) for kind in sorted(found)}


def _conditions(conditions: list[Json]) -> Json:
    found: dict[str, dict[str, list[str]]] = {}
    for item in conditions:
        values = map(_variables, item["values"])
        found.setdefault(item["test"], {}).setdefault(item["variable"], []).extend(values)
    return {
        test: {
            variable: values[0] if len(values) == 1 else values for variable, values in sorted(tests.items())
        }
        for test, tests in sorted(found.items())
    }


def _statements_of(text: str) -> list[Json]:
    try:
        statements = json.loads(text).get("Statement", [])
    except (ValueError, AttributeError) as error:
        raise ProviderError(f"a source or override policy document is no JSON policy: {error}") from error
    return statements if isinstance(statements, list) else [statements]


def _merged(before: list[Json], added: list[Json], *, replace: bool) -> list[Json]:
    """Return the statements together; one with the Sid of another takes its place, or is an error."""
    result = list(before)
    for statement in added:
        sid = statement.get("Sid")
        places = [index for index, known in enumerate(result) if sid and known.get("Sid") == sid]
        if places and not replace:
            raise ProviderError(f"two statements have the Sid {sid!r}; give each its own")
        if places:
            result[places[0]] = statement
        else:
            result.append(statement)
    return result
