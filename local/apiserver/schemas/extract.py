"""Writes `builtin.json` from the OpenAPI v3 description of a real API server.

Run by a developer when the Kubernetes version moves, with a kubectl that can reach such a server:

    python -m local.apiserver.schemas.extract

Only names, types, list keys, required fields and defaults are kept; the notation is explained in `types.py`.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from local.apiserver.kinds import KINDS

TARGET = Path(__file__).with_name("builtin.json")
PREFIXES = ("io.k8s.apimachinery.pkg.apis.", "io.k8s.api.")
BODIES = {
    "v1 DeleteOptions": "apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "autoscaling/v1 Scale": "api.autoscaling.v1.Scale",
    "authentication.k8s.io/v1 SelfSubjectReview": "api.authentication.v1.SelfSubjectReview",
    "authentication.k8s.io/v1 TokenRequest": "api.authentication.v1.TokenRequest",
    "authentication.k8s.io/v1 TokenReview": "api.authentication.v1.TokenReview",
    "authorization.k8s.io/v1 LocalSubjectAccessReview": "api.authorization.v1.LocalSubjectAccessReview",
    "authorization.k8s.io/v1 SelfSubjectAccessReview": "api.authorization.v1.SelfSubjectAccessReview",
    "authorization.k8s.io/v1 SelfSubjectRulesReview": "api.authorization.v1.SelfSubjectRulesReview",
    "authorization.k8s.io/v1 SubjectAccessReview": "api.authorization.v1.SubjectAccessReview",
}
"""Types that are only ever a request's body."""
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
}


def main() -> None:
    """Read every needed group and version, and write the file anew."""
    schemas: dict[str, Any] = {}
    built_in = [kind for kind in KINDS if not kind.custom]
    for root in sorted({kind.root for kind in built_in}):
        schemas |= fetch(root)["components"]["schemas"]
    for root in ("/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io/v1"):
        schemas |= fetch(root)["components"]["schemas"]
    names = {
        f"{kind.api_version} {kind.kind}": schema_name(schemas, kind.group, kind.version, kind.kind)
        for kind in built_in
    }
    names |= {kind: f"io.k8s.{name}" for kind, name in BODIES.items()}
    types: dict[str, dict[str, str]] = {}
    for name in names.values():
        collect(schemas, name, types)
    document = {
        "kinds": {kind: short(name) for kind, name in names.items()},
        "types": dict(sorted(types.items())),
    }
    TARGET.write_text(json.dumps(document, indent=1) + "\n")
    sys.stdout.write(f"{TARGET}: {len(types)} types\n")


def fetch(root: str) -> dict[str, Any]:
    """Return the OpenAPI v3 document of one group and version, such as `/apis/batch/v1`."""
    answer = subprocess.run(
        ["kubectl", "get", "--raw", f"/openapi/v3{root}"], capture_output=True, check=True
    )
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def schema_name(schemas: dict[str, Any], group: str, version: str, kind: str) -> str:
    """Return the name of the schema that says it is this group, version and kind."""
    wanted = {"group": group, "version": version, "kind": kind}
    found = [
        name for name, schema in schemas.items() if schema.get("x-kubernetes-group-version-kind") == [wanted]
    ]
    return found[0]


def collect(schemas: dict[str, Any], name: str, types: dict[str, dict[str, str]]) -> None:
    """Add a type and everything that it refers to."""
    if short(name) in types:
        return
    schema = schemas[name]
    fields = types[short(name)] = {}
    if schema.get("x-kubernetes-map-type") == "atomic":
        fields[""] = "atomic"
    for key, field in schema.get("properties", {}).items():
        required = key in schema.get("required", ())
        fields[key] = notation(schemas, field, types) + suffix(field, required=required)


def notation(schemas: dict[str, Any], field: dict[str, Any], types: dict[str, dict[str, str]]) -> str:
    """Return the type of a field in the notation of `types.py`, collecting what it refers to."""
    reference = field.get("$ref") or (field.get("allOf") or [{}])[0].get("$ref", "")
    if reference:
        name = reference.rpartition("/")[2]
        if name in SPECIAL:
            return SPECIAL[name]
        if "properties" not in schemas[name]:
            return "any"
        collect(schemas, name, types)
        return ("{atomic}" if field.get("x-kubernetes-map-type") == "atomic" else "") + short(name)
    if field.get("type") == "array":
        return f"[{list_type(field)}]" + notation(schemas, field["items"], types)
    if "additionalProperties" in field:
        atomic = "atomic" if field.get("x-kubernetes-map-type") == "atomic" else ""
        return f"{{{atomic}}}" + notation(schemas, field["additionalProperties"], types)
    return scalar(field)


def list_type(field: dict[str, Any]) -> str:
    """Return how a list is merged: by server-side apply, then (after `;`) by strategic merge patch."""
    kind = field.get("x-kubernetes-list-type", "atomic")
    text = {
        "atomic": "",
        "set": "set",
        "map": "map " + ",".join(field.get("x-kubernetes-list-map-keys", ())),
    }[kind]
    if "merge" in field.get("x-kubernetes-patch-strategy", ""):
        text += ";" + field.get("x-kubernetes-patch-merge-key", "")
    return text


def scalar(field: dict[str, Any]) -> str:
    """Return the name of a scalar type."""
    if field.get("format") == "byte":
        return "bytes"
    return str(field.get("type", "any")).replace("object", "any")


def suffix(field: dict[str, Any], *, required: bool) -> str:
    """Return the marks behind a type: `!` required, `+` present even when empty, `=x` a default."""
    default = field.get("default")
    text = "+" if default == {} else ""
    if isinstance(default, str | int | bool) and default not in ("", 0, False):
        text += f"={default}"
    return text + ("!" if required else "")


def short(name: str) -> str:
    """Return a schema's name without the prefix that all have."""
    return re.sub("|".join(map(re.escape, PREFIXES)), "", name, count=1)


if __name__ == "__main__":
    main()
