"""HTTP answers: JSON bodies, Status bodies, and the shapes that an Accept header can ask for."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web

from local.apiserver.errors import ApiError
from local.apiserver.kinds import Kind
from local.apiserver.storage import Entry, encode
from local.apiserver.tables import table

JSON = "application/json"
META = "meta.k8s.io"


def raw_reply(body: bytes, *, status: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """Answer with JSON that is bytes already."""
    reply = web.Response(body=body, status=status, content_type=JSON)
    for warning in warnings:
        reply.headers.add("Warning", f"299 - {json.dumps(warning)}")
    return reply


def json_reply(value: Any, *, status: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """Answer with a JSON value."""
    return raw_reply(encode(value), status=status, warnings=warnings)


def status_reply(error: ApiError) -> web.Response:
    """Answer with an error's Status."""
    return json_reply(error.status(), status=error.code)


def transform(accept: str) -> str:
    """Return the shape that an Accept header asks for, such as `Table`; empty for the object itself."""
    for media in accept.split(","):
        name, *parameters = (part.strip() for part in media.split(";"))
        options = dict(part.partition("=")[::2] for part in parameters)
        known = options.get("g", META) == META and options.get("v", "v1") == "v1"
        if known and name in (JSON, "application/*", "*/*"):
            return options.get("as", "")
    return ""


def object_body(kind: Kind, entry: Entry, shape: str, include: str = "Metadata") -> bytes:
    """Return one object in the asked shape."""
    if shape == "Table":
        return encode(
            table(kind, [entry.object], entry.object["metadata"].get("resourceVersion", ""), include)
        )
    if shape == "PartialObjectMetadata":
        return encode(partial(entry.object))
    return entry.raw()


def list_body(
    kind: Kind, entries: Sequence[Entry], revision: int, shape: str, include: str = "Metadata"
) -> bytes:
    """Return a list of objects in the asked shape."""
    if shape == "Table":
        return encode(table(kind, [entry.object for entry in entries], str(revision), include))
    if shape == "PartialObjectMetadataList":
        head = _list_head("PartialObjectMetadataList", "meta.k8s.io/v1", revision)
        return head + b",".join(encode(partial(entry.object)) for entry in entries) + b"]}"
    head = _list_head(f"{kind.kind}List", kind.api_version, revision)
    return head + b",".join([entry.raw() for entry in entries]) + b"]}"


def partial(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object's metadata as a PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _list_head(kind: str, api_version: str, revision: int) -> bytes:
    return (
        f'{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{{"resourceVersion":"{revision}"}},"items":['
    ).encode()
