"""OpenAPI documents made from our own types: enough for `kubectl explain`, `apply` and field validation.

They carry names, types and list keys, but none of the descriptions of the real documents. Version 2 is served
as JSON only and without definitions; kubectl then uses version 3.
"""

import functools
from typing import Any

from aiohttp import web

from local.apiserver.errors import ApiError
from local.apiserver.kinds import KINDS, Kind
from local.apiserver.replies import json_reply, raw_reply
from local.apiserver.schemas.types import Anything, Field, ListType, MapType, Scalar, Struct, Type, schemas
from local.apiserver.storage import encode

Document = dict[str, Any]
SCALARS: dict[str, Document] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "bytes": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "int-or-string": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
}
WRITE_PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]
PATCH_MEDIA = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


def document(request: web.BaseRequest) -> web.Response | None:
    """Return the OpenAPI document of a path, None where there is none. Raises ApiError 406 for protobuf."""
    path = request.path.rstrip("/")
    if path == "/openapi/v3":
        return json_reply(_index())
    if path == "/openapi/v2":
        accept = request.headers.get("Accept", "")
        if accept and not any(media in accept for media in ("application/json", "*/*", "application/*")):
            raise ApiError(
                406, "NotAcceptable", "only the following media types are accepted: application/json"
            )
        return json_reply({"swagger": "2.0", "info": _info(), "paths": {}, "definitions": {}})
    body = _group_body(path.removeprefix("/openapi/v3"))
    return raw_reply(body) if body is not None else None


def _info() -> Document:
    return {"title": "Kubernetes", "version": "v1.34.2"}


@functools.cache
def _index() -> Document:
    roots = dict.fromkeys(kind.root for kind in KINDS)
    return {"paths": {root.lstrip("/"): {"serverRelativeURL": f"/openapi/v3{root}"} for root in roots}}


@functools.cache
def _group_body(root: str) -> bytes | None:
    kinds = [kind for kind in KINDS if kind.root == root]
    if not kinds:
        return None
    components: Document = {}
    paths: Document = {}
    for kind in kinds:
        name = _schema_name(schemas().root(kind))
        _collect(schemas().root(kind), components)
        components[name] = components[name] | {"x-kubernetes-group-version-kind": [_identity(kind)]}
        paths |= _paths(kind)
    return encode(
        {"openapi": "3.0.0", "info": _info(), "paths": paths, "components": {"schemas": components}}
    )


def _identity(kind: Kind) -> Document:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _paths(kind: Kind) -> Document:
    """Return the paths of a kind; patch is what kubectl looks for to learn what the server can do."""
    reference = {"$ref": f"#/components/schemas/{_schema_name(schemas().root(kind))}"}
    reply = {"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}}
    common = {"responses": reply, "x-kubernetes-group-version-kind": _identity(kind)}
    write = common | {"parameters": WRITE_PARAMETERS}
    body = {"requestBody": {"content": {"*/*": {"schema": reference}}}}
    media = [name for name in PATCH_MEDIA if not (kind.custom and "strategic" in name)]
    patch = {"requestBody": {"content": {name: {"schema": {"type": "object"}} for name in media}}}
    return {
        kind.path("{namespace}"): {
            "get": common | {"x-kubernetes-action": "list"},
            "post": write | body | {"x-kubernetes-action": "post"},
        },
        kind.path("{namespace}", "{name}"): {
            "get": common | {"x-kubernetes-action": "get"},
            "put": write | body | {"x-kubernetes-action": "put"},
            "patch": write | patch | {"x-kubernetes-action": "patch"},
            "delete": common | {"x-kubernetes-action": "delete"},
        },
    }


def _schema_name(struct: Struct) -> str:
    if struct.name.startswith("meta."):
        return f"io.k8s.apimachinery.pkg.apis.{struct.name}"
    prefix = "dev." if struct.name.startswith(("knative.", "custom.")) else "io.k8s.api."
    return prefix + struct.name


def _collect(struct: Struct, components: Document) -> None:
    """Add a struct's schema and those that it refers to."""
    name = _schema_name(struct)
    if name in components:
        return
    result: Document = {"type": "object", "description": ""}
    components[name] = result
    result["properties"] = {
        key: _field(type_, struct.fields[key], components) for key, type_ in struct.types.items()
    }
    if struct.needed:
        result["required"] = list(struct.needed)
    if struct.atomic:
        result["x-kubernetes-map-type"] = "atomic"
    if struct.open:
        result["x-kubernetes-preserve-unknown-fields"] = True


def _field(type_: Type, field: Field, components: Document) -> Document:
    result = _schema(type_, components)
    if field.default is not None and "$ref" not in str(result):
        result = result | {"default": field.default}
    return result


def _schema(type_: Type, components: Document) -> Document:
    if isinstance(type_, Scalar):
        return SCALARS[type_.name]
    if isinstance(type_, Anything):
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if isinstance(type_, Struct):
        _collect(schemas().struct(type_.name), components)
        return {"allOf": [{"$ref": f"#/components/schemas/{_schema_name(type_)}"}]}
    if isinstance(type_, MapType):
        return {"type": "object", "additionalProperties": _schema(type_.item, components)}
    return _list_schema(type_, components)


def _list_schema(type_: ListType, components: Document) -> Document:
    result: Document = {"type": "array", "items": _schema(type_.item, components)}
    result["x-kubernetes-list-type"] = type_.mode
    if type_.keys:
        result["x-kubernetes-list-map-keys"] = list(type_.keys)
    if type_.patch_key is not None:
        result["x-kubernetes-patch-strategy"] = "merge"
        if type_.patch_key:
            result["x-kubernetes-patch-merge-key"] = type_.patch_key
    return result
